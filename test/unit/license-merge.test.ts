import assert from "node:assert/strict";
import * as fc from "fast-check";

import type { LicensePorts } from "../../ts/license/genesis.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import { licensePorts, testGenesis } from "../support/license-ports.js";
import { STORY_LIMITS, Storyteller, story } from "../support/license-story.js";
import { engine } from "../support/native-engine.js";
import { seeded } from "../support/seeded.js";

describe("the license state machine", () => {
  it("has the same state with the engine's merge as with the naive one", () => {
    const ports: LicensePorts = { ...licensePorts, mergeContainers: (a, b, c) => engine.mergeContainers(a, b, c) };
    fc.assert(
      fc.property(story, (chapters) => {
        const teller = new Storyteller();
        for (const chapter of chapters) teller.play(chapter);
        const machine = LicenseMachine.create(testGenesis, ports, STORY_LIMITS);
        for (const batch of teller.batches) machine.apply(batch);
        assert.deepEqual(machine.snapshot(), teller.machine.snapshot());
      }),
      seeded(50),
    );
  });
});
