/** Contexts, updates and receipts: what is accepted, and each refusal by its sentence. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import {
  applyUpdate,
  type ContainerParts,
  type Context,
  decodeContexts,
  decodeUpdates,
  encodeContexts,
  encodeUpdates,
  hasUpdate,
  makeContext,
  makeUpdate,
  ticketHash,
  ticketText,
  type UpdatedServer,
  type UpdateOrder,
  verifyContext,
} from "../../ts/activation/index.js";
import { ed25519PrivateKey, ed25519PublicKey, x25519PublicKey } from "../../ts/config/key-files.js";
import { TmrError } from "../../ts/errors.js";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
const id = (n: number) => text(Buffer.alloc(16, n));

function firmWith(firmCode: number): UpdateOrder["firm"] {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const key = Buffer.from(publicKey.export({ format: "jwk" }).x as string, "base64url");
  return { firmCode, name: `Firm ${firmCode}`, key, privateKey };
}

const firm = firmWith(6_000_010);
const other = firmWith(6_000_011);

/** A license server in memory: keys and containers. */
class Server {
  readonly signing: Buffer;
  readonly server: UpdatedServer;
  readonly containers = new Map<string, ContainerParts>();
  constructor(seed: number, name = `server ${seed}`) {
    this.signing = Buffer.alloc(32, seed);
    const sealing = Buffer.alloc(32, seed + 100);
    this.server = { name, holder: text(ed25519PublicKey(this.signing)), sealing, firms: [firm, other] };
  }

  async context(): Promise<Context> {
    const containers = [...this.containers.values()].map(({ container, actId, firmItems }) => ({
      container,
      actId,
      firmItems: firmItems.map(({ firmCode, updateCounter, updateId }) => ({ firmCode, updateCounter, updateId })),
    }));
    const { name, holder, sealing } = this.server;
    const sealingKey = text(x25519PublicKey(sealing));
    const known = JSON.parse(JSON.stringify(containers)) as Context["containers"];
    const jws = await makeContext(
      { holder, sealingKey, name, kind: "activation", mask: 130, containers: known, madeMs: 1, nonce: id(1) },
      ed25519PrivateKey(this.signing),
    );
    return verifyContext(jws);
  }

  async import(update: string): Promise<"applied" | "there"> {
    const applied = await applyUpdate(update, this.server, (name) => this.containers.get(name) ?? null);
    if (applied.outcome === "applied") this.containers.set(applied.container.container, applied.container);
    return applied.outcome;
  }
}

function order(counter: number, more: Partial<UpdateOrder> = {}): UpdateOrder {
  const terms = { actId: 7, firmCode: 6_000_010, productCode: 1, tmrId: 1, quantity: counter, text: "", featureMap: 0 };
  const borrow = { ...terms, productCode: 2, tmrId: 2, borrowSeconds: 60 };
  const given = { firm, updateId: id(counter), ticket: ticketHash("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA") };
  return { ...given, container: "130-5", actId: 7, updateCounter: counter, items: [terms, borrow], ...more };
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => assert.fail("it was accepted"),
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof TmrError, String(error));
  assert.equal(error.code, "ERR_TMR_ACTIVATION");
  return error.message;
}

describe("activation", () => {
  it("puts an update into a new container, the next one into the same, and the receipts say so", async () => {
    const server = new Server(1);
    const first = await makeUpdate(await server.context(), order(1));
    assert.equal(await server.import(first), "applied");
    const receipt = await server.context();
    const update = { holder: server.server.holder, container: "130-5", firmCode: 6_000_010 };
    assert.ok(hasUpdate(receipt, { ...update, updateCounter: 1, updateId: id(1) }));
    assert.ok(!hasUpdate(receipt, { ...update, updateCounter: 1, updateId: id(9) }));
    assert.ok(!hasUpdate(receipt, { ...update, updateCounter: 2, updateId: id(2) }));
    assert.ok(!hasUpdate(receipt, { ...update, holder: id(3), updateCounter: 1, updateId: id(1) }));
    assert.equal(await server.import(await makeUpdate(receipt, order(2))), "applied");
    assert.ok(hasUpdate(await server.context(), { ...update, updateCounter: 1, updateId: id(1) }));
    assert.equal(server.containers.get("130-5")?.firmItems[0]?.certificates.length, 1);
  });

  it("lets two firms share a container, each with its own counter", async () => {
    const server = new Server(1);
    await server.import(await makeUpdate(await server.context(), order(3, { firm: other, items: [] })));
    assert.equal(await server.import(await makeUpdate(await server.context(), order(1))), "applied");
    const firms = server.containers.get("130-5")?.firmItems.map((item) => [item.firmCode, item.updateCounter]);
    assert.deepEqual(firms, [
      [6_000_010, 1],
      [6_000_011, 3],
    ]);
  });

  it("heals a lost receipt: the same update again is there already, and changes nothing", async () => {
    const server = new Server(1);
    const update = await makeUpdate(await server.context(), order(1));
    await server.import(update);
    const before = server.containers.get("130-5");
    assert.equal(await server.import(update), "there");
    assert.equal(server.containers.get("130-5"), before);
  });

  it("refuses an update for another server, whatever its containers are", async () => {
    const [one, two] = [new Server(1), new Server(2)];
    const update = await makeUpdate(await one.context(), order(1));
    assert.match(await refusal(two.import(update)), /for another license server \(key .*this is server 2/);
    await one.import(update);
    two.containers.set("130-5", one.containers.get("130-5") as ContainerParts);
    assert.match(await refusal(two.import(update)), /for another license server/);
  });

  it("refuses an update that cannot be opened with this server's sealing key", async () => {
    const server = new Server(1);
    const context = { ...(await server.context()), sealingKey: text(x25519PublicKey(Buffer.alloc(32, 77))) };
    assert.match(await refusal(server.import(await makeUpdate(context, order(1)))), /another sealing key/);
  });

  it("refuses a repeated update, and one that another update came before", async () => {
    const server = new Server(1);
    const context = await server.context();
    const first = await makeUpdate(context, order(1));
    const twin = await makeUpdate(context, order(1, { updateId: id(99) }));
    await server.import(first);
    assert.match(await refusal(server.import(twin)), /came to Firm Update Counter 1 by another update/);
    await server.import(await makeUpdate(await server.context(), order(2)));
    assert.match(
      await refusal(server.import(first)),
      /repeated: it leads to Firm Update Counter 1, .* is at 2 already/,
    );
  });

  it("refuses an update that is out of step, and says by how much", async () => {
    const [ahead, behind] = [new Server(1), new Server(1)];
    for (const counter of [1, 2, 3]) {
      const update = await makeUpdate(await ahead.context(), order(counter));
      await ahead.import(update);
      if (counter === 1) await behind.import(update);
    }
    const next = await makeUpdate(await ahead.context(), order(4));
    assert.match(
      await refusal(behind.import(next)),
      /out of step by 2: it starts from Firm Update Counter 3, .* is at 1/,
    );
    assert.match(
      await refusal(new Server(1).import(next)),
      /for container 130-5 at .* 3, which server 1 does not have/,
    );
    await ahead.import(next);
    const jump = await makeUpdate(await behind.context(), order(9));
    assert.match(await refusal(ahead.import(jump)), /out of step by 3: it starts from Firm Update Counter 1/);
  });

  it("refuses another template in a container, at the firm and at the server", async () => {
    const server = new Server(1);
    const empty = await server.context();
    await server.import(await makeUpdate(empty, order(1)));
    const items = order(2).items.map((terms) => ({ ...terms, actId: 8 }));
    assert.match(await refusal(makeUpdate(await server.context(), order(2, { actId: 8, items }))), /has actId 7/);
    const forged = await makeUpdate(empty, order(2, { actId: 8, items }));
    assert.match(await refusal(server.import(forged)), /for actId 8, container 130-5 has actId 7/);
  });

  it("is not made where it would take a container back", async () => {
    const server = new Server(1);
    await server.import(await makeUpdate(await server.context(), order(2)));
    assert.match(await refusal(makeUpdate(await server.context(), order(2))), /would take it back/);
  });

  it("refuses an unknown firm, and a known one with another key", async () => {
    const server = new Server(1);
    const context = await server.context();
    const unknown = await makeUpdate(context, order(1, { firm: firmWith(6_000_099), items: [] }));
    assert.match(await refusal(server.import(unknown)), /unknown firm: Firm Code 6000099/);
    const forged = await makeUpdate(context, order(1, { firm: firmWith(6_000_010) }));
    assert.match(
      await refusal(server.import(forged)),
      /another key than the one that the description names for 6000010/,
    );
  });

  it("refuses whatever is altered anywhere, in an update and in a context", async function () {
    this.timeout(20_000);
    const server = new Server(1);
    const context = await server.context();
    const update = await makeUpdate(context, order(1));
    const signed = await makeContext({ ...context, nonce: id(4) }, ed25519PrivateKey(server.signing));
    const change = fc.tuple(fc.nat(), fc.constantFrom("A", "Q", "g", "w", "5", "9", "_", "-", "."));
    await fc.assert(
      fc.asyncProperty(change, fc.boolean(), async ([at, to], isUpdate) => {
        const document = isUpdate ? update : signed;
        const place = at % document.length;
        if (document[place] === to) return;
        const altered = document.slice(0, place) + to + document.slice(place + 1);
        await refusal(isUpdate ? server.import(altered) : verifyContext(altered));
        assert.equal(server.containers.size, 0);
      }),
      { numRuns: 200 },
    );
  });

  it("refuses a context that another key signed", async () => {
    const context = await new Server(1).context();
    const forged = await makeContext(context, ed25519PrivateKey(Buffer.alloc(32, 9)));
    assert.match(await refusal(verifyContext(forged)), /signature is not by its server's key/);
    const update = await makeUpdate(context, order(1));
    assert.match(await refusal(verifyContext(update)), /this is no context, it is a tmr-update\+jws/);
  });

  it("carries one document or three in a file, and says what a damaged file is", () => {
    const [a, b, c] = ["a.b.c", "d.e.f", "g.h.i"];
    assert.deepEqual(decodeContexts(encodeContexts([a]), "X.rac"), [a]);
    assert.deepEqual(decodeContexts(encodeContexts([a, b, c]), "X.rac"), [a, b, c]);
    assert.deepEqual(decodeUpdates(encodeUpdates([a, b, c]), "X.rau"), [a, b, c]);
    assert.throws(() => decodeUpdates(encodeContexts([a, b, c]), "X.rac"), /X\.rac: not a file of updates/);
    assert.throws(() => decodeContexts(encodeContexts([a, b, c]).slice(0, 30), "X.rac"), /truncated/);
  });

  it("reads a ticket however it is typed", () => {
    const ticket = "ABCDE-FGHJK-LMNPQ-RSTUV-23456";
    assert.equal(ticketText(" abcde fghjk-lmnpqrstuv 23456\n"), ticket);
    assert.equal(ticketHash("abcdefghjklmnpqrstuv23456"), ticketHash(ticket));
    assert.throws(() => ticketText("ABCDE"), /5 groups of 5 letters and digits, received 5 characters/);
  });

  it("leads to the same container in whatever order the updates of a history arrive, with repeats", async function () {
    this.timeout(20_000);
    const issued = new Server(1);
    const updates: string[] = [];
    for (const counter of [1, 2, 3, 4]) {
      const update = await makeUpdate(await issued.context(), order(counter));
      updates.push(update);
      await issued.import(update);
    }
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3), { maxLength: 12 }), async (arrivals) => {
        const server = new Server(1);
        let at = 0;
        for (const i of arrivals) {
          const outcome = server.import(updates[i] as string);
          if (i === at) at += Number((await outcome) === "applied");
          else if (i === at - 1) assert.equal(await outcome, "there");
          else await refusal(outcome);
          assert.equal(server.containers.get("130-5")?.firmItems[0]?.updateCounter ?? 0, at);
        }
      }),
      { numRuns: 30 },
    );
  });
});
