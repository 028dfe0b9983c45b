/** Importing into folders, and an activation that is interrupted at every step and begun again. */
import assert from "node:assert/strict";
import { copyFileSync, cpSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import {
  type ActivationDesk,
  type ActivationMemory,
  type ActivationSite,
  activate,
  hasUpdate,
  makeUpdate,
  readUpdate,
  type SavedActivation,
  ticketHash,
  verifyContext,
} from "../../ts/activation/index.js";
import { loadFirm } from "../../ts/central/firm.js";
import { loadUpstreamConfig } from "../../ts/config/index.js";
import type { Terms } from "../../ts/container/terms.js";
import { contextOf, soundContainers } from "../../ts/importing/folder.js";
import { type Holder, upstreamHolder } from "../../ts/importing/holder.js";
import { importUpdate } from "../../ts/importing/import.js";
import { withImportLock } from "../../ts/importing/lock.js";
import { SavedActivations } from "../../ts/importing/saved.js";
import { answered, issuedTerms, TICKET } from "../support/activation-kit.js";
import { type Issuing, issuingIn, license } from "../support/issuing.js";
import { scratchFolder } from "../support/scratch.js";
import { rejectedBy } from "../support/throws.js";

/** Three upstreams with an issued group, as files alone. */
async function group(folder: string): Promise<{ issuing: Issuing; holders: Holder[]; items: Terms[] }> {
  const issuing = issuingIn(folder);
  const issued = await issuing.issue([license("cad", 13), license("lent", 14, { borrowSeconds: 60 })]);
  const { containerDirs, upstreamFiles } = issuing.system;
  containerDirs.forEach((dir, i) => copyFileSync(join(issuing.out, `upstream-${i + 1}.tmrc`), join(dir, "c.tmrc")));
  const holders = upstreamFiles.map((file) => upstreamHolder(loadUpstreamConfig(file)));
  return { issuing, holders, items: issuedTerms(issued) };
}

const changed = (items: readonly Terms[]): Terms[] => items.map((terms) => ({ ...terms, quantity: 50 }));

describe("importing updates", () => {
  const scratch = scratchFolder();

  it("writes the container over the old one, certificates included, and the context then names the update", async () => {
    const { issuing, holders, items } = await group(scratch());
    const holder = holders[0] as Holder;
    const [update = ""] = await answered([await contextOf(holder, 1)], issuing.central, changed(items));
    const imported = await importUpdate(holder, update);
    assert.equal(imported.outcome, "applied");
    assert.deepEqual(readdirSync(holder.containers), ["c.tmrc"]);
    const [container] = await soundContainers(holder);
    assert.equal(container?.parts.firmItems[0]?.certificates.length, 1);
    assert.ok(hasUpdate(await verifyContext(await contextOf(holder, 2)), readUpdate(update)));
    const before = readFileSync(imported.file);
    assert.equal((await importUpdate(holder, update)).outcome, "there");
    assert.ok(before.equals(readFileSync(imported.file)));
  });

  it("leaves the folder as it was when the update is refused or cannot be written", async () => {
    const { issuing, holders, items } = await group(scratch());
    const [one, two] = holders as [Holder, Holder];
    const [update = ""] = await answered([await contextOf(one, 1)], issuing.central, changed(items));
    const before = readFileSync(join(two.containers, "c.tmrc"));
    await rejectedBy("ERR_TMR_ACTIVATION", () => importUpdate(two, update));
    assert.ok(before.equals(readFileSync(join(two.containers, "c.tmrc"))));
    // As after a crash in the middle of writing: what was written so far lies beside, and counts for nothing.
    writeFileSync(join(one.containers, "c.tmrc.123.new"), "half a cont");
    assert.equal((await soundContainers(one)).length, 1);
    assert.equal((await importUpdate(one, update)).outcome, "applied");
  });

  it("replaces a broken container by an update that begins anew, and never a sound one of another name", async () => {
    const { issuing, holders, items } = await group(scratch());
    const holder = holders[0] as Holder;
    const [sound] = await soundContainers(holder);
    const name = sound?.parts.container ?? "";
    const file = join(holder.containers, `${name}.tmrc`);
    const anew = async (container: string) => {
      const empty = { ...(await verifyContext(await contextOf(holder, 1))), containers: [] };
      const firm = loadFirm(issuing.central);
      const numbers = { container, actId: 1, updateCounter: 5, updateId: empty.nonce, ticket: ticketHash(TICKET) };
      return makeUpdate(empty, { firm, ...numbers, items });
    };
    // What begins anew is out of step with a sound container of that name.
    renameSync(join(holder.containers, "c.tmrc"), file);
    await rejectedBy("ERR_TMR_ACTIVATION", async () => importUpdate(holder, await anew(name)));
    renameSync(file, join(holder.containers, "130-9.tmrc"));
    await rejectedBy("ERR_TMR_FILE", async () => importUpdate(holder, await anew("130-9")));
    renameSync(join(holder.containers, "130-9.tmrc"), file);
    writeFileSync(file, "broken");
    assert.deepEqual((await verifyContext(await contextOf(holder, 1))).containers, []);
    assert.equal((await importUpdate(holder, await anew(name))).outcome, "applied");
    assert.equal((await soundContainers(holder))[0]?.parts.firmItems[0]?.updateCounter, 5);
  });

  it("lets one import at a time, and the lock goes with its holder", async () => {
    const { holders } = await group(scratch());
    const { state } = holders[0] as Holder;
    await withImportLock(state, async () => {
      await rejectedBy("ERR_TMR_STATE", () => withImportLock(state, () => Promise.resolve()));
    });
    await withImportLock(state, () => Promise.resolve());
  });
});

/** A port call that breaks off before or after it has had its effect. */
class Interrupted extends Error {}

describe("an activation that is interrupted", function () {
  this.timeout(60_000);
  const scratch = scratchFolder();

  it("goes on wherever it stopped: every step before and after its effect, and ends the same", async () => {
    const { issuing, items } = await group(join(scratch(), "base"));
    let steps = Number.POSITIVE_INFINITY;
    for (let stopAt = 0; stopAt < steps; stopAt++) {
      const folder = join(scratch(), String(stopAt));
      cpSync(join(scratch(), "base"), folder, { recursive: true });
      const holders = issuing.system.upstreamFiles.map((file) =>
        upstreamHolder(loadUpstreamConfig(join(folder, relative(join(scratch(), "base"), file)))),
      );
      const calls = { count: 0, stopAt };
      /** Each call is two places to stop at: before it and behind it. */
      const breakable = async <T>(work: () => Promise<T> | T): Promise<T> => {
        if (calls.count++ === calls.stopAt) throw new Interrupted();
        const result = await work();
        if (calls.count++ === calls.stopAt) throw new Interrupted();
        return result;
      };
      const received: string[][] = [];
      const given = new Map<string, string>();
      const site: ActivationSite = {
        firms: (holders[0] as Holder).trust.firms,
        contexts: () => breakable(() => Promise.all(holders.map((holder) => contextOf(holder, 1)))),
        apply: (context, update) =>
          breakable(async () => {
            const holder = holders.find((each) => each.holder === context.holder) as Holder;
            return (await importUpdate(holder, update)).outcome;
          }),
      };
      const desk: ActivationDesk = {
        // As Central does: the same container at the same counter gets the update that it was given before.
        activate: (contexts) =>
          breakable(async () => {
            const fresh = await answered(contexts, issuing.central, changed(items));
            const updates = fresh.map((jws) => {
              const { holder, baseCounter } = readUpdate(jws);
              const key = `${holder} ${baseCounter}`;
              given.set(key, given.get(key) ?? jws);
              return given.get(key) as string;
            });
            // One counter at a time, as far as the second after the one that was issued.
            return { updates, more: readUpdate(updates[0] as string).updateCounter < 3 };
          }),
        receipts: (contexts) =>
          breakable(() => {
            received.push([...contexts]);
          }),
      };
      const saved = new SavedActivations(join(folder, "state"), ticketHash(TICKET));
      const memory = (): ActivationMemory => ({
        load: () => saved.load(),
        save: (what: SavedActivation) => {
          if (calls.count++ === calls.stopAt) throw new Interrupted();
          saved.save(what);
          if (calls.count++ === calls.stopAt) throw new Interrupted();
        },
        forget: () => saved.forget(),
      });
      const run = () => activate(ticketHash(TICKET), site, desk, memory());
      try {
        await run();
        steps = stopAt;
      } catch (error) {
        assert.ok(error instanceof Interrupted, String(error));
      }
      if (steps === stopAt) break;
      calls.stopAt = -1;
      assert.ok((await run()).length >= 3);
      assert.equal(saved.load(), null);
      for (const holder of holders) {
        const context = await verifyContext(await contextOf(holder, 1));
        assert.equal(context.containers[0]?.firmItems[0]?.updateCounter, 3, `stopped at ${stopAt}`);
      }
      assert.equal(received.at(-1)?.length, 3);
    }
    // contexts, activate, save, 3 × apply, save, contexts, receipts, twice: 18 calls, each broken off on both sides.
    assert.equal(steps, 36);
  });
});
