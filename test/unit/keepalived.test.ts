import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CreatedSystem, createSystem } from "../../ts/central/found-system.js";
import { FaultsError, loadServerConfig, loadService } from "../../ts/config/index.js";
import { dropIns, keepalivedConf } from "../../ts/failover/keepalived.js";
import { addressStateOf } from "../../ts/failover/notify-fifo.js";
import { scratchFolder } from "../support/scratch.js";
import { textOf } from "../support/source-tree.js";
import { thrownBy } from "../support/throws.js";

const example = `
[virtualIp]
address = "10.0.0.100/24"
interface = "eth0"
routerId = 51
trackFile = "/run/tmr-server/serving"
`;

describe("the virtual address", () => {
  const scratch = scratchFolder();

  function found(
    table: string = example,
    twins: readonly [string, string] = ["10.0.0.1:7110", "10.0.0.2:7110"],
  ): CreatedSystem {
    const clients = ["10.0.0.1:7100", "10.0.0.2:7100"] as const;
    const system = createSystem(join(scratch(), "s"), { clients, twins });
    for (const file of system.serverFiles) appendFileSync(file, table);
    return system;
  }

  function confOf(file: string): string {
    const { name, twin, virtualIp } = loadServerConfig(file);
    assert.ok(virtualIp !== null);
    return keepalivedConf({ name, twin, virtualIp });
  }

  it("has the keepalived.conf of deploy/keepalived, which this keepalived accepts where it is installed", () => {
    found().serverFiles.forEach((file, i) => {
      const conf = confOf(file);
      assert.equal(conf, textOf(`deploy/keepalived/tmr-${"ab"[i]}.conf`));
      const written = join(scratch(), `keepalived-${i}.conf`);
      // The device and the files are those of a machine; what keepalived checks here is its own language.
      writeFileSync(written, conf.replaceAll("eth0", "lo").replaceAll("/run/tmr-server", scratch()));
      const checked = spawnSync("keepalived", ["-t", "-f", written], { encoding: "utf8" });
      if (checked.error === undefined) assert.doesNotMatch(checked.stderr, /unknown keyword|deprecated|invalid/i);
    });
  });

  it("has the drop-ins of deploy/keepalived", () => {
    const { virtualIp } = loadServerConfig(found().serverFiles[0]);
    assert.ok(virtualIp !== null);
    for (const unit of ["keepalived", "tmr-server"] as const) {
      assert.equal(dropIns[unit](virtualIp), textOf(`deploy/keepalived/${unit}.service.d.conf`));
    }
  });

  it("tracks a file in the state folder unless told otherwise, with the FIFO beside it", () => {
    const [file] = found(example.replace(/trackFile.*\n/, "")).serverFiles;
    const { state, virtualIp } = loadServerConfig(file);
    assert.equal(virtualIp?.trackFile, join(state, "serving"));
    assert.equal(virtualIp?.notifyFifo, join(state, "address.fifo"));
    assert.equal(virtualIp?.advertMs, 100);
  });

  it("wants numbers, not names, and says every fault", () => {
    const faults = (table: string, twins?: readonly [string, string]): string[] => {
      scratch();
      const error = thrownBy("ERR_TMR_CONFIG", () => loadServerConfig(found(table, twins).serverFiles[0]));
      assert.ok(error instanceof FaultsError);
      return error.faults.map(({ key }) => key);
    };
    const wrong = example
      .replace("/24", "")
      .replace('"eth0"', '"a name"')
      .replace("51", "256")
      .replace("/run/tmr-server/serving", "a file")
      .concat("advertMs = 15\n");
    assert.deepEqual(faults(wrong), [
      "virtualIp.address",
      "virtualIp.interface",
      "virtualIp.routerId",
      "virtualIp.advertMs",
      "virtualIp.trackFile",
    ]);
  });

  it("asks for source and peer where system.toml has names", () => {
    const [file] = found(example, ["tmr-a:7110", "tmr-b:7110"]).serverFiles;
    const error = thrownBy("ERR_TMR_CONFIG", () => loadServerConfig(file));
    assert.ok(error instanceof FaultsError);
    assert.deepEqual(
      error.faults.map(({ key }) => key),
      ["virtualIp.source", "virtualIp.peer"],
    );
    appendFileSync(file, 'source = "10.0.0.1"\npeer = "10.0.0.2"\n');
    assert.match(confOf(file), /unicast_src_ip 10\.0\.0\.1\n {4}unicast_peer \{\n {8}10\.0\.0\.2\n/);
  });

  it("is dialled by clients before the servers' own addresses", () => {
    const { systemFile } = found();
    assert.deepEqual(loadService(systemFile).addresses, ["10.0.0.1:7100", "10.0.0.2:7100"]);
    const text = readFileSync(systemFile, "utf8");
    writeFileSync(systemFile, text.replace("[[server]]", 'virtualAddress = "10.0.0.100:7100"\n\n[[server]]'));
    assert.deepEqual(loadService(systemFile).addresses, ["10.0.0.100:7100", "10.0.0.1:7100", "10.0.0.2:7100"]);
    writeFileSync(systemFile, text.replace("[[server]]", 'virtualAddress = "10.0.0.1:7100"\n\n[[server]]'));
    const error = thrownBy("ERR_TMR_CONFIG", () => loadService(systemFile));
    assert.match(error.message, /an address of its own, received the same as virtualAddress/);
  });

  const lines: readonly [string, string | null][] = [
    ['INSTANCE "tmr" MASTER 250', "master"],
    ['INSTANCE "tmr" BACKUP 240\r', "backup"],
    ['INSTANCE "tmr" FAULT 240', "fault"],
    ['INSTANCE "tmr" STOP 240', "fault"],
    ['INSTANCE "other" MASTER 240', null],
    ['GROUP "tmr" MASTER 240', null],
    ['INSTANCE "tmr" MASTER_RX_LOWER_PRI 240', null],
    ["", null],
  ];
  for (const [line, state] of lines) {
    it(`reads ${JSON.stringify(line)} as ${state ?? "nothing"}`, () => assert.equal(addressStateOf(line), state));
  }
});
