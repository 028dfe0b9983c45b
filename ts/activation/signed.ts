/**
 * An activation document: canonical JSON signed as a compact JWS (RFC 7515, Ed25519 as of RFC 9864). There is one way to
 * write each, so an altered byte is found wherever it is.
 */
import type { KeyObject } from "node:crypto";
import { CompactSign, compactVerify, decodeProtectedHeader } from "jose";
import type { z } from "zod";
import { checkDocument } from "../config/document.js";
import { Faults } from "../config/faults.js";
import { ed25519PublicKeyObject } from "../config/key-files.js";
import { ALGORITHM, firmKeyId } from "../container/firm-item.js";
import { TmrError } from "../errors.js";
import { canonicalJson } from "../wire/canonical.js";

/** What kind of document it is: `typ` of its header, and how messages name it. */
export interface DocumentKind<S extends z.ZodType> {
  readonly typ: string;
  readonly name: string;
  readonly schema: S;
}

/** Says why a document is refused, in one sentence. */
export function refused(message: string, options?: { cause?: unknown }): TmrError {
  return new TmrError("ERR_TMR_ACTIVATION", message, options);
}

/** Signs a document. */
export async function signDocument<S extends z.ZodType>(
  kind: DocumentKind<S>,
  content: z.output<S>,
  privateKey: KeyObject,
  publicKey: Uint8Array,
): Promise<string> {
  return new CompactSign(Buffer.from(canonicalJson(content)))
    .setProtectedHeader({ alg: ALGORITHM, kid: firmKeyId(publicKey), typ: kind.typ })
    .sign(privateKey);
}

/** What a document says and the id of the key that its header names. Nothing is verified: for lists and messages. */
export function readDocument<S extends z.ZodType>(
  kind: DocumentKind<S>,
  jws: string,
): { readonly content: z.output<S>; readonly keyId: string } {
  const [, body = "", ...more] = jws.split(".");
  const canonical = jws.split(".").every((part) => Buffer.from(part, "base64url").toString("base64url") === part);
  if (more.length !== 1 || !canonical) throw refused(`the ${kind.name} is damaged: it is not a compact JWS`);
  const keyId = keyIdOf(kind, jws);
  const text = Buffer.from(body, "base64url").toString("utf8");
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw refused(`the ${kind.name} is damaged: what is signed is not JSON`, { cause });
  }
  const faults = new Faults();
  const content = checkDocument(kind.schema, raw, `the ${kind.name}`, faults);
  faults.throwIfAny("ERR_TMR_ACTIVATION");
  if (canonicalJson(raw) !== text) throw refused(`the ${kind.name} is altered: it is not in canonical form`);
  return { content: content as z.output<S>, keyId };
}

/** Verifies the signature of a document by a raw Ed25519 public key; `by` names whose it must be. */
export async function verifyDocument<S extends z.ZodType>(
  kind: DocumentKind<S>,
  jws: string,
  publicKey: Uint8Array,
  by: string,
): Promise<void> {
  try {
    await compactVerify(jws, ed25519PublicKeyObject(publicKey), { algorithms: [ALGORITHM] });
  } catch (cause) {
    throw refused(`the ${kind.name} is altered or damaged: its signature is not by ${by}`, { cause });
  }
}

function keyIdOf({ typ, name }: DocumentKind<z.ZodType>, jws: string): string {
  let header: Readonly<Record<string, unknown>>;
  try {
    header = { ...decodeProtectedHeader(jws) };
  } catch (cause) {
    throw refused(`the ${name} is damaged: its header cannot be read`, { cause });
  }
  const { alg, typ: is, kid, ...more } = header;
  if (is !== typ && typeof is === "string" && is.startsWith("tmr-")) throw refused(`this is no ${name}, it is a ${is}`);
  if (alg !== ALGORITHM || is !== typ || typeof kid !== "string" || Object.keys(more).length > 0) {
    throw refused(`the ${name} needs the header alg ${ALGORITHM}, typ ${typ} and kid alone`);
  }
  return kid;
}
