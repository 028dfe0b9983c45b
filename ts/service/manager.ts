/**
 * What a server tells the service manager that started it (systemd: sd_notify): that it is ready, reloads, stops, how it is in
 * one line, and that it is alive. Without NOTIFY_SOCKET in the environment nobody is told anything.
 */
import type { Engine } from "../engine/types.js";

/** What the service manager reads from the environment of a process that it started. */
export type ServiceEnvironment = Readonly<Record<string, string | undefined>>;

/** Sends one datagram: null, or the system's name of the error. */
export type SendDatagram = Engine["sendDatagram"];

const SOCKET = "NOTIFY_SOCKET";
const MAX_STATUS_CHARS = 200;

export class ServiceManager {
  readonly #send: SendDatagram;
  readonly #socket: Buffer | null;
  /** How often the service manager wants to hear that the service is alive, ms; null: it does not ask. */
  readonly watchdogMs: number | null;
  #status = "";

  /** `pid`: this process; a watchdog that is meant for another one is not fed. */
  constructor(environment: ServiceEnvironment, pid: number, send: SendDatagram) {
    this.#send = send;
    const socket = environment[SOCKET];
    this.#socket = socket === undefined || socket === "" ? null : Buffer.from(socket, "utf8");
    this.watchdogMs = this.#socket === null ? null : watchdogOf(environment, pid);
  }

  /** False: nobody listens. */
  get listens(): boolean {
    return this.#socket !== null;
  }

  ready(): void {
    this.#tell("READY=1");
  }

  /** `monotonicUs`: CLOCK_MONOTONIC, by which systemd 253 and later knows that this answers its own signal. */
  reloading(monotonicUs: bigint): void {
    this.#tell("RELOADING=1", `MONOTONIC_USEC=${monotonicUs}`);
  }

  stopping(): void {
    this.#tell("STOPPING=1");
  }

  /** The line that `systemctl status` shows; said only when it is another one. */
  status(text: string): void {
    const line = text.replaceAll(/\s+/g, " ").slice(0, MAX_STATUS_CHARS);
    if (line === this.#status) return;
    this.#status = line;
    this.#tell(`STATUS=${line}`);
  }

  alive(): void {
    this.#tell("WATCHDOG=1");
  }

  /** A message that cannot be delivered is nobody's fault here: a watchdog that hears nothing acts by itself. */
  #tell(...assignments: readonly string[]): void {
    if (this.#socket !== null) this.#send(this.#socket, Buffer.from(assignments.join("\n"), "utf8"));
  }
}

function watchdogOf(environment: ServiceEnvironment, pid: number): number | null {
  const { WATCHDOG_USEC: us, WATCHDOG_PID: owner } = environment as Record<"WATCHDOG_USEC" | "WATCHDOG_PID", string>;
  if (us === undefined || !/^[1-9]\d{0,15}$/.test(us)) return null;
  if (owner !== undefined && owner !== "" && owner !== String(pid)) return null;
  return Number(us) / 1000;
}
