/** Waiting for a seat in the queue of the servers: asking again and again how the handle stands. */
import { setTimeout as pause } from "node:timers/promises";
import { TmrError } from "../errors.js";
import { Kind, Status } from "../wire/kinds.js";
import type { Result } from "../wire/result.js";
import { type CallOptions, type ClientDriver, reasonOf } from "./driver.js";
import { RefusedError } from "./errors.js";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/**
 * The result of an access when it waits no longer: granted, or the refusal that ended the waiting. Whoever gives up, by
 * a signal or because `withinMs` are over without a word from the servers, leaves the queue.
 */
export async function afterQueue(
  driver: Pick<ClientDriver, "call">,
  access: Result,
  withinMs: number,
  options: CallOptions,
): Promise<Result> {
  let result = access;
  const untilMs = performance.now() + withinMs;
  try {
    for (let pauseMs = FIRST_PAUSE_MS; result.status === Status.queued; pauseMs *= 1.5) {
      if (performance.now() >= untilMs) {
        throw new TmrError("ERR_TMR_TIMEOUT", `no seat within ${withinMs} ms: number ${result.free} in the queue`);
      }
      await pause(Math.min(pauseMs, LONGEST_PAUSE_MS), undefined, { signal: options.signal });
      result = (await driver.call({ kind: Kind.info, handle: access.handle }, options)).result;
    }
    return result;
  } catch (error) {
    // Nobody waits for the release: the session goes on trying by itself.
    if (!(error instanceof RefusedError)) {
      const { timeoutMs } = options;
      driver.call({ kind: Kind.release, handle: access.handle }, { timeoutMs }).catch(() => undefined);
    }
    throw options.signal?.aborted === true ? reasonOf(options.signal) : error;
  }
}
