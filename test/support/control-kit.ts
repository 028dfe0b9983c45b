/** A control socket without a TMR server behind it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { ControlTarget } from "../../ts/admin/control-socket.js";
import type { ServerRole, UpstreamState, UpstreamStatus } from "../../ts/wire/server-status.js";

/** Says what it is told to say, and notes what it is asked to do. */
export class FakeControlTarget implements ControlTarget {
  readonly calls: string[] = [];
  refusal: string | null = null;
  /** what a take-over or admission makes of it */
  begun: () => void = () => {};
  #status: ReturnType<ControlTarget["status"]> = statusOf("passive", "idle", false);

  reset(): void {
    this.calls.length = 0;
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
      lastFault: "",
    }),
  );
  return { role, phase, quorum, upstreams };
}

/** Leaves a socket file at `path` as a process that is killed does. */
export async function leaveStaleSocket(path: string): Promise<void> {
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  await once(spawn(process.execPath, ["-e", script], { stdio: "ignore" }), "exit");
}
