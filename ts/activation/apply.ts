/**
 * Putting an update into a container. Everything is decided here from what is given: what was read from the folder goes
 * in, what is to be written comes out.
 */
import type { FirmEntry } from "../config/system.js";
import { FirmItemFault, verifyFirmItem } from "../container/firm-item.js";
import { refused } from "./signed.js";
import { openUpdate, type Update, verifyUpdate } from "./update.js";

/** The server that an update is applied at. */
export interface UpdatedServer {
  readonly name: string;
  /** base64url signing key */
  readonly holder: string;
  /** X25519 private key, 32 bytes */
  readonly sealing: Uint8Array;
  readonly firms: readonly FirmEntry[];
}

/** A container as its file has it, opened: signed parts in ascending order of Firm Code. */
export interface ContainerParts {
  /** `mask-serial` */
  readonly container: string;
  readonly actId: number;
  readonly firmItems: readonly FirmPart[];
}

/** What one firm put into a container. */
export interface FirmPart {
  readonly firmCode: number;
  readonly updateCounter: number;
  readonly updateId?: string | undefined;
  /** compact JWS */
  readonly firmItem: string;
  /** compact JWS of each item that may be borrowed */
  readonly certificates: readonly string[];
}

/** `there`: the container has the update already, nothing is to be written. */
export type Applied =
  | { readonly outcome: "there"; readonly update: Update }
  | { readonly outcome: "applied"; readonly update: Update; readonly container: ContainerParts };

/**
 * Applies an update to the container that it names; null: the server has no such container. Throws ERR_TMR_ACTIVATION
 * with the one reason why not; then nothing is to be changed.
 */
export async function applyUpdate(
  jws: string,
  server: UpdatedServer,
  find: (container: string) => ContainerParts | null,
): Promise<Applied> {
  const update = await verifyUpdate(jws, server.firms);
  const before = find(update.container);
  if (judge(update, server, before) === "there") return { outcome: "there", update };
  const content = await openUpdate(update, server.sealing);
  const part: FirmPart = {
    firmCode: update.firmCode,
    updateCounter: update.updateCounter,
    updateId: update.updateId,
    ...content,
  };
  await checkInside(update, content.firmItem, server);
  const others = (before?.firmItems ?? []).filter(({ firmCode }) => firmCode !== update.firmCode);
  const firmItems = [...others, part].toSorted((a, b) => a.firmCode - b.firmCode);
  const { container, actId } = update;
  return { outcome: "applied", update, container: { container, actId, firmItems } };
}

/** Whether an update can be applied, or is there already. Throws ERR_TMR_ACTIVATION with the reason. */
export function judge(
  update: Omit<Update, "content" | "format">,
  server: Pick<UpdatedServer, "name" | "holder">,
  before:
    | (Pick<ContainerParts, "actId"> & { readonly firmItems: readonly Omit<FirmPart, "firmItem" | "certificates">[] })
    | null,
): "apply" | "there" {
  const { container, firmCode, updateId, baseCounter, updateCounter } = update;
  if (update.holder !== server.holder) {
    throw refused(
      `the update is for another license server (key ${update.holder.slice(0, 8)}…), this is ${server.name} ` +
        `(key ${server.holder.slice(0, 8)}…): an update works only where its context was made`,
    );
  }
  if (updateCounter <= baseCounter) throw refused("the update would take its container back: it is damaged");
  if (before !== null && before.actId !== update.actId) {
    throw refused(`the update is for actId ${update.actId}, container ${container} has actId ${before.actId}`);
  }
  const own = before?.firmItems.find((item) => item.firmCode === firmCode);
  const has = own?.updateCounter ?? 0;
  if (has === updateCounter && own?.updateId === updateId) return "there";
  if (has === baseCounter) return "apply";
  if (before === null) {
    const needs = `the update is for container ${container} at Firm Update Counter ${baseCounter}`;
    throw refused(`${needs}, which ${server.name} does not have: make a new context and activate again`);
  }
  if (has === updateCounter) {
    throw refused(
      `container ${container} came to Firm Update Counter ${has} by another update: two were made for one context; ` +
        "make a new context and activate again",
    );
  }
  if (has > updateCounter) {
    throw refused(
      `the update is repeated: it leads to Firm Update Counter ${updateCounter}, container ${container} is at ${has} already`,
    );
  }
  const apart = Math.abs(baseCounter - has);
  throw refused(
    `the update is out of step by ${apart}: it starts from Firm Update Counter ${baseCounter}, container ${container} ` +
      `is at ${has}; ${has < baseCounter ? "import the updates in between first, or " : ""}make a new context`,
  );
}

/** What is inside must be what is outside says: both are signed by the firm, at another time perhaps. */
async function checkInside(update: Update, firmItem: string, server: UpdatedServer): Promise<void> {
  try {
    const item = await verifyFirmItem(firmItem, server.firms, "the update");
    for (const key of ["container", "actId", "holder", "firmCode", "updateCounter", "updateId"] as const) {
      if (item[key] === update[key]) continue;
      throw refused(`the update is altered: its ${key} is ${update[key]} outside and ${item[key] ?? "none"} inside`);
    }
  } catch (error) {
    if (error instanceof FirmItemFault) throw refused(`the update is not sound: ${error.message}`, { cause: error });
    throw error;
  }
}
