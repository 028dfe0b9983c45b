/** Which keys of a configuration differ, and which of them need a restart. */
import assert from "node:assert/strict";
import { configChanges } from "../../ts/config/changes.js";

const names = { table: "server", atRuntime: ["log", "session", "tracking"] };
const before = {
  listen: "a:1",
  session: { timeoutMs: 5, minTimeoutMs: 1 },
  limits: { maxClients: 10 },
  log: { level: "info" },
  tracking: null,
  keys: { noise: Buffer.of(1, 2) },
  system: { servers: [{ name: "a" }, { name: "b" }] },
};

describe("changes of a configuration", () => {
  const rows: readonly [string, object, readonly string[], readonly string[]][] = [
    ["none", {}, [], []],
    ["equal bytes in another buffer", { keys: { noise: Buffer.of(1, 2) } }, [], []],
    ["one at runtime", { log: { level: "debug" } }, ["log.level"], []],
    ["one of a table", { session: { timeoutMs: 6, minTimeoutMs: 1 } }, ["session.timeoutMs"], []],
    ["a table that comes", { tracking: { enabled: true } }, ["tracking", "tracking.enabled"], []],
    ["the address", { listen: "a:2" }, [], ["server.listen"]],
    ["a limit", { limits: { maxClients: 11 } }, [], ["limits.maxClients"]],
    ["a key file", { keys: { noise: Buffer.of(1, 3) } }, [], ["keys.noise"]],
    ["the system", { system: { servers: [{ name: "a" }, { name: "c" }] } }, [], ["system.servers[1].name"]],
    ["a server less", { system: { servers: [{ name: "a" }] } }, [], ["system.servers[1].name"]],
    ["both kinds", { listen: "b:1", log: { level: "warn" } }, ["log.level"], ["server.listen"]],
  ];
  for (const [what, change, now, restart] of rows) {
    it(`are told by their keys: ${what}`, () => {
      assert.deepEqual(configChanges(before, { ...before, ...change }, names), { now, restart });
    });
  }
});
