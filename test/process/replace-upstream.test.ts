/** From a ticket to licenses on a running TMR system, changed terms, one upstream replaced: with clients at work throughout. */
import assert from "node:assert/strict";
import { copyFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hasUpdate, verifyContext } from "../../ts/activation/index.js";
import type { ProcessDescription } from "../../ts/cli/demo/processes.js";
import { connect } from "../../ts/client/connect.js";
import type { Session } from "../../ts/client/session.js";
import type { Terms } from "../../ts/container/terms.js";
import { issuedTerms } from "../support/activation-kit.js";
import { CentralDouble } from "../support/central-double.js";
import { runTmr, runTmrFor } from "../support/run-tmr.js";
import { RunningPlant, until } from "../support/running-plant.js";

const FIRM = 6_000_010;
const licenses = `
[[license]]
id = "cad"
productCode = 1
quantity = 4
unitCounter = 100
`;
const [FIRST, SECOND, UNKNOWN] = ["AAAAA", "BBBBB", "CCCCC"].map((group) => Array(5).fill(group).join("-")) as [
  string,
  string,
  string,
];

describe("a TMR system that is activated online, changed, and repaired", function () {
  this.timeout(240_000);
  let running: RunningPlant;
  let central: CentralDouble;
  let session: Session;
  let cad: Terms;
  const errors: unknown[] = [];
  let worker: Promise<void> | null = null;
  let working = true;

  async function activeConfig(): Promise<string> {
    const active = await running.active();
    return running.plant.servers.find(({ name }) => name === active.name)?.config ?? "";
  }
  const activate = async (ticket: string, ...more: string[]) =>
    runTmr("activate", ticket, "--central", central.url, "-c", await activeConfig(), "--json", ...more);
  const outcomes = (out: string) =>
    (JSON.parse(out) as { updates: { name: string; outcome: string }[] }).updates.map(
      ({ name, outcome }) => `${name} ${outcome}`,
    );
  const seats = async () => (await session.items()).find((item) => item.productCode === 1)?.quantity;

  before(async () => {
    running = await RunningPlant.start(
      (plant) => {
        for (const dir of plant.system.containerDirs) rmSync(join(dir, "plant.tmrc"));
      },
      { licenses },
    );
    central = await CentralDouble.start(join(running.plant.dir, "central"));
    [cad] = issuedTerms(running.plant.issued) as [Terms];
    central.tickets.set(FIRST, [cad]);
    central.tickets.set(SECOND, [{ ...cad, quantity: 6 }]);
    session = await connect({ system: running.systemFile });
  });
  after(async () => {
    working = false;
    await worker;
    await session.close();
    await central.stop();
    await running.stop();
  });

  it("refuses an unknown ticket, one that is mistyped, and a Central that is not there", async () => {
    const unknown = await activate(UNKNOWN);
    assert.equal(unknown.code, 2);
    assert.match(unknown.err, /refuses: there is no such ticket \(ERR_TMR_ACTIVATION\)/);
    const short = await activate("AAAAA");
    assert.match(short.err, /5 groups of 5 letters and digits/);
    const config = await activeConfig();
    const away = await runTmr("activate", FIRST, "--central", "http://127.0.0.1:9", "-c", config);
    assert.match(away.err, /Central at 127\.0\.0\.1:9 cannot be reached: .* \(ERR_TMR_CONNECT\)/);
    assert.doesNotMatch(away.err, /AAAAA/);
  });

  it("has its first licenses by a ticket, also when the first answer of Central was lost", async () => {
    central.loseAnswers = 1;
    assert.equal((await activate(FIRST)).code, 2);
    const ran = await activate(FIRST);
    assert.equal(ran.code, 0, ran.err);
    assert.deepEqual(outcomes(ran.out), ["upstream-1 applied", "upstream-2 applied", "upstream-3 applied"]);
    assert.equal(central.receipts.length, 1);
    assert.equal(await seats(), 4);
    const other = await connect({ system: running.systemFile });
    worker = (async () => {
      while (working) {
        try {
          await (await other.access({ firmCode: FIRM, productCode: 1 })).release();
        } catch (error) {
          errors.push(error);
        }
      }
      await other.close();
    })();
  });

  it("changes terms by a second ticket: handles and units stay", async () => {
    const handle = await session.access({ firmCode: FIRM, productCode: 1 });
    await handle.consume(7);
    const ran = await activate(SECOND);
    assert.equal(ran.code, 0, ran.err);
    assert.equal(await seats(), 6);
    assert.equal((await handle.info()).total, 6);
    assert.equal((await session.items())[0]?.unitsUsed, 7);
    await handle.release();
    assert.deepEqual(errors, []);
  });

  it("takes a new machine in for one that is lost, and activates it by the same ticket", async () => {
    const { plant, processes } = running;
    const lost = plant.upstreams[1];
    const held = await session.access({ firmCode: FIRM, productCode: 1 });
    await processes.kill(lost.name);
    rmSync(join(lost.config, ".."), { recursive: true });

    const folder = join(plant.dir, "replaced");
    const made = await runTmr(
      "replace-upstream",
      "--upstream",
      "2",
      "--system",
      running.systemFile,
      "--out",
      folder,
      "--json",
    );
    assert.equal(made.code, 0, made.err);
    const early = await runTmr("replace-upstream", "--upstream", "2", "-c", await activeConfig());
    assert.equal(early.code, 2);
    assert.match(early.err, /names no new machine for upstream 2/);

    // The new description on all machines, one process after the other; here they share the file.
    copyFileSync(join(folder, "system.toml"), running.systemFile);
    const restart = async (process: ProcessDescription, back: () => Promise<unknown>) => {
      await processes.kill(process.name);
      processes.start(process);
      await back();
    };
    const streaming = (count: number) => () =>
      until(`${count} upstreams in step`, async () => {
        const active = (await running.statuses()).find(({ role }) => role === "active");
        const inStep = active?.upstreams.filter(({ state }) => state === "streaming").length;
        return inStep === count ? true : null;
      });
    await restart(plant.upstreams[0], streaming(2));
    const old = await runTmr("replace-upstream", "--upstream", "2", "-c", await activeConfig());
    assert.equal(old.code, 2);
    assert.match(old.err, /this server runs with another system\.toml: start it again/);
    const active = await activeConfig();
    const passive = plant.servers.find(({ config }) => config !== active) as ProcessDescription;
    await restart(passive, () =>
      until("the twin", async () => ((await running.statuses()).length === 2 ? true : null)),
    );
    await restart(plant.servers.find(({ config }) => config === active) as ProcessDescription, async () => {
      await until("the twin", async () => ((await running.statuses()).length === 2 ? true : null));
      await streaming(2)();
    });

    const unvouched = await runTmr("replace-upstream", "--upstream", "2", "-c", await activeConfig());
    assert.equal(unvouched.code, 2);
    assert.match(unvouched.err, /the system\.toml of upstream 3 names another machine for upstream-2/);
    await restart(plant.upstreams[2], streaming(2));

    const config = join(folder, "upstream-2", "upstream.toml");
    processes.start({ name: "upstream-2-new", role: "upstream", config });
    const ran = await runTmrFor(120_000, [
      ...["replace-upstream", "--upstream", "2", "-c", await activeConfig(), "--json"],
      ...["--ticket", SECOND, "--central", central.url],
    ]);
    assert.equal(ran.code, 0, ran.err + running.logs());
    assert.deepEqual(outcomes(ran.out), ["upstream-2 applied"]);
    assert.deepEqual(readdirSync(join(folder, "upstream-2", "containers")).length, 1);
    const again = await running.active();
    assert.deepEqual(again.licenses, []);
    assert.equal((await held.info()).total, 6);

    // The new machine counts for the licenses: with it and one other they are granted.
    await processes.kill(plant.upstreams[0].name);
    const handle = await session.access({ firmCode: FIRM, productCode: 1 });
    await handle.release();
    await held.release();
    processes.start(plant.upstreams[0]);
    await running.whole();
    assert.deepEqual(errors, []);
  });

  it("gave Central the receipts of all three, each with its update", async () => {
    const last = central.receipts.at(-1) ?? [];
    assert.equal(last.length, 3);
    for (const jws of last) {
      const context = await verifyContext(jws);
      const [container] = context.containers;
      const [item] = container?.firmItems ?? [];
      const numbers = { holder: context.holder, container: container?.container ?? "", firmCode: FIRM };
      assert.ok(
        hasUpdate(context, { ...numbers, updateCounter: item?.updateCounter ?? 0, updateId: item?.updateId ?? "" }),
      );
    }
    assert.deepEqual(errors, []);
  });
});
