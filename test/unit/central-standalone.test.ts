/** Founding a standalone license server and issuing ordinary licenses into its containers. */
import assert from "node:assert/strict";
import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { createFirm } from "../../ts/central/firm.js";
import { type CreatedStandalone, createStandalone } from "../../ts/central/found-standalone.js";
import { createSystem } from "../../ts/central/found-system.js";
import {
  type IssuedStandalone,
  type IssueStandaloneOptions,
  issueStandalone,
} from "../../ts/central/issue-standalone.js";
import { run } from "../../ts/cli/run.js";
import {
  isStandalone,
  isStandaloneConfig,
  loadService,
  loadStandalone,
  loadStandaloneConfig,
  loadUpstreamConfig,
} from "../../ts/config/index.js";
import { loadContainers, standaloneTrust } from "../../ts/container/index.js";
import { license } from "../support/issuing.js";
import { inFolder } from "../support/store-kit.js";
import { rejectedBy, thrownBy } from "../support/throws.js";

interface Founded {
  readonly folder: string;
  readonly central: string;
  readonly server: CreatedStandalone;
  issue(more?: Partial<IssueStandaloneOptions>): Promise<IssuedStandalone>;
}

function found(folder: string): Founded {
  const central = join(folder, "central");
  const firm = createFirm(central, { firmCode: 6_000_010, name: "Test firm" });
  const server = createStandalone(join(folder, "srv"), { firms: [firm], name: "plant" });
  const base = { dir: central, system: server.systemFile, folder: server.containerDir, as: "new" } as const;
  return {
    folder,
    central,
    server,
    issue: (more = {}) => issueStandalone({ ...base, licenses: [license("cad", 13), license("cam", 14)], ...more }),
  };
}

describe("founding a standalone license server", () => {
  it("writes files that load, with keys that only their owner reads", () =>
    inFolder((folder) => {
      const { server } = found(folder);
      assert.ok(isStandalone(server.systemFile));
      assert.ok(isStandaloneConfig(server.serverFile));
      const config = loadStandaloneConfig(server.serverFile);
      assert.deepEqual(config.standalone, server.standalone);
      assert.deepEqual(
        [config.name, config.listen, config.session.timeoutMs, config.limits.maxClients, config.store.durable],
        ["plant", "127.0.0.1:7101", 120_000, 10_000, true],
      );
      assert.equal(config.containers, server.containerDir);
      assert.equal(statSync(join(server.dir, "server", "key.json")).mode & 0o777, 0o600);
      assert.deepEqual(loadService(server.systemFile), {
        kind: "standalone",
        name: "plant",
        clientKey: server.standalone.key,
        servers: [{ name: "plant", clients: "127.0.0.1:7101" }],
        addresses: ["127.0.0.1:7101"],
      });
    }));

  it("is done once per folder", () =>
    inFolder((folder) => {
      const { server } = found(folder);
      thrownBy("ERR_TMR_FILE", () => createStandalone(server.dir));
    }));
});

describe("configuration of a standalone license server", () => {
  const rows: readonly (readonly [what: string, change: (text: string) => string, fault: RegExp])[] = [
    ["an unknown key", (text) => text.replace("[log]", "[limits]\nmaxClient = 5\n[log]"), /did you mean "maxClients"/],
    [
      "limits of a TMR server",
      (text) => text.replace("[log]", "[limits]\nretainedBatches = 5\n[log]"),
      /retainedBatches/,
    ],
    [
      "time-outs that contradict each other",
      (text) => text.replace("[log]", "[session]\ntimeoutMs = 1000\n[log]"),
      /session\.timeoutMs: expected at least session\.minTimeoutMs = 5000/,
    ],
    ["an id as in a TMR system", (text) => text.replace("state =", "id = 1\nstate ="), /upstream\.id/],
    ["a system that is not there", (text) => text.replace("../system.toml", "../none.toml"), /none\.toml/],
  ];
  for (const [what, change, fault] of rows) {
    it(`with ${what} is refused`, () =>
      inFolder((folder) => {
        const { serverFile } = found(folder).server;
        writeFileSync(serverFile, change(readFileSync(serverFile, "utf8")));
        assert.match(thrownBy("ERR_TMR_CONFIG", () => loadStandaloneConfig(serverFile)).message, fault);
      }));
  }

  it("is not taken for that of a TMR system, nor the other way round", () =>
    inFolder((folder) => {
      const { server } = found(folder);
      const system = createSystem(join(folder, "system"));
      thrownBy("ERR_TMR_CONFIG", () => loadUpstreamConfig(server.serverFile));
      thrownBy("ERR_TMR_CONFIG", () => loadStandaloneConfig(system.upstreamFiles[0]));
      thrownBy("ERR_TMR_CONFIG", () => loadStandalone(system.systemFile));
      assert.equal(isStandalone(system.systemFile), false);
      assert.equal(isStandaloneConfig(system.upstreamFiles[0]), false);
      assert.equal(loadService(system.systemFile).servers.length, 2);
    }));

  it("names a firm once", () =>
    inFolder((folder) => {
      const { systemFile } = found(folder).server;
      const text = readFileSync(systemFile, "utf8");
      writeFileSync(systemFile, `${text}\n${text.slice(text.indexOf("[[firm]]"))}`);
      assert.match(thrownBy("ERR_TMR_CONFIG", () => loadStandalone(systemFile)).message, /firm\[1\]\.firmCode/);
    }));
});

describe("issuing ordinary licenses", () => {
  it("makes one container that the server takes, with item references and no TMR-ID", () =>
    inFolder(async (folder) => {
      const { server, issue } = found(folder);
      const issued = await issue();
      assert.equal(basename(issued.file), `${issued.container}.tmrc`);
      const [loaded] = await loadContainers(server.containerDir, standaloneTrust(server.standalone));
      assert.equal(loaded?.fault, undefined);
      assert.equal(loaded?.container, issued.container);
      assert.deepEqual(
        loaded?.items.map(({ productCode, tmrId, itemRef }) => [productCode, tmrId, itemRef]),
        [
          [13, 0, 1],
          [14, 0, 2],
        ],
      );
    }));

  it("keeps the item references of an updated container and gives none out twice", () =>
    inFolder(async (folder) => {
      const { issue } = found(folder);
      const first = await issue();
      const second = await issue({ as: "update", licenses: [license("cam", 14, { quantity: 7 }), license("new", 15)] });
      assert.deepEqual(
        second.licenses.map(({ id, change, terms }) => [id, change, terms.itemRef]),
        [
          ["cam", "changed", 2],
          ["new", "new", 3],
        ],
      );
      assert.deepEqual(second.removed, [{ id: "cad", itemRef: 1 }]);
      assert.deepEqual([second.container, second.file, second.updateCounter], [first.container, first.file, 2]);
      const third = await issue({ as: "update", licenses: [license("cad", 13), license("cam", 14, { quantity: 7 })] });
      assert.deepEqual(
        third.licenses.map(({ change, terms }) => [change, terms.itemRef]),
        [
          ["new", 4],
          ["unchanged", 2],
        ],
      );
    }));

  it("makes a second container beside the first, and asks which one to update", () =>
    inFolder(async (folder) => {
      const { server, issue } = found(folder);
      const [first, second] = [await issue(), await issue()];
      assert.notEqual(first.container, second.container);
      assert.equal(readdirSync(server.containerDir).length, 2);
      const { message } = await rejectedBy("ERR_TMR_CONTAINER", () => issue({ as: "update" }));
      assert.match(message, /say which one with --container/);
      const updated = await issue({ as: "update", container: second.container });
      assert.equal(updated.file, second.file);
      await rejectedBy("ERR_TMR_FILE", () => issue({ as: "update", container: "130-1" }));
    }));

  it("is refused for a firm that the server does not trust, and leaves no file", () =>
    inFolder(async (folder) => {
      const { server, issue } = found(folder);
      const dir = join(folder, "other");
      createFirm(dir, { firmCode: 6_000_011, name: "Other firm" });
      await rejectedBy("ERR_TMR_KEY", () => issue({ dir }));
      assert.deepEqual(readdirSync(server.containerDir), []);
    }));

  it("is refused where the container was issued by another Central of the firm", () =>
    inFolder(async (folder) => {
      const { central, issue } = found(folder);
      await issue();
      const copy = join(folder, "copy");
      createFirm(copy, { firmCode: 6_000_010, name: "Test firm" });
      copyFileSync(join(central, "firm-key.json"), join(copy, "firm-key.json"));
      const { message } = await rejectedBy("ERR_TMR_CONTAINER", () => issue({ dir: copy, as: "update" }));
      assert.match(message, /was not issued by this Central/);
    }));

  it("writes containers that another server does not take", () =>
    inFolder(async (folder) => {
      const { server, issue } = found(folder);
      await issue();
      const other = createStandalone(join(folder, "other-srv"), { firms: server.standalone.firms });
      const [loaded] = await loadContainers(server.containerDir, standaloneTrust(other.standalone));
      assert.match(loaded?.fault ?? "", /another license server/);
    }));

  it("is done on the command line by the description that is named", () =>
    inFolder(async (folder) => {
      const { central, server } = found(folder);
      const licenses = join(folder, "licenses.toml");
      writeFileSync(licenses, '[[license]]\nid = "cad"\nproductCode = 13\n');
      let out = "";
      const terminal = { out: (text: string) => void (out += text), err: (text: string) => void (out += text) };
      const where = ["--dir", central, "--system", server.systemFile];
      const args = ["central", "issue", licenses, ...where, "--out", server.containerDir, "--json"];
      assert.equal(await run(args, { ...terminal, colour: false, watched: false }), 0, out);
      const issued = JSON.parse(out) as { container: string; licenses: { tmrId: number; itemRef: number }[] };
      assert.deepEqual([issued.licenses[0]?.tmrId, issued.licenses[0]?.itemRef], [0, 1]);
      assert.deepEqual(readdirSync(server.containerDir), [`${issued.container}.tmrc`]);
      out = "";
      const founding = ["central", "standalone", join(folder, "second"), "--dir", central, "--address", "[::1]:7555"];
      assert.equal(await run(founding, { ...terminal, colour: false, watched: false }), 0, out);
      assert.match(out, /tmr upstream -c /);
      assert.equal(loadStandalone(join(folder, "second", "system.toml")).address, "[::1]:7555");
    }));
});
