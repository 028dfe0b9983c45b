/**
 * A context: which keys a license server has and how far its containers are. It asks Central for an update, and after the
 * update it is the receipt. The server signs it with the key that its containers are for.
 */
import type { KeyObject } from "node:crypto";
import { z } from "zod";
import { decodeBase64url, integer, line, table, U32_MAX } from "../config/fields.js";
import { firmKeyId } from "../container/firm-item.js";
import { type DocumentKind, readDocument, refused, signDocument, verifyDocument } from "./signed.js";

/** How far one firm's part of a container is. */
export interface ContextFirmItem {
  readonly firmCode: number;
  /** Firm Update Counter */
  readonly updateCounter: number;
  /** of the update that led there; left out where the container was issued as a whole file */
  readonly updateId?: string | undefined;
}

/** One sound container of the server. */
export interface ContextContainer {
  /** `mask-serial` */
  readonly container: string;
  readonly actId: number;
  /** ascending by Firm Code */
  readonly firmItems: readonly ContextFirmItem[];
}

/** What a license server says of itself. */
export interface Context {
  readonly format: "tmr-context/1";
  /** base64url Ed25519 signing key: what its containers are for */
  readonly holder: string;
  /** base64url X25519 key: what is encrypted to it */
  readonly sealingKey: string;
  readonly name: string;
  /** how its containers are protected */
  readonly kind: "activation" | "dongle" | "cloud";
  /** mask byte of the containers that it can have */
  readonly mask: number;
  readonly containers: readonly ContextContainer[];
  readonly madeMs: number;
  /** base64url of 16 random bytes: no two contexts are equal */
  readonly nonce: string;
}

export const CONTEXT_FORMAT = "tmr-context/1";

/** A key, or other bytes of this length, as text. */
export function bytesText(bytes: number) {
  const error = `${bytes} bytes as base64url`;
  return z.string({ error }).refine((text) => decodeBase64url(text, bytes) !== null, { error });
}

/** `mask-serial`. */
export const containerText = z
  .string({ error: "a container mask-serial" })
  .regex(/^[1-9]\d{0,2}-(?:0|[1-9]\d{0,9})$/, { error: "a container mask-serial" });

const firmItem = table({
  firmCode: integer(0, U32_MAX),
  updateCounter: integer(1, U32_MAX),
  updateId: bytesText(16).optional(),
});

const kind: DocumentKind<z.ZodType<Context>> = {
  typ: "tmr-context+jws",
  name: "context",
  schema: table({
    format: z.literal(CONTEXT_FORMAT, { error: `"${CONTEXT_FORMAT}"` }),
    holder: bytesText(32),
    sealingKey: bytesText(32),
    name: line(64),
    kind: z.enum(["activation", "dongle", "cloud"], { error: "activation, dongle or cloud" }),
    mask: integer(1, 255),
    containers: z.array(
      table({
        container: containerText,
        actId: integer(0, U32_MAX),
        firmItems: z.array(firmItem, { error: "an array of firm items" }),
      }),
      { error: "an array of containers" },
    ),
    madeMs: integer(0, Number.MAX_SAFE_INTEGER),
    nonce: bytesText(16),
  }) as z.ZodType<Context>,
};

/** Signs a context; `privateKey` is the private half of its holder. */
export function makeContext(context: Omit<Context, "format">, privateKey: KeyObject): Promise<string> {
  const content: Context = { format: CONTEXT_FORMAT, ...context };
  return signDocument(kind, content, privateKey, Buffer.from(context.holder, "base64url"));
}

/** Reads a context and verifies that the server it speaks of signed it. Throws ERR_TMR_ACTIVATION. */
export async function verifyContext(jws: string): Promise<Context> {
  const { content, keyId } = readDocument(kind, jws);
  const holder = Buffer.from(content.holder, "base64url");
  if (keyId !== firmKeyId(holder)) throw refused("the context is signed by another key than that of its server");
  await verifyDocument(kind, jws, holder, "its server's key");
  return content;
}

/** How far one firm's part of one container is; undefined where the server has none. */
export function firmItemOf(context: Context, container: string, firmCode: number): ContextFirmItem | undefined {
  return context.containers
    .find((each) => each.container === container)
    ?.firmItems.find((each) => each.firmCode === firmCode);
}

/** Whether a receipt says that its server has this update, or a later one of the same firm. */
export function hasUpdate(
  receipt: Context,
  update: {
    readonly holder: string;
    readonly container: string;
    readonly firmCode: number;
    readonly updateCounter: number;
    readonly updateId: string;
  },
): boolean {
  const item = firmItemOf(receipt, update.container, update.firmCode);
  if (receipt.holder !== update.holder || item === undefined) return false;
  return item.updateCounter === update.updateCounter
    ? item.updateId === update.updateId
    : item.updateCounter > update.updateCounter;
}
