/** Starts what a unit file says, as systemd would: its command, user, folders, limits and manager's socket. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { NotifyReceiver } from "../support/notify-receiver.js";
import type { TestRoot } from "./test-root.js";

export class StartedUnit {
  readonly manager: NotifyReceiver;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;

  private constructor(manager: NotifyReceiver, child: ChildProcess) {
    this.manager = manager;
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
  }

  /** Resolves once the service says that it is ready. Its log goes to `log`. */
  static async start(root: TestRoot, unit: string, log: string): Promise<StartedUnit> {
    const lines = readFileSync(root.of(`lib/systemd/system/${unit}.service`), "utf8").split("\n");
    const value = (key: string): string => {
      const found = lines.findLast((line) => line.startsWith(`${key}=`))?.slice(key.length + 1);
      if (found === undefined) throw new Error(`${unit}.service says no ${key}=`);
      return found;
    };
    const own = [value("User"), value("Group")] as const;
    for (const [folder, key] of [
      ["var/lib", "StateDirectory"],
      ["etc", "ConfigurationDirectory"],
    ] as const) {
      mkdirSync(root.of(`${folder}/${value(key)}`), { recursive: true });
      root.run("chown", own.join(":"), `/${folder}/${value(key)}`);
    }
    const manager = await NotifyReceiver.listen(`@tmr-test-${unit}-${process.pid}`);
    const identity = [
      `--reuid=${own[0]}`,
      `--regid=${own[1]}`,
      "--init-groups",
      "--no-new-privs",
      "--bounding-set=-all",
    ];
    // A container may not raise its limit; systemd on a machine does.
    const limits = `umask ${value("UMask")}; ulimit -n ${value("LimitNOFILE")} 2> /dev/null; exec "$@"`;
    const command = ["setpriv", ...identity, "sh", "-c", limits, "sh", ...value("ExecStart").split(" ")];
    const watchdogUs = String(Number(value("WatchdogSec")) * 1_000_000);
    const out = openSync(log, "a");
    const child = spawn("chroot", [root.path, ...command], {
      stdio: ["ignore", out, out],
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: watchdogUs },
    });
    closeSync(out);
    const started = new StartedUnit(manager, child);
    const died = started.#ended.then((code) => {
      throw new Error(`${unit} ended with ${code}: ${readFileSync(log, "utf8").slice(-2000)}`);
    });
    died.catch(() => undefined);
    await Promise.race([manager.message(/^READY=1$/), died]);
    return started;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** ExecReload. */
  reload(): void {
    this.#child.kill("SIGHUP");
  }

  /** SIGTERM; the exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill("SIGTERM");
    const force = setTimeout(() => this.#child.kill("SIGKILL"), 20_000);
    const code = await this.#ended;
    clearTimeout(force);
    this.manager.close();
    return code;
  }
}
