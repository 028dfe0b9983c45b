/**
 * Connections that carry nothing any more and do not break, as when a cable is pulled or a router has forgotten them: real
 * processes whose links go through proxies that swallow what is sent, while new connections are passed on.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Processes } from "../../ts/cli/demo/processes.js";
import { queryStatus } from "../../ts/client/query-status.js";
import type { ServerStatus } from "../../ts/wire/server-status.js";
import { buildChaosPlant, type ChaosPlant } from "../chaos/plant.js";
import type { Proxy } from "../chaos/proxy.js";
import { programFile, until } from "../support/running-plant.js";

describe("links that fall silent without breaking", function () {
  this.timeout(300_000);
  let dir = "";
  let plant: ChaosPlant;
  let processes: Processes;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "tmr-silent-"));
    plant = await buildChaosPlant(dir);
    processes = new Processes(programFile, plant.logDir);
    for (const process of [...plant.upstreams, ...plant.servers]) processes.start(process);
    await whole();
  });
  after(async () => {
    await processes?.stopAll();
    for (const { proxy } of plant?.links ?? []) proxy.close();
    rmSync(dir, { recursive: true, force: true });
  });

  async function statuses(): Promise<ServerStatus[]> {
    const { servers, clientKey } = plant.system.system;
    const asked = servers.map((server) => queryStatus(server.clients, clientKey, 1_000).catch(() => null));
    return (await Promise.all(asked)).filter((status) => status !== null);
  }

  /** One active, one passive twin; both have links with all three and with each other. */
  function whole(): Promise<ServerStatus> {
    return until("a whole system", async () => {
      const all = await statuses();
      const active = all.find(({ role }) => role === "active");
      const inStep = active?.upstreams.every(({ state }) => state === "streaming") === true;
      const linked = all.every(
        ({ peer, upstreams }) => peer.connected && upstreams.every(({ connected }) => connected),
      );
      return all.length === 2 && inStep && linked && active !== undefined ? active : null;
    });
  }

  function proxy(name: string): Proxy {
    const link = plant.links.find((each) => each.proxy.name === name);
    assert.ok(link !== undefined, name);
    return link.proxy;
  }

  /** What is open now carries nothing any more; resolves when none of it is left and others have taken its place. */
  async function swallow(names: readonly string[]): Promise<void> {
    const before = names.flatMap((name) => proxy(name).connections);
    assert.ok(before.length >= names.length, "there is something to be swallowed");
    for (const connection of before) {
      connection.stall("forward", true);
      connection.stall("backward", true);
    }
    await until("new connections", async () => {
      const now = names.map((name) => proxy(name).connections.filter((each) => !before.includes(each)));
      return now.every((connections) => connections.length > 0) ? true : null;
    });
  }

  it("are made anew by the active TMR server, which goes on meanwhile, and by the passive one", async () => {
    const { name, epoch } = await whole();
    await swallow([`${name}→upstream-2`]);
    await swallow([`${name === "tmr-a" ? "tmr-b" : "tmr-a"}→upstream-2`]);
    const after = await whole();
    assert.deepEqual([after.name, after.epoch], [name, epoch], "nothing was taken over");
  });

  it("are made anew between the twins, in both directions, and nothing is taken over", async () => {
    const { name, epoch } = await whole();
    await swallow(["tmr-a→tmr-b", "tmr-b→tmr-a"]);
    const after = await whole();
    assert.deepEqual([after.name, after.epoch], [name, epoch]);
  });
});
