/**
 * The history of one chaos run, as docs/history-format.md describes it: one JSON object per line. All times are
 * nanoseconds of one monotonic clock, counted from the start of the run.
 */
export const HISTORY_FORMAT = "tmr-history/1";

/** `firmCode:productCode` */
export type LicenseName = string;

export interface RunLine {
  readonly type: "run";
  readonly format: typeof HISTORY_FORMAT;
  readonly seed: number;
  readonly sessionTimeoutMs: number;
  readonly licenses: readonly { readonly license: LicenseName; readonly quantity: number }[];
}

export type Operation = "open" | "access" | "release" | "info" | "items" | "close";

/** What a carried answer said. Only what the operation has. */
export interface Granted {
  readonly handle?: number;
  readonly free?: number;
  readonly total?: number;
  readonly items?: readonly { readonly license: LicenseName; readonly used: number; readonly quantity: number }[];
}

export type OperationResult =
  | { readonly ok: Granted }
  /** the servers' final refusal: the name of the status and their sentence */
  | { readonly refused: string; readonly text: string }
  /** the client library gave up */
  | { readonly error: string; readonly text: string }
  /** the client was killed before it heard of an answer */
  | "unknown";

export interface OperationLine {
  readonly type: "operation";
  readonly process: string;
  /** `process/n`: the n-th session of that process; of the answer, or the latest known one without an answer */
  readonly session: string;
  readonly operation: Operation;
  readonly license: LicenseName | null;
  readonly arguments: { readonly quantity?: number; readonly handle?: number };
  readonly callNs: number;
  /** null: never returned */
  readonly returnNs: number | null;
  readonly result: OperationResult;
  /** the log's position in which the answer was carried (its mark), null where there is none */
  readonly position: number | null;
}

export interface FaultLine {
  readonly type: "fault";
  readonly kind: string;
  readonly target: string;
  readonly fromNs: number;
  readonly untilNs: number;
  readonly detail: string;
}

export interface EventLine {
  readonly type: "event";
  readonly event: "lease-lost" | "lease-restored" | "handle-lost" | "reconnected" | "died" | "not-whole";
  readonly process: string;
  readonly atNs: number;
  readonly handle?: number;
  readonly detail?: string;
}

/** How the system was after all clients had ended. */
export interface EndLine {
  readonly type: "end";
  readonly atNs: number;
  readonly upstreams: readonly {
    readonly id: number;
    readonly position: number;
    readonly digest: string;
    readonly stateDigest: string;
  }[];
  readonly items: readonly { readonly license: LicenseName; readonly used: number; readonly quantity: number }[];
}

export type HistoryLine = RunLine | OperationLine | FaultLine | EventLine | EndLine;

/** What a client process writes: a call before it is made, its return after it, so that a kill leaves the call. */
export type ClientLine =
  | ({ readonly type: "call"; readonly call: number } & Pick<
      OperationLine,
      "process" | "session" | "operation" | "license" | "arguments" | "callNs"
    >)
  | ({ readonly type: "return"; readonly call: number } & Pick<
      OperationLine,
      "session" | "returnNs" | "result" | "position"
    >)
  | EventLine;

/** The lines of a text of JSON lines. A last line without its end was cut by a kill and is left out. */
function jsonLines(text: string): unknown[] {
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);
}

/** Calls and returns of one client process joined to operations; a call without its return is `unknown`. */
export function joinCalls(text: string): (OperationLine | EventLine)[] {
  const lines = jsonLines(text) as ClientLine[];
  const returns = new Map(lines.flatMap((line) => (line.type === "return" ? [[line.call, line] as const] : [])));
  return lines.flatMap((line): (OperationLine | EventLine)[] => {
    if (line.type === "event") return [line];
    if (line.type === "return") return [];
    const { process, operation, license, arguments: given, callNs } = line;
    const back = returns.get(line.call);
    const { session, returnNs, result, position } = back ?? {
      session: line.session,
      returnNs: null,
      result: "unknown" as const,
      position: null,
    };
    return [
      {
        type: "operation" as const,
        process,
        session,
        operation,
        license,
        arguments: given,
        callNs,
        returnNs,
        result,
        position,
      },
    ];
  });
}

/** When a line began. The run comes first and the end last. */
function timeOf(line: HistoryLine): number {
  switch (line.type) {
    case "run":
      return Number.NEGATIVE_INFINITY;
    case "operation":
      return line.callNs;
    case "fault":
      return line.fromNs;
    case "event":
      return line.atNs;
    default:
      return Number.POSITIVE_INFINITY;
  }
}

export function historyText(lines: readonly HistoryLine[]): string {
  const sorted = lines.toSorted((a, b) => {
    const [first, second] = [timeOf(a), timeOf(b)];
    return first === second ? 0 : first - second;
  });
  return sorted.map((line) => `${JSON.stringify(line)}\n`).join("");
}

const types = new Set<unknown>(["run", "operation", "fault", "event", "end"]);

/** Throws when the text is not a history of this format. */
export function readHistory(text: string): HistoryLine[] {
  const lines = jsonLines(text.endsWith("\n") ? text : `${text}\n`);
  lines.forEach((line, index) => {
    if (line === null || typeof line !== "object" || !types.has((line as Partial<HistoryLine>).type)) {
      throw new Error(`line ${index + 1} is not a line of ${HISTORY_FORMAT}`);
    }
  });
  const [run] = lines as HistoryLine[];
  if (run?.type !== "run" || run.format !== HISTORY_FORMAT)
    throw new Error(`the first line does not say ${HISTORY_FORMAT}`);
  return lines as HistoryLine[];
}
