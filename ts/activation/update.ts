/**
 * An update: what one firm puts into one container of one license server. Signed by the firm and encrypted to the server,
 * it is of no use anywhere else; whoever carries it need not be trusted.
 */
import type { KeyObject } from "node:crypto";
import { z } from "zod";
import { integer, table, U32_MAX } from "../config/fields.js";
import type { FirmEntry } from "../config/system.js";
import { signCertificates } from "../container/certificate.js";
import { type FirmItem, firmKeyId, signFirmItem } from "../container/firm-item.js";
import { canonicalJson } from "../wire/canonical.js";
import { bytesText, type Context, containerText, firmItemOf } from "./context.js";
import { sealTo, unseal } from "./sealing.js";
import { type DocumentKind, readDocument, refused, signDocument, verifyDocument } from "./signed.js";

/** The signed payload of an update. */
export interface Update {
  readonly format: "tmr-update/1";
  readonly firmCode: number;
  /** base64url of 16 random bytes */
  readonly updateId: string;
  /** base64url SHA-256 of the ticket that it redeems */
  readonly ticket: string;
  /** base64url signing key of the server that it is for */
  readonly holder: string;
  /** `mask-serial` */
  readonly container: string;
  readonly actId: number;
  readonly mask: number;
  /** Firm Update Counter of the container that it builds on; 0: the firm has nothing there yet */
  readonly baseCounter: number;
  /** Firm Update Counter after it */
  readonly updateCounter: number;
  /** compact JWE to the sealing key of the server */
  readonly content: string;
}

/** What is encrypted. */
export interface UpdateContent {
  /** compact JWS of the firm */
  readonly firmItem: string;
  /** compact JWS of each item that may be borrowed */
  readonly certificates: readonly string[];
}

export const UPDATE_FORMAT = "tmr-update/1";

const kind: DocumentKind<z.ZodType<Update>> = {
  typ: "tmr-update+jws",
  name: "update",
  schema: table({
    format: z.literal(UPDATE_FORMAT, { error: `"${UPDATE_FORMAT}"` }),
    firmCode: integer(0, U32_MAX),
    updateId: bytesText(16),
    ticket: bytesText(32),
    holder: bytesText(32),
    container: containerText,
    actId: integer(0, U32_MAX),
    mask: integer(1, 255),
    baseCounter: integer(0, U32_MAX),
    updateCounter: integer(1, U32_MAX),
    content: z.string({ error: "a compact JWE" }),
  }),
};

/** What a firm decides about an update; the rest follows from the context that it answers. */
export interface UpdateOrder {
  readonly firm: FirmEntry & { readonly privateKey: KeyObject };
  /** base64url of 16 random bytes */
  readonly updateId: string;
  /** base64url SHA-256 of the ticket */
  readonly ticket: string;
  /** `mask-serial`: one that the context names, or a new one */
  readonly container: string;
  readonly actId: number;
  /** above the counter that the context names */
  readonly updateCounter: number;
  readonly items: FirmItem["items"];
}

/** Makes the update that answers a context. Throws ERR_TMR_ACTIVATION where the order does not fit the context. */
export async function makeUpdate(context: Context, order: UpdateOrder): Promise<string> {
  const { firm, updateId, ticket, container, actId, updateCounter, items } = order;
  const { holder, mask } = context;
  const known = context.containers.find((each) => each.container === container);
  if (known !== undefined && known.actId !== actId) {
    throw refused(`container ${container} has actId ${known.actId}, the order has ${actId}`);
  }
  const baseCounter = firmItemOf(context, container, firm.firmCode)?.updateCounter ?? 0;
  if (updateCounter <= baseCounter) {
    const had = `container ${container} is at Firm Update Counter ${baseCounter} already`;
    throw refused(`${had}: an update to ${updateCounter} would take it back`);
  }
  const outer = { container, actId, holder };
  const item: FirmItem = { ...outer, firmCode: firm.firmCode, firmName: firm.name, updateCounter, updateId, items };
  const content: UpdateContent = {
    firmItem: await signFirmItem(item, firm.privateKey, firm.key),
    certificates: await signCertificates(item, firm.privateKey, firm.key),
  };
  const sealed = await sealTo(Buffer.from(context.sealingKey, "base64url"), canonicalJson(content));
  const numbers = { firmCode: firm.firmCode, updateId, ticket, mask, baseCounter, updateCounter };
  const update: Update = { format: UPDATE_FORMAT, ...outer, ...numbers, content: sealed };
  return signDocument(kind, update, firm.privateKey, firm.key);
}

/** What an update says of itself. Nothing is verified: to find out whom it is for. Throws ERR_TMR_ACTIVATION. */
export function readUpdate(jws: string): Update {
  return readDocument(kind, jws).content;
}

/** Verifies that a trusted firm signed the update. Throws ERR_TMR_ACTIVATION. */
export async function verifyUpdate(jws: string, firms: readonly FirmEntry[]): Promise<Update> {
  const { content, keyId } = readDocument(kind, jws);
  const firm = firms.find(({ firmCode }) => firmCode === content.firmCode);
  if (firm === undefined) {
    throw refused(`the update is signed by an unknown firm: Firm Code ${content.firmCode} is not in the description`);
  }
  if (keyId !== firmKeyId(firm.key)) {
    throw refused(`the update is signed by another key than the one that the description names for ${firm.firmCode}`);
  }
  await verifyDocument(kind, jws, firm.key, `Firm Code ${firm.firmCode}`);
  return content;
}

const contentSchema = table({
  firmItem: z.string(),
  certificates: z.array(z.string()),
});

/** Opens what is encrypted to this server. Throws ERR_TMR_ACTIVATION. */
export async function openUpdate(update: Update, sealing: Uint8Array): Promise<UpdateContent> {
  const text = await unseal(sealing, update.content);
  const parsed = contentSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw refused("the update holds something else than a firm item and its certificates");
  return parsed.data;
}
