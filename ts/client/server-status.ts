/**
 * The JSON document with which a TMR server answers a `status` request about itself, as a client reads it: the server
 * may say more. Positions and epochs are the log's; digests are hex.
 */
import { TmrError } from "../errors.js";

export type ServerRole = "active" | "passive" | "taking-over" | "stopping";
export type UpstreamState = "streaming" | "syncing" | "promised" | "blank" | "quarantined" | "down";

/** One upstream license server as this TMR server sees it. */
export interface UpstreamStatus {
  readonly id: number;
  readonly name: string;
  readonly address: string;
  readonly connected: boolean;
  readonly state: UpstreamState;
  /** highest position that it acknowledged */
  readonly position: number;
  readonly epoch: number;
  /** false: its answers or its log differ from the two others */
  readonly agrees: boolean;
}

/** A license that the three upstreams do not hold unanimously (licensing.md section 5, rules 2 and 3). */
export interface OddLicenseStatus {
  readonly firmCode: number;
  readonly productCode: number;
  readonly tmrId: number;
  /** e.g. "majority", "split", "alone" */
  readonly verdict: string;
  /** the upstream whose copy differs or is missing, 0 when none can be named */
  readonly odd: number;
  /** upstreams whose copies are equal */
  readonly holders: readonly number[];
}

/** The answer of one TMR server about itself and what it is connected to. */
export interface ServerStatus {
  readonly name: string;
  readonly twin: number;
  readonly role: ServerRole;
  readonly epoch: number;
  readonly position: number;
  readonly carried: number;
  readonly digest: string;
  /** two upstreams are synced and answer */
  readonly quorum?: boolean;
  readonly clients: number;
  readonly peer: {
    readonly name: string;
    readonly address: string;
    readonly connected: boolean;
    readonly role: string;
  };
  readonly upstreams: readonly UpstreamStatus[];
  /** only those that are not unanimous */
  readonly licenses: readonly OddLicenseStatus[];
  readonly counters: Readonly<Record<string, number>>;
  readonly version: string;
  readonly pid: number;
  readonly uptimeMs: number;
}

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
