/** What the measuring process and the load process say to each other. */
import type { ProcessFacts } from "./facts.js";

/** What the native load takes. */
export interface LoadOptions {
  readonly serverKey: Uint8Array;
  /** of the two TMR servers, on loopback */
  readonly ports: readonly [number, number];
  readonly firstServer: 0 | 1;
  readonly clients: number;
  /** checkouts in flight of each client */
  readonly lanes: number;
  readonly firmCode: number;
  readonly productCode: number;
  /** checkouts per second; absent: closed loop */
  readonly rate?: number;
  /** never more than this many may be out */
  readonly seats?: number;
  readonly holdMs?: number;
}

/** Milliseconds. */
export interface Times {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface LoadResult {
  readonly checkouts: number;
  readonly requests: number;
  readonly denied: number;
  readonly mostOut: number;
  readonly overAllocated: number;
  readonly repeated: number;
  readonly reconnects: number;
  readonly late: number;
  readonly noQuorum: number;
  readonly notActive: number;
  readonly busy: number;
  readonly unexpected: number;
  readonly unexpectedKind: number;
  readonly unexpectedStatus: number;
  readonly mostBehind: number;
  readonly gapMs: number;
  readonly gapAtMs: number;
  readonly checkoutMs: Times;
  readonly requestMs: Times;
}

/** The native object: its calls block. */
export interface Load {
  open(limitMs: number): boolean;
  start(): void;
  run(durationMs: number): void;
  beginWindow(): void;
  endWindow(): void;
  drain(limitMs: number): number;
  close(limitMs: number): number;
  result(): LoadResult;
}

export interface LoadOrder extends Omit<LoadOptions, "serverKey"> {
  /** base64url */
  readonly serverKey: string;
  readonly warmUpMs: number;
  readonly windowMs: number;
  /** processes whose facts are taken at both ends of the window, by name */
  readonly pids: Readonly<Record<string, number>>;
}

/** One line of JSON each on the load process's output. */
export type LoadReport =
  | { readonly event: "opened" | "window" | "window-end" }
  | { readonly event: "failed"; readonly reason: string }
  | {
      readonly event: "result";
      readonly result: LoadResult;
      /** true length of the window */
      readonly windowMs: number;
      /** null: it was not there at one of the ends */
      readonly before: Readonly<Record<string, ProcessFacts | null>>;
      readonly after: Readonly<Record<string, ProcessFacts | null>>;
      /** CPU time of the load process itself in the window */
      readonly loadCpuMs: number;
    };
