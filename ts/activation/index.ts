/** Activation documents: contexts, updates, receipts. Pure functions; reading and writing files is the caller's. */
export { type Applied, applyUpdate, type ContainerParts, type FirmPart, judge, type UpdatedServer } from "./apply.js";
export {
  type Context,
  type ContextContainer,
  type ContextFirmItem,
  firmItemOf,
  hasUpdate,
  makeContext,
  verifyContext,
} from "./context.js";
export {
  CONTEXT_SUFFIX,
  decodeContexts,
  decodeUpdates,
  encodeContexts,
  encodeUpdates,
  UPDATE_SUFFIX,
} from "./files.js";
export {
  type ActivationDesk,
  type ActivationMemory,
  type ActivationSite,
  type AppliedUpdate,
  activate,
  applyPlanned,
  type PlannedUpdate,
  planUpdates,
  receiptsOf,
  type SavedActivation,
} from "./run.js";
export { ticketHash, ticketText } from "./ticket.js";
export { makeUpdate, readUpdate, type Update, type UpdateOrder, verifyUpdate } from "./update.js";
