/**
 * A record that a server puts into the log for whoever runs it (kinds from 128 on), and its voted result. Which server
 * that is makes no difference: a TMR server and a standalone one take the same records.
 */
import { Kind } from "./kinds.js";
import type { Request } from "./request.js";
import type { Result } from "./result.js";

/** Fields that such a record may use; what they mean is said at its kind. */
export const systemFields = [
  "mode",
  "quantity",
  "firmCode",
  "productCode",
  "featureMap",
  "itemRef",
  "handle",
  "durationMs",
  "cursor",
] as const satisfies readonly (keyof Request)[];

/** What is to be ordered: a system kind, the fields that it uses, its blob. */
export interface SystemRecord extends Partial<Pick<Request, (typeof systemFields)[number]>> {
  readonly kind: number;
  readonly blob?: Uint8Array;
}

/** The voted result with its blob, a refusal's sentence included. */
export interface SystemAnswer {
  readonly result: Result;
  readonly blob: Uint8Array;
}

/** Why a record was not ordered, or is not known to have been. */
export type SystemFault =
  /** this server does not lead; nothing was done */
  | "not-active"
  /** two servers are needed; nothing was done */
  | "no-quorum"
  /** the leadership changed while it was under way: whether it was done is not known */
  | "interrupted";

/** The system records that an administrator may ask for, by their names on the control socket. */
export const adminKinds = {
  setAccessList: Kind.setAccessList,
  cancelHandle: Kind.cancelHandle,
  setNamedUser: Kind.setNamedUser,
  tracking: Kind.tracking,
  readAccessList: Kind.readAccessList,
  /** what the system says of each series of tracking: of {@link Kind.events} only what reads */
  readSeries: Kind.events,
} as const;
export type AdminKind = keyof typeof adminKinds;
