/** A control socket without a TMR server behind it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { ControlTarget } from "../../ts/admin/control-socket.js";
import { TmrError } from "../../ts/errors.js";
import { Status } from "../../ts/wire/kinds.js";
import { RESULT_BYTES, readResult, writeResult } from "../../ts/wire/result.js";
import type { ServerRole, UpstreamState, UpstreamStatus } from "../../ts/wire/server-status.js";
import type { SystemAnswer, SystemRecord } from "../../ts/wire/system-record.js";

/** Says what it is told to say, and notes what it is asked to do. */
export class FakeControlTarget implements ControlTarget {
  readonly calls: string[] = [];
  readonly records: SystemRecord[] = [];
  refusal: string | null = null;
  /** what becomes of a record */
  answer: (record: SystemRecord) => Promise<SystemAnswer> = (record) => Promise.resolve(answerOf(record));
  /** what a take-over or admission makes of it */
  begun: () => void = () => {};
  #status: ReturnType<ControlTarget["status"]> = statusOf("passive", "idle", false);

  reset(): void {
    this.calls.length = 0;
    this.records.length = 0;
    this.answer = (record) => Promise.resolve(answerOf(record));
    this.refusal = null;
    this.begun = () => {};
    this.say("passive", "idle", false);
  }

  say(role: ServerRole, phase: string, quorum: boolean): void {
    this.#status = statusOf(role, phase, quorum);
  }

  status(): ReturnType<ControlTarget["status"]> {
    return this.#status;
  }

  takeOver(): void {
    this.calls.push("take-over");
    this.begun();
  }

  switchOver(): Promise<void> {
    this.calls.push("switch-over");
    if (this.refusal !== null) return Promise.reject(new TmrError("ERR_TMR_STATE", this.refusal));
    this.begun();
    return Promise.resolve();
  }

  admit(which: 1 | 2 | 3 | "all"): string | null {
    this.calls.push(`admit ${which}`);
    if (this.refusal === null) this.begun();
    return this.refusal;
  }

  resume(): string | null {
    this.calls.push("resume");
    if (this.refusal === null) this.begun();
    return this.refusal;
  }

  propose(record: SystemRecord): Promise<SystemAnswer> {
    this.records.push(record);
    return this.answer(record);
  }
}

/** A result about this record with this status and blob. */
export function answerOf(record: SystemRecord, status: number = Status.ok, blob = "", nextCursor = 0): SystemAnswer {
  const bytes = Buffer.alloc(RESULT_BYTES);
  const { kind, handle = 0 } = record;
  writeResult(bytes, 0, { kind, status, request: 1, session: Buffer.alloc(16), handle, nextCursor });
  return { result: readResult(bytes, 0), blob: Buffer.from(blob) };
}

function statusOf(role: ServerRole, phase: string, quorum: boolean): ReturnType<ControlTarget["status"]> {
  const states: readonly UpstreamState[] = ["streaming", quorum ? "streaming" : "blank", "down"];
  const upstreams = states.map(
    (state, i): UpstreamStatus => ({
      id: i + 1,
      name: `upstream-${i + 1}`,
      address: `127.0.0.1:720${i + 1}`,
      connected: state !== "down",
      state,
      position: 0,
      epoch: 1,
      agrees: state === "streaming",
      protocol: state === "down" ? 0 : 2,
      lastFault: "",
    }),
  );
  const peer = { name: "tmr-b", address: "127.0.0.1:7102", connected: true, role: "passive" } as const;
  return { role, phase, quorum, peer, upstreams };
}

/** Leaves a socket file at `path` as a process that is killed does. */
export async function leaveStaleSocket(path: string): Promise<void> {
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  await once(spawn(process.execPath, ["-e", script], { stdio: "ignore" }), "exit");
}
