/** What happens to the packages on a machine, step by step; each is one that passes or fails. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildPlant, type Plant } from "../../ts/cli/demo/plant.js";
import { Processes } from "../../ts/cli/demo/processes.js";
import { programFile, until } from "../support/running-plant.js";
import { TestRoot } from "./test-root.js";
import { StartedUnit } from "./unit.js";

const roles = ["tmr-server", "tmr-upstream"] as const;
const repository = fileURLToPath(new URL("../../../", import.meta.url));
/** What `systemd-analyze security` may say at most, in tenths. */
const MOST_EXPOSED = 20;

/** Builds all packages, without compression: it takes most of the time and says nothing. Their digests by name. */
function build(folder: string): Record<string, string> {
  const script = join(repository, "deploy", "debian", "build.mjs");
  execFileSync(process.execPath, [script, "--compression", "none", "--out", folder], { stdio: "pipe" });
  const digest = (name: string): string =>
    createHash("sha256")
      .update(readFileSync(join(folder, name)))
      .digest("hex");
  return Object.fromEntries(readdirSync(folder).map((name) => [name, digest(name)]));
}

/** Puts a configuration of the plant where the package has it, with its key, description and containers. */
function configure(root: TestRoot, role: (typeof roles)[number], config: string): void {
  const from = dirname(config);
  const etc = root.of(`etc/${role}`);
  const text = readFileSync(config, "utf8");
  const [key, system] = ["key", "system"].map((name) => new RegExp(`^${name} = "(.*)"$`, "m").exec(text)?.[1] ?? "");
  const installed = text
    .replace(/^state = .*$/m, `state = "/var/lib/${role}"`)
    .replace(/^containers = .*$/m, `containers = "/var/lib/${role}/containers"`)
    .replace(/^system = .*$/m, 'system = "system.toml"')
    .replace(/^key = .*$/m, 'key = "key.json"');
  writeFileSync(join(etc, role === "tmr-server" ? "tmr.toml" : "upstream.toml"), installed);
  copyFileSync(join(from, key ?? ""), join(etc, "key.json"));
  copyFileSync(join(from, system ?? ""), join(etc, "system.toml"));
  if (role === "tmr-upstream") {
    const target = root.of(`var/lib/${role}/containers`);
    for (const name of readdirSync(join(from, "containers")))
      copyFileSync(join(from, "containers", name), join(target, name));
  }
  assert.equal(root.run("chown", "-R", "tmr:tmr", `/etc/${role}`, `/var/lib/${role}`).code, 0);
}

/** Runs all steps; false when one has failed. Says the counts in its last line. */
export async function testPackages(): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), "tmr-test-package-"));
  const packages = join(folder, "packages");
  const cleanUp: (() => unknown)[] = [];
  const units = new Map<string, StartedUnit>();
  let passed = 0;
  const step = async (what: string, run: () => unknown): Promise<void> => {
    await run();
    passed++;
    process.stdout.write(`ok      ${what}\n`);
  };
  let root!: TestRoot;
  let plant!: Plant;
  const done = (command: string, ...args: readonly string[]): string => {
    const { code, text } = root.run(command, ...args);
    assert.equal(code, 0, `${command} ${args.join(" ")}: ${text}`);
    return text;
  };
  const files = (): string[] => readdirSync(packages).map((name) => `/mnt/${name}`);
  const checkOut = (): string =>
    done("tmr", "checkout", "--system", "/etc/tmr-server/system.toml", "-p", "6000010:80", "--", "echo", "licensed");

  try {
    await step("the packages are built, and twice the same", () => {
      const first = build(packages);
      assert.deepEqual(
        Object.keys(first).map((name) => name.split("_")[0]),
        ["tmr-common", "tmr-server", "tmr-upstream"],
      );
      assert.deepEqual(build(packages), first);
    });
    root = new TestRoot(packages);
    cleanUp.push(() => root.close());
    await step("they install, make their user and folders, and start nothing that is not configured", () => {
      done("dpkg", "--install", ...files());
      assert.match(done("id", "tmr"), /\(tmr\)/);
      for (const role of roles) {
        assert.equal(done("stat", "-c", "%U:%G %a", `/etc/${role}`).trim(), "tmr:tmr 750");
        assert.equal(done("stat", "-c", "%U:%G %a", `/var/lib/${role}`).trim(), "tmr:tmr 700");
        done("test", "-L", `/etc/systemd/system/multi-user.target.wants/${role}.service`);
      }
      assert.match(done("tmr", "--version"), /^\d+\.\d+\.\d+\n$/);
    });
    await step("systemd finds no fault in the units, and little that is exposed", () => {
      for (const role of roles) {
        const unit = `/lib/systemd/system/${role}.service`;
        assert.equal(done("systemd-analyze", "verify", unit), "");
        done("systemd-analyze", "security", "--offline=true", `--threshold=${MOST_EXPOSED}`, unit);
      }
    });
    await step("both roles start as their units say, together with two upstreams beside", async () => {
      plant = await buildPlant(join(folder, "plant"));
      const others = new Processes(programFile, plant.logDir);
      cleanUp.push(() => others.stopAll());
      for (const upstream of plant.upstreams.slice(1)) others.start(upstream);
      const [server] = plant.servers;
      const [upstream] = plant.upstreams;
      configure(root, "tmr-server", server.config);
      configure(root, "tmr-upstream", upstream.config);
      for (const role of roles) units.set(role, await StartedUnit.start(root, role, join(folder, `${role}.log`)));
      await units.get("tmr-server")?.manager.message(/^STATUS=active, epoch \d+, serving, 3 of 3 upstreams in step, /);
      await units.get("tmr-upstream")?.manager.message(/^STATUS=position \d+, epoch \d+, 1 of 2 TMR servers, /);
      for (const { pid } of units.values()) {
        const status = readFileSync(`/proc/${pid}/status`, "utf8");
        assert.match(status, /^NoNewPrivs:\t1$/m);
        assert.match(status, /^CapEff:\t0+$/m);
        assert.doesNotMatch(status, /^Uid:\t0\t/m);
      }
    });
    await step("a license is checked out", () => {
      assert.match(checkOut(), /licensed/);
    });
    await step("they reload", async () => {
      const unit = units.get("tmr-server");
      const from = unit?.manager.messages.length ?? 0;
      appendFileSync(root.of("etc/tmr-server/tmr.toml"), "\n[tracking]\nenabled = true\n");
      unit?.reload();
      await unit?.manager.message(/^READY=1$/, from);
      await until("events are tracked", async () =>
        statSync(root.of("var/lib/tmr-server/tracking"), { throwIfNoEntry: false }) === undefined ? null : true,
      );
      checkOut();
    });
    await step("an installation over it keeps what was configured", () => {
      appendFileSync(root.of("etc/default/tmr-server"), "# mine\n");
      done("dpkg", "--install", ...files());
      assert.match(readFileSync(root.of("etc/default/tmr-server"), "utf8"), /# mine/);
      checkOut();
    });
    await step("they stop in order", async () => {
      for (const [role, unit] of units) {
        assert.equal(await unit.stop(), 0, readFileSync(join(folder, `${role}.log`), "utf8"));
        assert.ok(unit.manager.messages.includes("STOPPING=1"));
        units.delete(role);
      }
    });
    await step("removing them keeps configuration, keys and state", () => {
      done("dpkg", "--remove", ...roles, "tmr-common");
      assert.notEqual(root.run("test", "-e", "/usr/bin/tmr").code, 0);
      for (const path of [
        "/etc/tmr-server/tmr.toml",
        "/etc/tmr-upstream/key.json",
        "/var/lib/tmr-upstream/containers",
      ]) {
        done("test", "-e", path);
      }
    });
    await step("purging them leaves nothing behind but their user", () => {
      done("dpkg", "--purge", ...roles, "tmr-common");
      const own =
        /^(?:etc\/(?:passwd|group|shadow|gshadow|subuid|subgid)-?|etc\/\.pwd\.lock|var\/(?:lib\/dpkg|log|cache)\/.*)$/;
      assert.deepEqual(
        root.changes().filter((path) => !own.test(path)),
        [],
      );
    });
    process.stdout.write(`${passed} passed, 0 failed\n`);
    return true;
  } catch (error) {
    process.stdout.write(`FAILED  ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.stdout.write(`${passed} passed, 1 failed\n`);
    return false;
  } finally {
    for (const unit of units.values()) await unit.stop();
    for (const undo of cleanUp.reverse()) await undo();
    rmSync(folder, { recursive: true, force: true });
  }
}
