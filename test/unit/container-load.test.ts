import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type LoadedContainer, loadContainers, trustOf } from "../../ts/container/index.js";
import { type Issuing, issuingIn, license } from "../support/issuing.js";
import { scratchFolder } from "../support/scratch.js";
import { rejectedBy } from "../support/throws.js";

describe("the containers folder of an upstream", () => {
  const folder = scratchFolder();
  let issuing: Issuing;
  let own: string;

  beforeEach(async () => {
    issuing = issuingIn(folder());
    await issuing.issue([license("a", 13), license("b", 14)]);
    own = issuing.system.containerDirs[0];
    copyFileSync(join(issuing.out, "upstream-1.tmrc"), join(own, "b.tmrc"));
  });

  const load = (): Promise<LoadedContainer[]> => loadContainers(own, trustOf(issuing.system.system, 1));

  it("that is empty gives no containers", async () => {
    assert.deepEqual(await loadContainers(issuing.system.containerDirs[1], trustOf(issuing.system.system, 2)), []);
  });

  it("gives the items of a sound container", async () => {
    const [container, ...others] = await load();
    assert.deepEqual(others, []);
    assert.match(container?.container ?? "", /^130-\d+$/);
    assert.equal(container?.actId, 1);
    assert.deepEqual(container?.updateCounters, { 6000010: 1 });
    assert.equal(container?.fault, undefined);
    assert.deepEqual(
      container?.items.map((item) => [item.productCode, item.tmrId]),
      [
        [13, 1],
        [14, 2],
      ],
    );
  });

  it("lists a broken file with its fault, without items, and keeps serving the others", async () => {
    const good = readFileSync(join(own, "b.tmrc"));
    writeFileSync(join(own, "a.tmrc"), good.subarray(0, 50));
    copyFileSync(join(issuing.out, "upstream-2.tmrc"), join(own, "c.tmrc"));
    mkdirSync(join(own, "d.tmrc"));
    const loaded = await load();
    assert.deepEqual(
      loaded.map((container) => [container.items.length, container.fault === undefined]),
      [
        [0, false],
        [2, true],
        [0, false],
        [0, false],
      ],
    );
    assert.match(loaded[0]?.fault ?? "", /a\.tmrc: not a container file, or truncated/);
    assert.match(loaded[2]?.fault ?? "", /c\.tmrc: the container is for upstream-2, this is upstream-1/);
  });

  it("serves a container that is there twice once, and says so", async () => {
    copyFileSync(join(own, "b.tmrc"), join(own, "copy.tmrc"));
    const loaded = await load();
    assert.deepEqual(
      loaded.map((container) => container.items.length),
      [2, 0],
    );
    assert.match(loaded[1]?.fault ?? "", /copy\.tmrc: container 130-\d+ is already in .*b\.tmrc/);
  });

  it("ignores files with other names", async () => {
    writeFileSync(join(own, "b.tmrc.77.new"), "half");
    writeFileSync(join(own, "README"), "x");
    assert.equal((await load()).length, 1);
  });

  it("that cannot be read is ERR_TMR_FILE", async () => {
    const { system } = issuing.system;
    const error = await rejectedBy("ERR_TMR_FILE", () => loadContainers(join(own, "none"), trustOf(system, 1)));
    assert.match(error.message, /cannot read the containers folder/);
  });
});
