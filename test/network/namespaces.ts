/**
 * Hosts as network namespaces, each with one cable to a switch: a bridge in a namespace of its own. Nothing of it is
 * visible outside, and everything goes with {@link Network.close}.
 */
import { type ChildProcess, execFileSync, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A slow cable's own program, beside the sources: it is not compiled. */
const slowCable = fileURLToPath(new URL("../../../test/network/slow-cable.py", import.meta.url));

export interface CableFault {
  readonly delayMs: number;
  /** up to so much more, by chance: frames overtake each other */
  readonly jitterMs: number;
  readonly lossPercent: number;
  readonly seed: number;
}

function run(...command: readonly string[]): string {
  const [file = "", ...args] = command;
  return execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** One host: its namespace, and the switch's end of its cable. */
export class Host {
  readonly name: string;
  /** its address, without prefix length */
  readonly address: string;
  readonly namespace: string;
  readonly #switch: string;

  constructor(tag: string, name: string, address: string) {
    this.name = name;
    this.address = address;
    this.namespace = `${tag}-${name}`;
    this.#switch = `${tag}-switch`;
    run("ip", "netns", "add", this.namespace);
    run(
      "ip",
      "-n",
      this.#switch,
      "link",
      "add",
      this.port,
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      this.namespace,
    );
    run("ip", "-n", this.#switch, "link", "set", this.port, "master", "br0", "up");
    run("ip", "-n", this.namespace, "link", "set", "lo", "up");
    run("ip", "-n", this.namespace, "link", "set", "eth0", "up");
    run("ip", "-n", this.namespace, "address", "add", `${address}/24`, "dev", "eth0");
  }

  /** The switch's end of its cable. */
  get port(): string {
    return `p-${this.name}`;
  }

  /** Runs a command to its end on this host. */
  run(...command: readonly string[]): string {
    return run("ip", "netns", "exec", this.namespace, ...command);
  }

  /** Starts a program on this host; its pid is the program's own. */
  spawn(command: readonly string[], stdio: StdioOptions): ChildProcess {
    // A group of its own: what is meant for the whole test from a terminal does not reach the hosts.
    return spawn("ip", ["netns", "exec", this.namespace, ...command], { stdio, detached: true });
  }

  /** Every process of this host. */
  pids(): number[] {
    return run("ip", "netns", "pids", this.namespace)
      .split("\n")
      .filter((line) => line !== "")
      .map(Number);
  }

  signalAll(signal: NodeJS.Signals): void {
    for (const pid of this.pids()) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        // It ended meanwhile.
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  }

  holds(address: string): boolean {
    return run("ip", "-n", this.namespace, "-o", "address", "show", "dev", "eth0").includes(` ${address}/`);
  }

  plug(plugged: boolean): void {
    run("ip", "-n", this.#switch, "link", "set", this.port, plugged ? "up" : "down");
  }

  /** Drops packets: those that match, on their way in or out. {@link dropNothing} ends it. */
  drop(direction: "input" | "output", ...match: readonly string[]): void {
    run("ip", "netns", "exec", this.namespace, "nft", "add table inet fault");
    const chain = `{ type filter hook ${direction} priority -300 ; }`;
    run("ip", "netns", "exec", this.namespace, "nft", `add chain inet fault ${direction} ${chain}`);
    run(
      "ip",
      "netns",
      "exec",
      this.namespace,
      "nft",
      `add rule inet fault ${direction} iif != lo ${match.join(" ")} drop`.replace(
        "iif",
        direction === "input" ? "iif" : "oif",
      ),
    );
  }

  dropNothing(): void {
    run("ip", "netns", "exec", this.namespace, "nft", "flush ruleset");
  }

  /** Puts a slow cable in the place of its own; the returned function takes it out again. */
  async slow({ delayMs, jitterMs, lossPercent, seed }: CableFault): Promise<() => Promise<void>> {
    const link = (...args: readonly string[]): string => run("ip", "-n", this.#switch, "link", ...args);
    for (const tap of ["s-host", "s-switch"]) run("ip", "-n", this.#switch, "tuntap", "add", tap, "mode", "tap");
    link("add", "br-slow", "type", "bridge");
    const numbers = [delayMs, jitterMs, lossPercent, seed].map(String);
    const cable = spawn("ip", ["netns", "exec", this.#switch, "python3", slowCable, "s-host", "s-switch", ...numbers], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(cable.stdout, "data");
    link("set", "s-host", "master", "br-slow", "up");
    link("set", "s-switch", "master", "br0", "up");
    link("set", "br-slow", "up");
    link("set", this.port, "master", "br-slow");
    return async () => {
      link("set", this.port, "master", "br0");
      const ended = once(cable, "exit");
      cable.kill();
      await ended;
      for (const name of ["s-host", "s-switch", "br-slow"]) link("del", name);
    };
  }
}

export class Network {
  readonly #tag: string;
  readonly #hosts: Host[] = [];

  /** `tag` begins the name of every namespace; at most 8 letters. */
  constructor(tag: string) {
    this.#tag = tag;
    run("ip", "netns", "add", `${tag}-switch`);
    run("ip", "-n", `${tag}-switch`, "link", "add", "br0", "type", "bridge");
    run("ip", "-n", `${tag}-switch`, "link", "set", "br0", "up");
  }

  host(name: string, address: string): Host {
    const host = new Host(this.#tag, name, address);
    this.#hosts.push(host);
    return host;
  }

  /** Ends every process of every host, and takes everything down. */
  close(): void {
    for (const host of this.#hosts) {
      host.signalAll("SIGKILL");
      run("ip", "netns", "del", host.namespace);
    }
    for (const pid of run("ip", "netns", "pids", `${this.#tag}-switch`).split("\n")) {
      if (pid !== "") process.kill(Number(pid), "SIGKILL");
    }
    run("ip", "netns", "del", `${this.#tag}-switch`);
  }
}
