import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ControlSocket } from "../../ts/admin/control-socket.js";
import { TmrError } from "../../ts/errors.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { answerOf, FakeControlTarget } from "../support/control-kit.js";
import { runTmr } from "../support/run-tmr.js";
import { scratchFolder } from "../support/scratch.js";

const document = {
  format: "tmr-access-list/1",
  groups: { design: ["anna"] },
  rules: [
    { level: "product", firmCode: 6_000_010, productCode: 13, kind: "group", value: "design", effect: "allow" },
    { level: "global", kind: "default", effect: "deny" },
  ],
};
/** So small that a list takes several answers. */
const PART_BYTES = 100;

describe("what an administrator asks of a server", function () {
  this.timeout(120_000);
  const scratch = scratchFolder();
  const target = new FakeControlTarget();
  let control: ControlSocket;
  let kept = Buffer.alloc(0);

  const config = (): string => join(scratch(), "tmr.toml");
  const file = (name: string): string => join(scratch(), name);

  beforeEach(async () => {
    target.reset();
    kept = Buffer.alloc(0);
    target.answer = (record) => {
      if (record.kind === Kind.setAccessList) kept = Buffer.from(record.blob ?? []);
      if (record.kind !== Kind.readAccessList) return Promise.resolve(answerOf(record));
      const from = record.cursor ?? 0;
      const end = from + PART_BYTES;
      return Promise.resolve(
        answerOf(record, Status.ok, kept.toString("utf8", from, end), end < kept.length ? end : 0),
      );
    };
    writeFileSync(config(), '[server]\nstate = "state"\n');
    writeFileSync(file("list.json"), JSON.stringify(document, null, 2));
    control = await ControlSocket.open(join(scratch(), "state"));
    control.attach(target);
  });
  afterEach(() => control.close());

  it("imports a list, shows it, exports it as it was, and tests it", async () => {
    const imported = await runTmr("acl", "import", "-c", config(), "-f", file("list.json"));
    assert.deepEqual(imported, { code: 0, out: "The access list is set: 2 rules.\n", err: "" });
    assert.ok(kept.length > 2 * PART_BYTES);
    const shown = await runTmr("acl", "show", "-c", config());
    assert.match(
      shown.out,
      /^RULE .*\n {3}1 {2}product .* design .*\n {3}2 {2}global .* deny .*\n\nGROUP .*\ndesign {2}anna\n$/,
    );
    const exported = await runTmr("--export-acl", "-f", file("out.json"), "-c", config());
    assert.deepEqual(exported, { code: 0, out: `${file("out.json")}: 2 rules.\n`, err: "" });
    assert.deepEqual(JSON.parse(readFileSync(file("out.json"), "utf8")), document);
    const asked = ["acl", "test", "-c", config(), "--firm", "6000010", "--product", "13", "--json"];
    const allowed = await runTmr(...asked, "--user", "anna");
    assert.deepEqual(
      [allowed.code, JSON.parse(allowed.out)],
      [0, { allowed: true, rule: { number: 1, ...document.rules[0] } }],
    );
    assert.equal((await runTmr(...asked, "--user", "ben")).code, 3);
  });

  it("binds a license of a container to a user, and tells the refusal when several containers hold it", async () => {
    const asked = ["named-user", "6000010:24", "ben", "--item", "11", "-c", config()];
    const sentence =
      "License 6000010:24 item 11 is not one: containers 130-5, 130-70 hold it; name the one that is meant.";
    target.answer = (record) =>
      Promise.resolve(
        record.mode === undefined ? answerOf(record, Status["bad-request"], sentence) : answerOf(record, Status.ok),
      );
    const refused = await runTmr(...asked);
    assert.deepEqual([refused.code, refused.out], [2, ""]);
    assert.ok(refused.err.includes(`${sentence} (bad-request)`), refused.err);
    const bound = await runTmr(...asked, "--container", "130-4000000000");
    assert.deepEqual(bound, { code: 0, out: "License 6000010:24 item 11 is bound to ben.\n", err: "" });
    const [first, second] = target.records;
    assert.deepEqual([first?.mode, second?.mode, second?.featureMap], [undefined, 130, 4_000_000_000]);
    const wrong = await runTmr(...asked, "--container", "130");
    assert.equal(wrong.code, 2);
    assert.match(wrong.err, /Expected MASK-SERIAL/);
  });

  it("rejects a wrong list whole, names every place, and asks nobody", async () => {
    const wrong = { ...document, rules: [{ level: "firm", kind: "host", value: "", effect: "alow" }] };
    writeFileSync(file("wrong.json"), JSON.stringify(wrong));
    const ran = await runTmr("--import-acl", "-f", file("wrong.json"), "-c", config());
    assert.deepEqual([ran.code, ran.out], [2, ""]);
    for (const place of ["rules[0].firmCode: ", "rules[0].value: ", "rules[0].effect: "]) {
      assert.ok(ran.err.includes(`wrong.json: ${place}`), ran.err);
    }
    assert.deepEqual(target.records, []);
  });

  it("tests a file without any server", async () => {
    await control.close();
    const asked = ["acl", "test", "-f", file("list.json"), "--firm", "6000010", "--product", "20"];
    const refused = await runTmr(...asked, "--host", "pc", "--address", "10.0.0.1");
    assert.equal(refused.code, 3);
    assert.match(refused.out, /^host pc, address 10\.0\.0\.1, license 6000010:20: refused \(access-list\) by rule 2 /);
    assert.match((await runTmr(...asked, "--address", "10.0.0")).err, /expected an IP address.*\(ERR_TMR_ARGUMENT\)/);
    assert.match((await runTmr(...asked.filter((_, i) => i !== 2 && i !== 3))).err, /expected --file or --config/);
    assert.match((await runTmr("acl", "show", "-c", config())).err, /no TMR server answers here/);
  });

  it("cancels a handle", async () => {
    const ran = await runTmr("network", "--cancel", "4294967297", "-c", config());
    assert.deepEqual([ran.code, ran.err], [0, ""]);
    assert.match(
      ran.out,
      /^Handle 4294967297 .* is cancelled and its seats are free\. An application that holds it is told handle-lost at its next call;/,
    );
    assert.deepEqual(target.records, [{ kind: Kind.cancelHandle, handle: 4_294_967_297 }]);
    assert.match((await runTmr("network", "--cancel", "7")).err, /expected --config too.*\(ERR_TMR_ARGUMENT\)/);
  });

  it("says in the server's words why it is not done", async () => {
    target.answer = (record) => Promise.resolve(answerOf(record, Status["handle-unknown"], "There is no handle 7."));
    const unknown = await runTmr("network", "--cancel", "7", "-c", config());
    assert.deepEqual(unknown, {
      code: 2,
      out: "",
      err: "tmr: There is no handle 7. (handle-unknown) (ERR_TMR_REFUSED)\n",
    });
    target.answer = () =>
      Promise.reject(new TmrError("ERR_TMR_STATE", "this server is passive, not active; tmr-b at h:1 is: ask it"));
    const passive = await runTmr("acl", "show", "-c", config());
    assert.deepEqual(passive.err, "tmr: this server is passive, not active; tmr-b at h:1 is: ask it (ERR_TMR_STATE)\n");
  });
});
