import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { addFirm, type CreateSystemOptions, createSystem } from "../../ts/central/found-system.js";
import { loadServerConfig, loadSystem, loadUpstreamConfig } from "../../ts/config/index.js";
import { scratchFolder } from "../support/scratch.js";
import { thrownBy } from "../support/throws.js";

describe("founding a system", () => {
  const folder = scratchFolder();

  it("writes five configurations that load", () => {
    const created = createSystem(join(folder(), "deep", "new"));
    assert.deepEqual(
      created.upstreamFiles.map((file) => loadUpstreamConfig(file).id),
      [1, 2, 3],
    );
    assert.deepEqual(
      created.serverFiles.map((file) => loadServerConfig(file).twin),
      [0, 1],
    );
    for (const dir of created.containerDirs) assert.deepEqual(readdirSync(dir), []);
  });

  it("writes keys for their owner only, and no secret into any other file", () => {
    const created = createSystem(folder());
    const secrets = [...created.upstreamFiles, ...created.serverFiles].flatMap((file) => {
      const keyFile = join(dirname(file), "key.json");
      assert.equal(statSync(keyFile).mode & 0o777, 0o600);
      return Object.values(JSON.parse(readFileSync(keyFile, "utf8")) as Record<string, string>);
    });
    for (const file of [created.systemFile, ...created.upstreamFiles, ...created.serverFiles]) {
      const text = readFileSync(file, "utf8");
      assert.ok(secrets.filter((secret) => secret.length > 20).every((secret) => !text.includes(secret)));
    }
  });

  it("gives every system keys and an id of its own", () => {
    const [a, b] = ["a", "b"].map((name) => createSystem(join(folder(), name)).system);
    assert.notEqual(a?.id, b?.id);
    assert.notEqual(a?.virtualContainer, b?.virtualContainer);
    const keys = [a, b].flatMap((system) => [
      system?.clientKey,
      ...(system?.servers ?? []).map((server) => server.key),
      ...(system?.upstreams ?? []).flatMap((upstream) => [upstream.key, upstream.signingKey]),
    ]);
    assert.equal(new Set(keys.map((key) => key?.toString("hex"))).size, keys.length);
  });

  it("takes names that need escaping", () => {
    const options: CreateSystemOptions = { name: 'a "b" \\ c', serverNames: ["ä", "#"] };
    const { system } = createSystem(folder(), options);
    assert.equal(system.name, 'a "b" \\ c');
    assert.deepEqual(
      system.servers.map((server) => server.name),
      ["ä", "#"],
    );
  });

  it("refuses options that make no valid system", () => {
    thrownBy("ERR_TMR_CONFIG", () => createSystem(folder(), { clients: [7101, 7101] }));
  });

  it("never overwrites a system", () => {
    const { systemFile } = createSystem(folder());
    const before = readFileSync(systemFile, "utf8");
    assert.match(thrownBy("ERR_TMR_FILE", () => createSystem(folder())).message, /already there/);
    assert.equal(readFileSync(systemFile, "utf8"), before);
  });

  it("reports a folder that cannot be made", () => {
    writeFileSync(join(folder(), "file"), "");
    thrownBy("ERR_TMR_FILE", () => createSystem(join(folder(), "file", "x")));
  });

  it("can trust a firm later, once", () => {
    const { systemFile } = createSystem(folder());
    const firm = { firmCode: 6_000_010, name: "Test firm", key: Buffer.alloc(32, 7) };
    assert.deepEqual(addFirm(systemFile, firm).firms, [firm]);
    assert.deepEqual(loadSystem(systemFile).firms, [firm]);
    thrownBy("ERR_TMR_CONFIG", () => addFirm(systemFile, firm));
    assert.equal(addFirm(systemFile, { ...firm, firmCode: 6_000_011 }).firms.length, 2);
  });
});
