/** How a client reads the status document of a TMR server. */
import { TmrError } from "../errors.js";
import type { ServerStatus } from "../wire/server-status.js";

/** Reads the blob of a status answer; ERR_TMR_PROTOCOL when it is not such a document. */
export function parseServerStatus(blob: Uint8Array): ServerStatus {
  const document = parseJson(blob) as Partial<ServerStatus> | null;
  if (typeof document?.name !== "string" || typeof document.role !== "string" || !Array.isArray(document.upstreams)) {
    throw new TmrError("ERR_TMR_PROTOCOL", "status: expected a server's status document, received something else");
  }
  return document as ServerStatus;
}

/** The JSON in a blob; ERR_TMR_PROTOCOL when it is none. */
export function parseJson(blob: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(blob).toString("utf8"));
  } catch (cause) {
    throw new TmrError("ERR_TMR_PROTOCOL", "the server's answer is not the JSON that belongs there", { cause });
  }
}
