/** The files that people carry: `.rac` with one context or the three of a TMR system, `.rau` with as many updates. */
import { z } from "zod";
import { table } from "../config/fields.js";
import { canonicalJson } from "../wire/canonical.js";
import { refused } from "./signed.js";

/** Ends of file names: contexts and receipts; updates. */
export const CONTEXT_SUFFIX = ".rac";
export const UPDATE_SUFFIX = ".rau";

const formats = { contexts: "tmr-contexts/1", updates: "tmr-updates/1" } as const;
/** A group has three; nothing of ours is larger than this. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** The text of a file of contexts: one is written as it is, a group as one document. */
export function encodeContexts(contexts: readonly string[]): string {
  return encode("contexts", contexts);
}

/** The contexts of a file: one, or the three of a TMR system. Throws ERR_TMR_ACTIVATION. */
export function decodeContexts(text: string, file: string): string[] {
  return decode("contexts", text, file);
}

/** The text of a file of updates. */
export function encodeUpdates(updates: readonly string[]): string {
  return encode("updates", updates);
}

/** The updates of a file. Throws ERR_TMR_ACTIVATION. */
export function decodeUpdates(text: string, file: string): string[] {
  return decode("updates", text, file);
}

type What = keyof typeof formats;

function encode(what: What, documents: readonly string[]): string {
  if (documents.length === 1) return `${documents[0]}\n`;
  return `${canonicalJson({ format: formats[what], [what]: documents })}\n`;
}

const list = z
  .array(z.string({ error: "a compact JWS" }), { error: "one or three documents" })
  .min(1)
  .max(3);
const schemas = {
  contexts: table({ format: z.literal(formats.contexts), contexts: list }),
  updates: table({ format: z.literal(formats.updates), updates: list }),
};

function decode(what: What, text: string, file: string): string[] {
  const content = text.trim();
  if (Buffer.byteLength(content) > MAX_FILE_BYTES) throw refused(`${file}: too long for a file of ${what}`);
  if (!content.startsWith("{")) {
    if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(content)) return [content];
    throw refused(`${file}: not a file of ${what}, or truncated`);
  }
  let raw: unknown;
  try {
    raw = JSON.parse(content);
  } catch (cause) {
    throw refused(`${file}: not a file of ${what}, or truncated`, { cause });
  }
  const parsed = schemas[what].safeParse(raw);
  if (!parsed.success) throw refused(`${file}: not a file of ${what}`);
  return (parsed.data as unknown as Readonly<Record<What, string[]>>)[what];
}
