import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInstallation, type InstallationPlan, type Inventory } from "../../ts/central/installation.js";
import { answered } from "../../ts/cli/init.js";
import { type InitWords, planOf, warningsOf } from "../../ts/cli/init-plan.js";
import { FaultsError } from "../../ts/config/faults.js";
import { loadServerConfig, loadSystem, loadUpstreamConfig } from "../../ts/config/index.js";
import { scratchFolder } from "../support/scratch.js";
import { thrownBy } from "../support/throws.js";

const words: InitWords = {
  name: "plant-1",
  server: ["tmr-a=10.0.0.11", "tmr-b=10.0.0.12:7201"],
  upstream: ["u-1=10.0.0.21", "u-2=10.0.0.22:9000", "u-3=[fd00::23]:7201"],
  twin: ["tmr-b=192.168.0.2:7111"],
};

function planned(): InstallationPlan {
  return { ...planOf(words), firms: [] };
}

describe("an installation for five machines", () => {
  const folder = scratchFolder();
  const target = () => join(folder(), "plant");

  it("is five configurations that load, with the addresses that were asked for", () => {
    const inventory = createInstallation(target(), planned());
    const [a, b, ...upstreams] = inventory.machines.map(({ config }) => join(target(), config));
    const server = loadServerConfig(b ?? "");
    assert.deepEqual([loadServerConfig(a ?? "").twin, server.twin], [0, 1]);
    assert.deepEqual([server.listen, server.twinListen], ["10.0.0.12:7201", "192.168.0.2:7111"]);
    assert.deepEqual(
      upstreams.map((file) => loadUpstreamConfig(file)).map(({ id, listen }) => [id, listen]),
      [
        [1, "10.0.0.21:7201"],
        [2, "10.0.0.22:9000"],
        [3, "[fd00::23]:7201"],
      ],
    );
    assert.equal(loadSystem(join(target(), "system.toml")).virtualContainer, inventory.virtualContainer);
    assert.deepEqual(
      inventory.machines.map(({ host, role }) => `${role} ${host}`),
      [
        "tmr-server 10.0.0.11",
        "tmr-server 10.0.0.12",
        "tmr-upstream 10.0.0.21",
        "tmr-upstream 10.0.0.22",
        "tmr-upstream fd00::23",
      ],
    );
  });

  it("has keys for their owner only, and says no secret anywhere else", () => {
    createInstallation(target(), planned());
    assert.equal(statSync(target()).mode & 0o777, 0o700);
    const files = readdirSync(target(), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const keys = files.filter((file) => file.endsWith("-key.json"));
    assert.equal(keys.length, 5);
    const secrets = keys.flatMap((file) => {
      assert.equal(statSync(file).mode & 0o777, 0o600);
      return Object.values(JSON.parse(readFileSync(file, "utf8")) as Record<string, string>);
    });
    for (const file of files.filter((one) => !keys.includes(one))) {
      const text = readFileSync(file, "utf8");
      assert.ok(
        secrets.filter((secret) => secret.length > 20).every((secret) => !text.includes(secret)),
        file,
      );
    }
  });

  it("arrives by the commands of README.txt as the inventory says, where its configuration finds its state", () => {
    createInstallation(target(), planned());
    const { machines } = JSON.parse(readFileSync(join(target(), "inventory.json"), "utf8")) as Inventory;
    const readme = readFileSync(join(target(), "README.txt"), "utf8");
    for (const { name, host, role, files } of machines) {
      const [pack = "", unpack = ""] = readme
        .slice(readme.indexOf(`   tar -C ${name} `))
        .split("\n", 2)
        .map((line) => line.trim());
      assert.match(
        unpack,
        new RegExp(`^ssh root@${host.replaceAll(".", "\\.")} 'tar -C / .* && chown -R tmr:tmr /etc/${role} `),
      );
      const root = join(folder(), `root-of-${name}`);
      mkdirSync(join(root, "etc"), { recursive: true });
      const here = unpack.replace(/^ssh \S+ '(tar .*) && chown.*'$/, "$1").replace("-C /", `-C ${root}`);
      execFileSync("sh", ["-c", `${pack} ${here}`], { cwd: target() });
      for (const { path, sha256, mode } of files) {
        const bytes = readFileSync(join(root, path));
        assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256);
        assert.equal((statSync(join(root, path)).mode & 0o777).toString(8).padStart(4, "0"), mode);
      }
      const config = role === "tmr-server" ? loadServerConfig : loadUpstreamConfig;
      const file = role === "tmr-server" ? "tmr.toml" : "upstream.toml";
      assert.equal(config(join(root, "etc", role, file)).state, join(root, "var/lib", role));
      assert.match(readme, new RegExp(`ssh root@${host.replaceAll(".", "\\.")} systemctl enable --now ${role}\n`));
    }
  });

  it("names every connection that a firewall has to let through", () => {
    const { firewall } = createInstallation(target(), planned());
    assert.deepEqual(
      firewall.map(({ from, to, port }) => `${from} > ${to}:${port}`),
      [
        "clients, administrators > tmr-a:7101",
        "clients, administrators > tmr-b:7201",
        "tmr-b > tmr-a:7111",
        "tmr-a > tmr-b:7111",
        "tmr-a, tmr-b > u-1:7201",
        "tmr-a, tmr-b > u-2:9000",
        "tmr-a, tmr-b > u-3:7201",
        "administrators > u-1:7201",
        "administrators > u-2:9000",
        "administrators > u-3:7201",
      ],
    );
  });

  it("is never written over", () => {
    mkdirSync(target());
    assert.match(thrownBy("ERR_TMR_FILE", () => createInstallation(target(), planned())).message, /already there/);
    assert.ok(!existsSync(join(target(), "system.toml")));
  });
});

describe("what tmr init is told", () => {
  function faultsOf(changed: Partial<InitWords>): string[] {
    const error = thrownBy("ERR_TMR_CONFIG", () => planOf({ ...words, ...changed }));
    assert.ok(error instanceof FaultsError);
    return error.faults.map(({ key, received }) => `${key}: ${received}`);
  }

  it("is faulty in every place that is named, at once", () => {
    assert.deepEqual(
      faultsOf({
        name: "a\nb",
        server: ["tmr-a=10.0.0.11", "tmr/b=10.0.0.12"],
        upstream: ["u-1", "u-2=10.0.0.22:0", "u-2=10.0.0.22"],
        twin: ["nobody=10.0.0.9"],
      }),
      [
        '--name: "a\\nb"',
        '--server tmr/b: "tmr/b"',
        '--upstream u-1: "u-1"',
        '--upstream u-2=10.0.0.22:0: "u-2=10.0.0.22:0"',
        '--twin nobody: "nobody"',
      ],
    );
  });

  it("has two TMR servers and three upstreams, each with a name and an address of its own", () => {
    assert.deepEqual(faultsOf({ server: [], upstream: ["a=h"], twin: [] }), [
      "--server: it 0 times",
      "--upstream: it 1 times",
    ]);
    assert.deepEqual(faultsOf({ upstream: ["u-1=h", "U-1=h2", "tmr-A=h3"] }), [
      '--upstream U-1: "U-1", the same as --upstream u-1',
      '--upstream tmr-A: "tmr-A", the same as --server tmr-a',
    ]);
    assert.deepEqual(faultsOf({ upstream: ["u-1=h", "u-2=h", "u-3=10.0.0.11:7111"], twin: [] }), [
      '--upstream u-2: "h:7201", the same as --upstream u-1',
      '--upstream u-3: "10.0.0.11:7111", the same as --twin tmr-a',
    ]);
  });

  it("is warned of when two of the five are on one host", () => {
    assert.deepEqual(warningsOf(planOf(words)), []);
    assert.deepEqual(warningsOf(planOf({ ...words, upstream: ["u-1=10.0.0.11", "u-2=h", "u-3=i"] })), [
      "tmr-a and u-1 are on one host, 10.0.0.11: when it fails, they fail together",
    ]);
  });

  it("is asked for where it is missing, and only there", async () => {
    const asked: string[] = [];
    const ask = (question: string, preset: string): Promise<string> => {
      asked.push(question);
      return Promise.resolve(preset === "" ? `h${asked.length}` : preset);
    };
    const all = await answered({ name: "tmr", server: [], upstream: [], twin: [] }, ask);
    assert.deepEqual(asked, [
      "Name of the system",
      "Host of TMR server tmr-a",
      "Host of TMR server tmr-b",
      "Host of upstream upstream-1",
      "Host of upstream upstream-2",
      "Host of upstream upstream-3",
    ]);
    assert.deepEqual(all.server, ["tmr-a=h2", "tmr-b=h3"]);
    asked.length = 0;
    assert.deepEqual(await answered(words, ask), words);
    assert.deepEqual(asked, []);
  });
});
