import assert from "node:assert/strict";
import { appendFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { createSystem } from "../../ts/central/found-system.js";
import { registerCentral } from "../../ts/cli/central.js";
import { loadSystem } from "../../ts/config/index.js";
import { describedIn } from "../support/issuing.js";
import { scratchFolder } from "../support/scratch.js";
import { rejectedBy } from "../support/throws.js";

describe("tmr central", () => {
  const folder = scratchFolder();

  /** What the command prints. */
  async function run(...words: readonly string[]): Promise<string> {
    let output = "";
    const program = new Command("tmr").exitOverride().configureOutput({
      writeOut: (text) => {
        output += text;
      },
      writeErr: () => undefined,
    });
    registerCentral(program);
    await program.parseAsync(["central", ...words], { from: "user" });
    return output;
  }

  const dir = (): string => join(folder(), "central");
  const initFlags = (): string[] => ["init", "--dir", dir(), "--firm-code", "6000010", "--name", "Test firm"];
  const description =
    '[[license]]\nid = "cad"\nproductCode = 13\ntext = "CAD"\nquantity = 20\nexpiration = 2030-12-31T23:59:59Z\n';

  it("init prints the firm in the form that system.toml wants, and issue takes it from there", async () => {
    const { systemFile } = createSystem(join(folder(), "system"));
    const printed = await run(...initFlags());
    appendFileSync(systemFile, printed.slice(printed.indexOf("[[firm]]")));
    assert.equal(loadSystem(systemFile).firms[0]?.name, "Test firm");

    const file = describedIn(folder(), description);
    const out = join(folder(), "out");
    const table = await run("issue", file, "--dir", dir(), "--system", systemFile, "--out", out);
    assert.match(table, /^Firm Code 6000010, actId 1, Firm Update Counter 1\n/);
    assert.match(table, /^cad +13 +1 +20 +0x00000000 +- +2030-12-31T23:59:59Z +CAD +new$/m);
    assert.match(table, /^upstream-2 +130-\d+ +.*upstream-2\.tmrc$/m);
    assert.equal(readdirSync(out).length, 3);

    const again = await run("issue", file, "--dir", dir(), "--system", systemFile, "--into", out, "--json");
    const issued = JSON.parse(again) as { updateCounter: number; licenses: unknown[]; containers: unknown[] };
    assert.equal(issued.updateCounter, 2);
    assert.deepEqual(issued.licenses, [
      {
        id: "cad",
        change: "unchanged",
        actId: 1,
        firmCode: 6_000_010,
        tmrId: 1,
        productCode: 13,
        text: "CAD",
        quantity: 20,
        featureMap: 0,
        expirationMs: Date.UTC(2030, 11, 31, 23, 59, 59),
      },
    ]);
    assert.equal(issued.containers.length, 3);
  });

  it("init prints JSON without the private key", async () => {
    const firm = JSON.parse(await run(...initFlags(), "--json")) as Record<string, unknown>;
    assert.deepEqual(Object.keys(firm), ["firmCode", "name", "key"]);
  });

  it("fails with every fault of a wrong firm", async () => {
    const { message } = await rejectedBy("ERR_TMR_CONFIG", () =>
      run("init", "--dir", dir(), "--firm-code", "12", "--name", ""),
    );
    assert.match(message, /2 faults/);
  });

  it("issue wants exactly one of --out and --into", async () => {
    const file = describedIn(folder(), description);
    const { message } = await rejectedBy("ERR_TMR_CONFIG", () => run("issue", file, "--dir", dir()));
    assert.match(message, /--out or --into/);
    await assert.rejects(run("issue", file, "--dir", dir(), "--out", "a", "--into", "b"), /cannot be used with/);
  });

  it("issue names what is removed", async () => {
    const { systemFile } = createSystem(join(folder(), "system"));
    const printed = await run(...initFlags());
    appendFileSync(systemFile, printed.slice(printed.indexOf("[[firm]]")));
    const common = ["--dir", dir(), "--system", systemFile];
    await run("issue", describedIn(folder(), description), ...common, "--out", folder());
    const other = describedIn(folder(), '[[license]]\nid = "x"\nproductCode = 1\n');
    assert.match(await run("issue", other, ...common, "--into", folder()), /^Removed: cad \(TMR-ID 1\)/m);
  });
});
