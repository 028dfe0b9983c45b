/**
 * The heartbeat of a service: a timer on the event loop, so that a loop that hangs is silent; and before each beat the
 * service itself is asked whether it works, so that a loop that turns around a broken one is silent too.
 */
import type { ServiceManager } from "./manager.js";

/** A service as its manager sees it. */
export interface Beating {
  /** How it is, in one line. */
  summary(): string;
  /** Null when it works, else in words why not: then it is to be ended and started again. */
  fault(): string | null;
}

export interface HeartLog {
  error(about: object, message: string): void;
  info(about: object, message: string): void;
}

/** How often the one line is brought up to date when no watchdog asks. */
const STATUS_MS = 5_000;
/** A beat that is lost or late must not end the service: there are two more within the time. */
const BEATS_PER_TIMEOUT = 3;

/** Beats until the function that it returns is called. */
export function startHeart(manager: ServiceManager, service: Beating, log: HeartLog): () => void {
  if (!manager.listens) return () => {};
  const { watchdogMs } = manager;
  let known: string | null = null;
  const beat = (): void => {
    const fault = faultOf(service);
    if (fault !== known) {
      if (fault === null) log.info({}, "the service works again");
      else log.error({ fault }, "the service does not work: its watchdog is not fed any more and will start it again");
      known = fault;
    }
    manager.status(fault === null ? service.summary() : `does not work: ${fault}`);
    if (fault === null && watchdogMs !== null) manager.alive();
  };
  beat();
  const timer = setInterval(beat, Math.min(STATUS_MS, (watchdogMs ?? Number.POSITIVE_INFINITY) / BEATS_PER_TIMEOUT));
  return () => clearInterval(timer);
}

function faultOf(service: Beating): string | null {
  try {
    return service.fault();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
