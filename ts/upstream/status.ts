/** The JSON document with which an upstream answers a `status` request about itself. Digests are hex. */

import type { Versions } from "../wire/hello.js";

/** One container file. With a `fault` it is listed and serves nothing. */
export interface ContainerStatus {
  /** name of the file */
  readonly file: string;
  /** `130-serial`, "unknown" with a fault */
  readonly container: string;
  readonly actId: number;
  readonly items: number;
  /** items with a TMR-ID */
  readonly tmrItems: number;
  /** true: its TMR items are part of the holding statement */
  readonly stated: boolean;
  readonly fault?: string;
}

export interface UpstreamCounters {
  /** links of TMR servers accepted since the start */
  readonly links: number;
  /** clients without a key accepted since the start */
  readonly clients: number;
  /** connections that did not finish the handshake or were not admitted, or were nothing but a handshake played again */
  readonly refusedHandshakes: number;
  /** connections closed at once because too many were open */
  readonly refusedFull: number;
  /** connections closed for bytes that are not genuine, or for a packet that is not one */
  readonly malformedPackets: number;
  /** connections closed because too many answers waited for the peer to read them */
  readonly closedUnread: number;
  /** messages of a TMR server that are none */
  readonly malformed: number;
  /** messages that no honest TMR server sends */
  readonly unexpected: number;
  /** client requests of a kind that an upstream does not know */
  readonly unknownKinds: number;
  readonly appends: number;
  /** durable writes that these took: appends that wait together share one */
  readonly appendWrites: number;
  readonly repeated: number;
  /** messages of an epoch below the promised one */
  readonly refused: number;
  /** stores set aside as damaged since the start */
  readonly lostStores: number;
}

export interface UpstreamStatus {
  readonly id: number;
  readonly name: string;
  readonly promised: number;
  readonly logEpoch: number;
  readonly position: number;
  readonly digest: string;
  readonly stateDigest: string;
  readonly incarnation: string;
  /** true: the store is new and not admitted yet (protocol.md rule 8) */
  readonly blank: boolean;
  /** false: it does not wait for its disk ([store] durable = false), and a power failure can lose what it acknowledged */
  readonly durable: boolean;
  readonly containers: readonly ContainerStatus[];
  /** open links of TMR servers, by the name in system.toml */
  readonly links: readonly string[];
  readonly clients: number;
  readonly counters: UpstreamCounters;
  readonly version: string;
  /** what this build knows of the protocol and of the license rules */
  readonly versions: Pick<Versions, "protocol" | "rules">;
  /** its wall clock, ms since 1970 */
  readonly wallMs: number;
  /** the calendar time of its license state, ms since 1970: the newest that was voted */
  readonly calendarMs: number;
  readonly pid: number;
  readonly uptimeMs: number;
}
