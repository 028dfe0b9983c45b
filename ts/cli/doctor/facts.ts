/** What `tmr doctor` found out, as plain data: everything that judge.ts decides by. */
import type { Versions } from "../../wire/hello.js";
import type { OddLicenseStatus, ServerRole, UpstreamState } from "../../wire/server-status.js";

export type ServerKind = "TMR server" | "upstream" | "standalone";

/** What a TMR server said of itself and of those that it talks with. */
export interface TmrAnswer {
  readonly role: ServerRole;
  readonly phase: string;
  readonly epoch: number;
  readonly quorum: boolean;
  readonly peer: { readonly name: string; readonly connected: boolean };
  readonly upstreams: readonly {
    readonly id: number;
    readonly name: string;
    readonly connected: boolean;
    readonly state: UpstreamState;
    readonly agrees: boolean;
    readonly lastFault: string;
  }[];
  readonly licenses: readonly OddLicenseStatus[];
  readonly oddLicenses: number;
}

/** What an upstream, or a standalone license server, said of its store and its containers. */
export interface StoreAnswer {
  readonly blank: boolean;
  readonly durable: boolean;
  readonly calendarMs: number | null;
  readonly containers: readonly { readonly file: string; readonly fault: string | null }[];
}

/** One server that the description names. */
export interface ServerFacts {
  readonly name: string;
  readonly kind: ServerKind;
  readonly address: string;
  /** something listens at the address */
  readonly listens: boolean;
  /** why it did not answer, null when it did */
  readonly fault: string | null;
  readonly release: string | null;
  readonly versions: Pick<Versions, "protocol" | "rules"> | null;
  /** its wall clock against that of this host, null when it did not say */
  readonly clockMs: number | null;
  readonly tmr: TmrAnswer | null;
  readonly store: StoreAnswer | null;
  /** of its process, when that is on this host and may be looked at */
  readonly descriptors: { readonly open: number; readonly limit: number } | null;
}

export interface LicenseFacts {
  readonly firmCode: number;
  readonly productCode: number;
  readonly text: string;
  readonly expirationMs: number | null;
}

/** What a configuration on this host says and where it keeps its state. */
export interface LocalFacts {
  readonly file: string;
  readonly kind: ServerKind;
  /** why it cannot be loaded; keys that fit nothing and keys that others may read are among that */
  readonly fault: { readonly code: string; readonly message: string } | null;
  /** its system.toml says the same as the one that was asked by: null when either is not known */
  readonly sameSystem: boolean | null;
  readonly state: {
    readonly folder: string;
    readonly freeBytes: number;
    /** median time of one small durable write, null with the reason why there is none */
    readonly syncMs: number | null;
    readonly syncFault: string | null;
  } | null;
}

export interface Facts {
  readonly system: string;
  readonly kind: "tmr" | "standalone";
  /** wall clock of this host */
  readonly nowMs: number;
  readonly servers: readonly ServerFacts[];
  /** null with the reason why they cannot be listed */
  readonly licenses: readonly LicenseFacts[] | null;
  readonly licensesFault: string | null;
  /** who answers at the virtual address; null: the system has none */
  readonly virtual: {
    readonly address: string;
    readonly answeredBy: string | null;
    readonly fault: string | null;
  } | null;
  /** null: no configuration was given */
  readonly local: LocalFacts | null;
}
