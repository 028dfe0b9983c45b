/** Updates into a running TMR system, while a client holds and takes licenses; and what is refused on the way. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  decodeContexts,
  decodeUpdates,
  encodeUpdates,
  hasUpdate,
  readUpdate,
  verifyContext,
} from "../../ts/activation/index.js";
import { connect } from "../../ts/client/connect.js";
import type { Session } from "../../ts/client/session.js";
import type { Terms } from "../../ts/container/terms.js";
import { answered, issuedTerms } from "../support/activation-kit.js";
import { runTmr } from "../support/run-tmr.js";
import { RunningPlant, until } from "../support/running-plant.js";

const FIRM = 6_000_010;
const licenses = `
[[license]]
id = "cad"
productCode = 1
quantity = 2
[[license]]
id = "pool"
productCode = 2
quantity = 3
unitCounter = 100
`;

describe("activation of a running TMR system", function () {
  this.timeout(180_000);
  let running: RunningPlant;
  let session: Session;
  const errors: unknown[] = [];
  let working = true;
  let worker: Promise<void>;

  const file = (name: string) => join(running.plant.dir, name);
  const terms = (): Terms[] => issuedTerms(running.plant.issued);
  const quantity = async (productCode: number) =>
    (await session.items()).find((item) => item.productCode === productCode)?.quantity;

  async function activeConfig(): Promise<string> {
    const active = await running.active();
    const config = running.plant.servers.find(({ name }) => name === active.name)?.config;
    assert.ok(config !== undefined);
    return config;
  }

  before(async () => {
    running = await RunningPlant.start(undefined, { licenses });
    session = await connect({ system: running.systemFile });
    const other = await connect({ system: running.systemFile });
    worker = (async () => {
      while (working) {
        try {
          const handle = await other.access({ firmCode: FIRM, productCode: 1 });
          await handle.release();
        } catch (error) {
          errors.push(error);
        }
      }
      await other.close();
    })();
  });
  after(async () => {
    working = false;
    await worker;
    await session.close();
    await running.stop();
  });

  it("shows a new license and changed terms everywhere, keeps handles and units, and serves throughout", async () => {
    const config = await activeConfig();
    const held = await session.access({ firmCode: FIRM, productCode: 1 });
    const pool = await session.access({ firmCode: FIRM, productCode: 2 });
    await pool.consume(30);

    const made = await runTmr("context", "-c", config, "--out", file("g.rac"));
    assert.equal(made.code, 0, made.err);
    const contexts = decodeContexts(readFileSync(file("g.rac"), "utf8"), "g.rac");
    assert.equal(contexts.length, 3);
    const [cad, units] = terms() as [Terms, Terms];
    const items = [{ ...cad, quantity: 5 }, units, { ...cad, productCode: 3, tmrId: 900, quantity: 7 }];
    const updates = await answered(contexts, join(running.plant.dir, "central"), items);
    writeFileSync(file("g.rau"), encodeUpdates(updates));

    const ran = await runTmr("import", "-c", config, "--file", file("g.rau"), "--receipt", file("r.rac"), "--json");
    assert.equal(ran.code, 0, ran.err);
    const { updates: applied } = JSON.parse(ran.out) as { updates: { outcome: string; updateCounter: number }[] };
    assert.deepEqual(
      applied.map(({ outcome, updateCounter }) => `${outcome} ${updateCounter}`),
      ["applied 2", "applied 2", "applied 2"],
    );
    assert.equal(await quantity(1), 5);
    assert.equal(await quantity(3), 7);
    assert.equal((await held.info()).total, 5);
    assert.equal((await session.items()).find((item) => item.productCode === 2)?.unitsUsed, 30);
    for (const [i, receipt] of decodeContexts(readFileSync(file("r.rac"), "utf8"), "r.rac").entries()) {
      assert.ok(hasUpdate(await verifyContext(receipt), readUpdate(updates[i] as string)));
    }
    assert.deepEqual((await running.active()).licenses, []);
    assert.deepEqual(errors, []);
    await held.release();
    await pool.release();
  });

  it("heals a lost receipt: the same file again changes nothing and gives the receipt", async () => {
    const config = await activeConfig();
    const ran = await runTmr("import", "-c", config, "--file", file("g.rau"), "--receipt", file("again.rac"), "--json");
    assert.equal(ran.code, 0, ran.err);
    assert.equal((ran.out.match(/"outcome": "there"/g) ?? []).length, 3);
    assert.equal(decodeContexts(readFileSync(file("again.rac"), "utf8"), "again.rac").length, 3);
  });

  it("refuses on the passive twin, and says who is active", async () => {
    const active = await activeConfig();
    const passive = running.plant.servers.find(({ config }) => config !== active)?.config ?? "";
    const ran = await runTmr("context", "-c", passive, "--out", file("p.rac"));
    assert.equal(ran.code, 2);
    assert.match(ran.err, /this server is passive, not active; .* is: ask it \(ERR_TMR_STATE\)/);
  });

  it("refuses before it begins unless all three count, stops at the first failure, and goes on when begun again", async () => {
    const config = await activeConfig();
    await runTmr("context", "-c", config, "--out", file("h.rac"));
    const [cad] = terms() as [Terms];
    const items = [{ ...cad, quantity: 9 }];
    const contexts = decodeContexts(readFileSync(file("h.rac"), "utf8"), "h.rac");
    const updates = await answered(contexts, join(running.plant.dir, "central"), items);
    writeFileSync(file("h.rau"), encodeUpdates(updates));

    const third = running.plant.upstreams[2];
    await running.processes.kill(third.name);
    await until("upstream 3 is missed", async () =>
      (await running.active()).upstreams[2]?.state === "streaming" ? null : true,
    );
    const refused = await runTmr("import", "-c", config, "--file", file("h.rau"));
    assert.equal(refused.code, 2);
    assert.match(refused.err, /all three upstreams are needed, nothing was begun: upstream-3 is down/);
    assert.equal(await quantity(1), 5);

    running.processes.start(third);
    await running.whole();
    // The first upstream has it, as after an import that was killed there: by files, on its own machine.
    writeFileSync(file("one.rau"), encodeUpdates([updates[0] as string]));
    const alone = await runTmr("import", "-c", running.plant.upstreams[0].config, "--file", file("one.rau"));
    assert.equal(alone.code, 0, alone.err);
    await until("upstream 1 is odd", async () => ((await running.active()).oddLicenses > 0 ? true : null));
    assert.equal(await quantity(1), 5);

    const ran = await runTmr("import", "-c", config, "--file", file("h.rau"), "--json");
    assert.equal(ran.code, 0, ran.err);
    const { updates: applied } = JSON.parse(ran.out) as { updates: { outcome: string }[] };
    assert.deepEqual(
      applied.map(({ outcome }) => outcome),
      ["there", "applied", "applied"],
    );
    assert.equal(await quantity(1), 9);
    assert.equal(decodeUpdates(readFileSync(file("h.rau"), "utf8"), "h.rau").length, 3);
    assert.deepEqual(errors, []);
  });

  it("refuses a file of another system, a repeated one, and one that is altered", async () => {
    const config = await activeConfig();
    const old = await runTmr("import", "-c", config, "--file", file("g.rau"));
    assert.equal(old.code, 2);
    assert.match(
      old.err,
      /the update is repeated: it leads to Firm Update Counter 2, .* is at 3 already \(ERR_TMR_ACTIVATION\)/,
    );
    const text = readFileSync(file("h.rau"), "utf8");
    const at = text.length >> 1;
    writeFileSync(file("bad.rau"), text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1));
    const altered = await runTmr("import", "-c", config, "--file", file("bad.rau"));
    assert.equal(altered.code, 2);
    assert.match(altered.err, /altered|damaged/);
    const other = await runTmr("import", "-c", running.plant.upstreams[1].config, "--file", file("one.rau"));
    assert.equal(other.code, 2);
    assert.match(other.err, /for another license server \(key .*\) than upstream-2/);
  });
});
