/** The programs on the hosts of a network test: started, killed, frozen; and how the system is. */
import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { ControlClient } from "../../ts/admin/control-client.js";
import type { Health } from "../../ts/admin/control-protocol.js";
import { programFile } from "../support/running-plant.js";
import type { Host } from "./namespaces.js";
import { type Plant, VIRTUAL_IP } from "./plant.js";

export type Twin = 0 | 1;

const HEALTH_MS = 1_000;

interface Program {
  readonly name: string;
  readonly host: Host;
  readonly command: readonly string[];
  child: ChildProcess | null;
}

export class NetworkSystem {
  readonly plant: Plant;
  readonly #programs = new Map<string, Program>();
  readonly #died: string[] = [];
  readonly #ending = new Set<string>();

  constructor(plant: Plant) {
    this.plant = plant;
    for (const twin of [0, 1] as const) {
      const host = plant.servers[twin];
      const config = plant.system.serverFiles[twin];
      this.#add(`server-${twin}`, host, [process.execPath, programFile, "server", "-c", config]);
      this.#add(`keepalived-${twin}`, host, keepalivedCommand(plant.keepalived[twin], dirname(config)));
    }
    plant.upstreams.forEach((host, i) => {
      const config = plant.system.upstreamFiles[i] ?? "";
      this.#add(`upstream-${i}`, host, [process.execPath, programFile, "upstream", "-c", config]);
    });
  }

  get names(): readonly string[] {
    return [...this.#programs.keys()];
  }

  /** Programs that ended although nobody ended them. */
  get died(): readonly string[] {
    return this.#died;
  }

  start(name: string): void {
    const program = this.#program(name);
    if (name.startsWith("keepalived")) this.#clearPids(name);
    const log = openSync(join(this.plant.logDir, `${name}.log`), "a", 0o600);
    const child = program.host.spawn(program.command, ["ignore", log, log]);
    closeSync(log);
    program.child = child;
    child.once("exit", (code, signal) => {
      program.child = null;
      if (!this.#ending.delete(name)) this.#died.push(`${name} ended by itself: ${signal ?? `exit code ${code}`}`);
      if (name.startsWith("keepalived")) this.#afterKeepalived(program.host);
    });
  }

  /** Resolves when it is gone. keepalived is two processes, and both are killed. */
  async end(name: string, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const { child, host } = this.#program(name);
    if (child === null) return;
    const ended = once(child, "exit");
    this.#ending.add(name);
    if (name.startsWith("keepalived") && signal === "SIGKILL") this.#killChildrenOf(child.pid ?? 0, host);
    child.kill(signal);
    await ended;
  }

  freeze(name: string, frozen: boolean): void {
    this.#program(name).child?.kill(frozen ? "SIGSTOP" : "SIGCONT");
  }

  health(twin: Twin): Promise<Health | null> {
    const state = join(dirname(this.plant.system.serverFiles[twin]), "state");
    return new ControlClient(state, HEALTH_MS).health().catch(() => null);
  }

  /** The twin that is active and serves; null when there is not exactly one. */
  async active(): Promise<Twin | null> {
    const healths = await Promise.all([this.health(0), this.health(1)]);
    const [a, b] = healths.map((health) => health?.role === "active" && health.quorum);
    return a === b ? null : a ? 0 : 1;
  }

  /** What keepalived needs is there on both: the tracked file and the FIFO. */
  tracked(): Promise<boolean> {
    const states = this.plant.system.serverFiles.map((file) => join(dirname(file), "state"));
    return Promise.resolve(
      states.every((state) => existsSync(join(state, "serving")) && existsSync(join(state, "address.fifo"))),
    );
  }

  holds(twin: Twin): boolean {
    return this.plant.servers[twin].holds(VIRTUAL_IP);
  }

  /** One twin is active with three upstreams in step and has the address; the other is passive and hears it. */
  async whole(): Promise<boolean> {
    const active = await this.active();
    if (active === null) return false;
    const passive = active === 0 ? 1 : 0;
    const [own, other] = await Promise.all([this.health(active), this.health(passive)]);
    return (
      own?.upstreams.every((state) => state === "streaming") === true &&
      own.peer === "passive" &&
      other?.role === "passive" &&
      other.peer === "active" &&
      other.upstreams.every((state) => state === "connected") &&
      this.holds(active) &&
      !this.holds(passive)
    );
  }

  async stop(): Promise<void> {
    // Upstreams last: a TMR server says goodbye to them.
    for (const kind of ["keepalived", "server", "upstream"]) {
      await Promise.all(this.names.filter((name) => name.startsWith(kind)).map((name) => this.end(name, "SIGTERM")));
    }
  }

  #add(name: string, host: Host, command: readonly string[]): void {
    this.#programs.set(name, { name, host, command, child: null });
  }

  #program(name: string): Program {
    const program = this.#programs.get(name);
    if (program === undefined) throw new Error(`no program ${name}`);
    return program;
  }

  /** What systemd does by the drop-in's ExecStopPost, whose failure does not count. */
  #afterKeepalived(host: Host): void {
    try {
      host.run(...this.plant.afterKeepalived);
    } catch {
      // It had no address to take away.
    }
  }

  #killChildrenOf(pid: number, host: Host): void {
    const children = execFileSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" });
    const here = new Set(host.pids());
    for (const child of children.split("\n").map(Number)) if (here.has(child)) process.kill(child, "SIGKILL");
  }

  #clearPids(name: string): void {
    const folder = dirname(this.plant.system.serverFiles[name.endsWith("0") ? 0 : 1]);
    for (const file of pidFiles(folder)) rmSync(file, { force: true });
  }
}

function pidFiles(folder: string): [string, string] {
  return [join(folder, "keepalived.pid"), join(folder, "vrrp.pid")];
}

function keepalivedCommand(conf: string, folder: string): string[] {
  const [own, vrrp] = pidFiles(folder);
  return ["keepalived", "--dont-fork", "--log-console", "--vrrp", "-f", conf, "-p", own, "-r", vrrp];
}
