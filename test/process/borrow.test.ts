/** Borrowing against five real servers, and what the borrower's machine makes of the file without any. */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type Session, TmrError, verifyBorrow } from "../../ts/index.js";
import { canonicalJson } from "../../ts/wire/canonical.js";
import { runTmr } from "../support/run-tmr.js";
import { RunningPlant, until } from "../support/running-plant.js";

const FIRM = 6_000_010;
const FIXED = { firmCode: FIRM, productCode: 13 };
const REVOCABLE = { firmCode: FIRM, productCode: 14 };
const MODULE = { firmCode: FIRM, productCode: 15 };
const MINUTE = 60_000;

const licenses = `[[license]]
id = "cad"
productCode = 13
text = "CAD"
quantity = 2
borrowTime = "7d"
featureMap = 7
secretData = [{ index = 0, data = "not for clients" }]

[[license]]
id = "cam"
productCode = 14
text = "CAM"
quantity = 1
borrowTime = "1d"
borrowRevocable = true
[[license.module]]
productCode = 15
text = "5 axes"
featureMap = 1

[[license]]
id = "plm"
productCode = 16
text = "PLM"
`;

/** The TmrError that something rejects with. */
async function rejection(work: Promise<unknown>): Promise<TmrError> {
  const error = await work.then(
    () => assert.fail("it was not refused"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof TmrError, String(error));
  return error;
}

interface Files {
  document: Record<string, unknown>;
  signatures: { certificate: string; signature: string }[];
  format: string;
}

describe("borrowing from real servers", function () {
  this.timeout(240_000);
  let running: RunningPlant;
  let session: Session;
  let firmKey: string;
  let folder: string;
  let files = 0;

  const file = (): string => join(folder, `${files++}.borrow`);
  const seats = async ({ productCode }: typeof FIXED): Promise<number | undefined> =>
    (await session.items()).find((item) => item.productCode === productCode)?.used;
  const read = (path: string): Files => JSON.parse(readFileSync(path, "utf8")) as Files;

  /** The same license as another file, changed by `change`. */
  function altered(from: string, change: (content: Files) => void): string {
    const to = file();
    const content = read(from);
    change(content);
    writeFileSync(to, `${canonicalJson(content)}\n`);
    for (const beside of ["key", "clock"]) copyFileSync(`${from}.${beside}`, `${to}.${beside}`);
    return to;
  }

  const why = async (path: string, now?: number): Promise<string> => {
    const options = now === undefined ? { firmKey } : { firmKey, now: new Date(now) };
    const error = await rejection(verifyBorrow(path, options));
    assert.equal(error.code, "ERR_TMR_BORROW", error.message);
    return error.message;
  };

  before(async () => {
    running = await RunningPlant.start(undefined, { licenses });
    firmKey = running.plant.system.system.firms[0]?.key.toString("base64url") ?? "";
    session = await connect({ system: running.systemFile, suspectMs: 300, host: "laptop", user: "ada" });
    folder = mkdtempSync(join(running.plant.dir, "borrowed-"));
  });
  after(async () => {
    await session?.close();
    await running?.stop();
  });

  it("takes a seat into a file that is verified offline and outlives the session", async () => {
    const path = file();
    const first = await connect({ system: running.systemFile, user: "ada" });
    const borrowed = await first.borrow({ ...FIXED, featureMap: 3, durationMs: 60 * MINUTE, file: path });
    await first.close();
    const verified = await verifyBorrow(path, { firmKey });
    assert.deepEqual(verified, borrowed);
    assert.deepEqual([verified.productCode, verified.quantity, verified.featureMap, verified.user], [13, 1, 3, "ada"]);
    assert.equal(verified.validUntil.getTime() - verified.validFrom.getTime(), 60 * MINUTE);
    assert.equal(await seats(FIXED), 1);
    for (const beside of ["", ".key", ".clock"]) assert.equal(statSync(path + beside).mode & 0o777, 0o600);
    const text = readFileSync(path, "utf8");
    const inside = read(path).signatures.map(({ certificate }) =>
      Buffer.from(certificate.split(".")[1] ?? "", "base64url").toString(),
    );
    assert.ok(![text, ...inside].some((each) => each.includes(Buffer.from("not for clients").toString("base64url"))));
    await session.returnBorrow(path);
    assert.equal(await seats(FIXED), 0);
  });

  it("works with any one upstream down", async () => {
    for (const victim of running.plant.upstreams) {
      await running.processes.kill(victim.name);
      const path = file();
      await session.borrow({ ...FIXED, file: path });
      assert.equal((await verifyBorrow(path, { firmKey })).handle > 0, true, victim.name);
      await session.returnBorrow(path);
      running.processes.start(victim);
      await running.whole();
    }
    assert.equal(await seats(FIXED), 0);
  });

  it("survives a takeover: borrowed before, returned after, and the seat is taken all the while", async () => {
    const path = file();
    await session.borrow({ ...FIXED, quantity: 2, file: path });
    const active = await running.active();
    await running.processes.kill(active.name);
    const refused = await rejection(session.access(FIXED));
    assert.equal(refused.message.includes("0 of 2 seats are free"), true, refused.message);
    const second = file();
    await session.borrow({ ...REVOCABLE, file: second });
    assert.equal((await verifyBorrow(second, { firmKey })).revocable, true);
    await session.returnBorrow(path);
    await session.returnBorrow(second);
    assert.deepEqual([await seats(FIXED), await seats(REVOCABLE)], [0, 0]);
    const died = running.all.find(({ name }) => name === active.name);
    if (died !== undefined) running.processes.start(died);
    await running.whole();
  });

  it("borrows a module, which is certified with its license", async () => {
    const path = file();
    await session.borrow({ ...MODULE, file: path });
    assert.equal((await verifyBorrow(path, { firmKey })).productCode, 15);
    assert.equal(await seats(REVOCABLE), 1);
    await session.returnBorrow(path);
  });

  it("refuses what the license does not allow, and leaves nothing behind", async () => {
    const path = file();
    const plain = await rejection(session.borrow({ firmCode: FIRM, productCode: 16, file: path }));
    assert.match(plain.message, /may not be borrowed/);
    const long = await rejection(session.borrow({ ...FIXED, durationMs: 8 * 24 * 60 * MINUTE, file: path }));
    assert.match(long.message, /at most 604800000 ms/);
    assert.throws(() => statSync(`${path}.key`), { code: "ENOENT" });
  });

  it("finishes what was interrupted, with the key that lies there already", async () => {
    const path = file();
    await session.borrow({ ...FIXED, file: path });
    const { document } = read(path);
    const other = file();
    // As after a crash between the answer and the writing of the file: the key is all that is there.
    copyFileSync(`${path}.key`, `${other}.key`);
    chmodSync(`${other}.key`, 0o600);
    await session.borrow({ ...FIXED, file: other });
    assert.deepEqual(read(other).document, document);
    assert.equal(await seats(FIXED), 1);
    await session.returnBorrow(other);
    assert.equal(await seats(FIXED), 0);
    await session.returnBorrow(path);
  });

  it("frees the seat when its time is over", async () => {
    const path = file();
    const { validUntil } = await session.borrow({ ...FIXED, quantity: 2, durationMs: 700, file: path });
    assert.equal((await rejection(session.access(FIXED))).code, "ERR_TMR_REFUSED");
    const handle = await session.access({ ...FIXED, waitMs: 60_000 });
    assert.ok(Date.now() >= validUntil.getTime());
    await handle.release();
    assert.match(await why(path, validUntil.getTime() + 1), /it was borrowed until/);
    // What has ended counts as given back.
    await session.returnBorrow(path);
  });

  it("is called back by an administrator only where the license says so", async () => {
    const [fixed, revocable] = [file(), file()];
    const held = await session.borrow({ ...FIXED, file: fixed });
    const called = await session.borrow({ ...REVOCABLE, file: revocable });
    const active = await running.active();
    const config = running.all.find(({ name }) => name === active.name)?.config ?? "";
    const cancel = (handle: number) => runTmr("network", "--cancel", String(handle), "--config", config);
    const refused = await cancel(held.handle);
    assert.match(refused.err, /its license does not allow to call it back/);
    assert.notEqual(refused.code, 0);
    assert.equal((await cancel(called.handle)).code, 0);
    assert.deepEqual([await seats(FIXED), await seats(REVOCABLE)], [1, 0]);
    const names = await session.handles();
    const { user, host, state, untilMs } = names.find(({ handle }) => handle === held.handle) ?? {};
    assert.deepEqual([user, host, state, untilMs], ["ada", "laptop", "borrowed", held.validUntil.getTime()]);
    await session.returnBorrow(fixed);
  });

  describe("the file", () => {
    let path: string;

    before(async () => {
      path = file();
      await session.borrow({ ...FIXED, durationMs: 60 * MINUTE, file: path });
    });
    after(() => session.returnBorrow(path));

    it("is refused with any field of the document altered", async () => {
      const { document } = read(path);
      for (const [name, value] of Object.entries(document)) {
        const other = typeof value === "number" ? value + 1 : typeof value === "boolean" ? !value : flip(String(value));
        const changed = altered(path, (content) => {
          content.document[name] = other;
        });
        assert.match(await why(changed), /altered/, name);
      }
    });

    it("is refused with a member more or less, a cut end, or other white space", async () => {
      const rows: readonly ((text: string) => string)[] = [
        (text) => text.slice(0, -2),
        (text) => `${text} `,
        (text) => text.replace('{"document"', '{ "document"'),
        (text) => text.replace('"format"', '"more":1,"format"'),
        (text) => text.replace(/"station":"[^"]*",/, ""),
        () => "[]",
        () => "null",
      ];
      for (const change of rows) {
        const to = altered(path, () => {});
        writeFileSync(to, change(readFileSync(to, "utf8")));
        assert.match(await why(to), /altered|damaged/);
      }
    });

    it("is refused with one signature, with one twice, and with an altered one", async () => {
      const one = altered(path, ({ signatures }) => void signatures.pop());
      assert.match(await why(one), /two different upstreams must have signed it, 1 did/);
      const twice = altered(path, ({ signatures }) => {
        if (signatures[0] !== undefined) signatures[1] = signatures[0];
      });
      assert.match(await why(twice), /two different upstreams must have signed it, 1 did/);
      const none = altered(path, ({ signatures }) => void signatures.splice(0));
      assert.match(await why(none), /two different upstreams must have signed it, 0 did/);
      const forged = altered(path, ({ signatures }) => {
        const [first] = signatures;
        if (first !== undefined) first.signature = flip(first.signature);
      });
      assert.match(await why(forged), /the signature of the holder of container 130-\d+ does not fit/);
      const swapped = altered(path, ({ signatures: [first, second] }) => {
        if (first === undefined || second === undefined) return;
        [first.signature, second.signature] = [second.signature, first.signature];
      });
      assert.match(await why(swapped), /does not fit/);
    });

    it("is refused with an altered certificate, and with another firm's key", async () => {
      const parts = [0, 1, 2];
      for (const part of parts) {
        const changed = altered(path, ({ signatures: [first] }) => {
          if (first === undefined) return;
          const all = first.certificate.split(".");
          all[part] = flip(all[part] ?? "");
          first.certificate = all.join(".");
        });
        assert.match(await why(changed), /certificate/, `part ${part}`);
      }
      const other = await rejection(verifyBorrow(path, { firmKey: Buffer.alloc(32, 7) }));
      assert.match(other.message, /signed by another key than the firm's/);
    });

    it("is refused with another private key, and with none", async () => {
      const stolen = altered(path, () => {});
      const key = { kind: "borrow", seed: Buffer.alloc(32, 1).toString("base64url") };
      writeFileSync(`${stolen}.key`, `${canonicalJson(key)}\n`, { mode: 0o600 });
      assert.match(await why(stolen), /borrowed with another key than the one that is here/);
      const bare = join(folder, "bare.borrow");
      copyFileSync(path, bare);
      assert.equal((await rejection(verifyBorrow(bare, { firmKey }))).code, "ERR_TMR_KEY");
    });

    it("is refused when the clock goes back, before its beginning and after its end", async () => {
      const own = altered(path, () => {});
      const { validFrom, validUntil } = await verifyBorrow(own, { firmKey });
      const start = validFrom.getTime();
      assert.match(await why(own, start - 6 * MINUTE), /before it was borrowed/);
      await verifyBorrow(own, { firmKey, now: new Date(start + 30 * MINUTE) });
      await verifyBorrow(own, { firmKey, now: new Date(start + 26 * MINUTE) });
      assert.match(await why(own, start + 24 * MINUTE), /the clock of this machine was put back/);
      await verifyBorrow(own, { firmKey, now: validUntil });
      assert.match(await why(own, validUntil.getTime() + 1), /it was borrowed until/);
    });

    it("is refused when the record of the time seen is gone, altered, or another license's", async () => {
      const own = altered(path, () => {});
      await verifyBorrow(own, { firmKey, now: new Date(Date.now() + 20 * MINUTE) });
      const clock = readFileSync(`${own}.clock`, "utf8");
      writeFileSync(`${own}.clock`, clock.replace(/"seenMs":\d+/, '"seenMs":1'));
      assert.match(await why(own), /is altered/);
      writeFileSync(`${own}.clock`, "{");
      assert.match(await why(own), /cannot be read/);
      const gone = join(folder, "gone");
      mkdirSync(gone);
      const alone = join(gone, "a.borrow");
      copyFileSync(own, alone);
      copyFileSync(`${own}.key`, `${alone}.key`);
      assert.match(await why(alone), /is missing/);
    });
  });

  it("is a command: borrow, verify, return, with exit codes that say what happened", async () => {
    const path = file();
    const system = ["--system", running.systemFile];
    const codes = ["--firm", String(FIRM), "--product", "13"];
    const borrowed = await runTmr("borrow", ...codes, "--for", "2h", "--out", path, ...system);
    assert.match(borrowed.out, /^License 6000010:13 item \d+ in container 131-\d+, 1 seat, is borrowed until /);
    assert.equal(borrowed.code, 0, borrowed.err);
    const verified = await runTmr("borrow", "verify", path, "--firm-key", firmKey, "--json");
    assert.equal((JSON.parse(verified.out) as { productCode: number }).productCode, 13);
    const changed = altered(path, ({ document }) => {
      document["quantity"] = 9;
    });
    assert.equal((await runTmr("borrow", "verify", changed, "--firm-key", firmKey)).code, 3);
    const again = await runTmr("borrow", ...codes, "--out", path, ...system);
    assert.deepEqual([again.code, again.err.includes("already there")], [2, true]);
    const refused = await runTmr("borrow", "--firm", String(FIRM), "--product", "16", "--out", file(), ...system);
    assert.deepEqual([refused.code, refused.err.includes("(not-borrowable)")], [3, true]);
    assert.equal((await runTmr("borrow", ...system)).code, 2);
    assert.equal((await runTmr("borrow", "return", path, ...system)).code, 0);
    await until("the seat to be free", async () => ((await seats(FIXED)) === 0 ? true : null));
    assert.throws(() => statSync(path), { code: "ENOENT" });
  });
});

/** One character of a text exchanged, so that it still looks like what it was. */
function flip(text: string): string {
  const at = Math.floor(text.length / 2);
  const other = text[at] === "A" ? "B" : "A";
  return `${text.slice(0, at)}${other}${text.slice(at + 1)}`;
}
