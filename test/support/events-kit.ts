/** Asks a license state machine for its events, as the active server does. */
import { Kind } from "../../ts/wire/kinds.js";
import type { Asked, LicenseKit } from "./license-kit.js";

const system = { request: 0, session: new Uint8Array(16) };

/** One event as the state machine tells it. */
export interface ToldEvent {
  readonly firm: number;
  readonly number: number;
  readonly at: string;
  readonly time: number;
  readonly what: Readonly<Record<string, unknown>>;
}

export interface ToldSeries {
  readonly firm: number;
  readonly assigned: number;
  readonly acknowledged: number;
  readonly since: number;
  readonly heads: readonly { readonly writer: string; readonly lines: number; readonly chain: string }[];
}

export const trackingOn: Asked = { kind: Kind.tracking, ...system, quantity: 1, mode: 1 };
export const trackingOff: Asked = { kind: Kind.tracking, ...system, quantity: 0 };
export const askEvents: Asked = { kind: Kind.events, ...system };
export const askSeries = (cursor = 0): Asked => ({ kind: Kind.events, ...system, mode: 1, cursor });

/** Acknowledges everything up to `at`; `heads`: Firm Code, lines and a byte that fills the chain. */
export function acknowledge(at: string, writer = "tmr-a", heads: readonly [number, number, number][] = []): Asked {
  const [position = 0, record = 0, sub = 0] = at.split(".").map(Number);
  const entries = heads.map(([firm, lines, byte]) => {
    const entry = Buffer.alloc(40, byte);
    entry.writeUInt32LE(firm, 0);
    entry.writeUInt32LE(lines, 4);
    return entry;
  });
  const blob = Buffer.concat([Buffer.from([writer.length]), Buffer.from(writer), ...entries]);
  return { kind: Kind.events, ...system, handle: position, cursor: record, quantity: sub, blob };
}

export function linesOf<T>(text: string): T[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

/** All events that wait, in as many answers as they take; each is acknowledged with the next question. */
export function drain(kit: LicenseKit): ToldEvent[] {
  const events: ToldEvent[] = [];
  for (let asked = askEvents; ; ) {
    const told = linesOf<ToldEvent>(kit.one(asked).text);
    const last = told.at(-1);
    if (last === undefined) return events;
    events.push(...told);
    asked = acknowledge(last.at);
  }
}
