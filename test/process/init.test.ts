import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Inventory } from "../../ts/central/installation.js";
import { licensesToml } from "../../ts/cli/demo/licenses.js";
import { freePorts, type ProcessDescription, Processes } from "../../ts/cli/demo/processes.js";
import { connect } from "../../ts/client/connect.js";
import { runTmr } from "../support/run-tmr.js";
import { ONE_SEAT, programFile, until } from "../support/running-plant.js";
import { scratchFolder } from "../support/scratch.js";

describe("tmr init", function () {
  this.timeout(120_000);
  const folder = scratchFolder();

  it("makes a system whose five processes start where it lies, and a checkout works", async () => {
    const ports = await freePorts(7);
    const at = (i: number): string => `127.0.0.1:${ports[i]}`;
    const central = join(folder(), "central");
    const plant = join(folder(), "plant");
    const system = join(plant, "system.toml");
    const out = join(folder(), "issued");
    const logs = join(folder(), "logs");
    const licenses = join(folder(), "licenses.toml");
    mkdirSync(logs);
    writeFileSync(licenses, licensesToml);
    const ran = async (...args: readonly string[]): Promise<string> => {
      const result = await runTmr(...args);
      assert.equal(result.code, 0, `${args.join(" ")}\n${result.out}${result.err}`);
      return result.err;
    };
    await ran("central", "init", "--dir", central, "--firm-code", "6000010", "--name", "Test firm");
    const servers = ["tmr-a", "tmr-b"].flatMap((name, i) => [
      "--server",
      `${name}=${at(i)}`,
      "--twin",
      `${name}=${at(2 + i)}`,
    ]);
    const upstreams = [1, 2, 3].flatMap((id) => ["--upstream", `u-${id}=${at(3 + id)}`]);
    const warned = await ran("init", plant, "--name", "plant-1", ...servers, ...upstreams, "--firm", central, "--yes");
    assert.match(warned, /warning: tmr-a and tmr-b and u-1 and u-2 and u-3 are on one host, 127\.0\.0\.1/);
    await ran("central", "issue", licenses, "--dir", central, "--system", system, "--out", out);

    const { machines } = JSON.parse(readFileSync(join(plant, "inventory.json"), "utf8")) as Inventory;
    const processes = new Processes(programFile, logs);
    try {
      for (const { name, role, config } of machines) {
        const id = /^u-(\d)$/.exec(name)?.[1];
        if (id !== undefined) {
          const issued = join(out, `upstream-${id}.tmrc`);
          copyFileSync(issued, join(plant, name, "var/lib/tmr-upstream/containers/licenses.tmrc"));
        }
        const process: ProcessDescription = {
          name,
          role: role === "tmr-server" ? "server" : "upstream",
          config: join(plant, config),
        };
        processes.start(process);
      }
      const session = await connect({ system, requestTimeoutMs: 60_000 });
      await until("the licenses", async () => {
        const held = await session.items();
        return held.some(({ productCode }) => productCode === ONE_SEAT.productCode) ? true : null;
      });
      const handle = await session.access(ONE_SEAT);
      assert.equal(handle.granted.free, 0);
      await handle.release();
      await session.close();
    } finally {
      await processes.stopAll();
    }
    assert.ok(
      existsSync(join(plant, "u-2/var/lib/tmr-upstream/replica.sqlite")),
      "the state is where the machine has it",
    );
  });

  it("asks for what it was not told, on a terminal", async () => {
    const plant = join(folder(), "asked");
    const command = [process.execPath, programFile, "init", plant, "--name", "plant-1"]
      .map((word) => `'${word}'`)
      .join(" ");
    // `script` gives the command a terminal of its own.
    const child = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
    const answers = ["", "10.0.0.11", "10.0.0.12", "10.0.0.21", "10.0.0.22:9000", "10.0.0.23"];
    let shown = "";
    let answered = 0;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
      // One answer per question that is on the screen.
      const questions = shown.match(/(?:Name of the system|Host of [^:]*)(?: \[[^\]]*\])?: /g)?.length ?? 0;
      for (; answered < questions; answered++) child.stdin.write(`${answers[answered]}\n`);
    });
    const [code] = (await once(child, "close")) as [number];
    assert.equal(code, 0, shown);
    assert.equal(answered, answers.length, shown);
    const { system, machines } = JSON.parse(readFileSync(join(plant, "inventory.json"), "utf8")) as Inventory;
    assert.equal(system, "plant-1");
    assert.deepEqual(
      machines.map(({ name, addresses }) => `${name} ${addresses[0]?.address}`),
      [
        "tmr-a 10.0.0.11:7101",
        "tmr-b 10.0.0.12:7101",
        "upstream-1 10.0.0.21:7201",
        "upstream-2 10.0.0.22:9000",
        "upstream-3 10.0.0.23:7201",
      ],
    );
  });

  it("refuses a folder that is there, and names all that is missing when nobody can be asked", async () => {
    const there = await runTmr("init", folder(), "--yes");
    assert.equal(there.code, 2);
    assert.match(there.err, /already there; a system is founded once.*ERR_TMR_FILE/s);
    const missing = await runTmr("init", join(folder(), "new"));
    assert.equal(missing.code, 2);
    assert.match(missing.err, /2 faults:.*--server: expected it 2 times.*--upstream: expected it 3 times/s);
    assert.ok(!existsSync(join(folder(), "new")));
  });
});
