import assert from "node:assert/strict";
import * as fc from "fast-check";
import { LicenseMachine } from "../../ts/license/machine.js";
import { Kind } from "../../ts/wire/kinds.js";
import { sessionOf } from "../support/license-kit.js";
import { licensePorts, testGenesis } from "../support/license-ports.js";
import { type Chapter, STORY_LIMITS, Storyteller, story } from "../support/license-story.js";
import { seeded } from "../support/seeded.js";

const restore = (snapshot: Uint8Array): LicenseMachine =>
  LicenseMachine.restore(snapshot, testGenesis, licensePorts, STORY_LIMITS);

/** Plays all chapters, from the start with a full container. */
function play(chapters: readonly Chapter[], after: (teller: Storyteller) => void = () => undefined): Storyteller {
  const teller = new Storyteller();
  const state = { what: "state", a: 0, b: 9, skip: 0, keep: 0 } as const;
  const opening = { logMs: 1_000, calendarMs: 600, reached: 7 };
  teller.play({ ...opening, steps: [0, 1, 2].map((who) => ({ ...state, who })) });
  for (const chapter of chapters) {
    teller.play(chapter);
    after(teller);
  }
  return teller;
}

describe("the license state machine, over random stories", () => {
  it("tells what the naive rules tell", () => {
    fc.assert(
      fc.property(story, (chapters) => void play(chapters)),
      seeded(200),
    );
  });

  it("never takes more seats than there are, nor less than none", () => {
    fc.assert(
      fc.property(story, (chapters) => {
        const usedBefore = new Map<number, number>();
        // One step at a time: within a batch a quantity may rise and fall again around a grant.
        const steps = chapters.flatMap((chapter) => chapter.steps.map((one) => ({ ...chapter, steps: [one] })));
        play(steps, ({ naive }) => {
          for (const { terms } of naive.items) {
            const used = naive.used(terms);
            const before = usedBefore.get(terms.tmrId) ?? 0;
            // More than the quantity only as what was left when the quantity was lowered.
            assert.ok(used >= 0 && (used <= terms.quantity || used <= before));
            usedBefore.set(terms.tmrId, used);
          }
        });
      }),
      seeded(60),
    );
  });

  it("goes on from a snapshot as if nothing had happened, to the byte", () => {
    fc.assert(
      fc.property(story, fc.nat({ max: 40 }), (chapters, cut) => {
        let copy: LicenseMachine | null = null;
        let chapter = 0;
        play(chapters, ({ machine, batches }) => {
          if (copy !== null) copy.apply(batches.at(-1) as Buffer);
          else if (chapter >= cut) copy = restore(machine.snapshot());
          chapter += 1;
          if (copy === null) return;
          assert.deepEqual(copy.stateDigest, machine.stateDigest);
          assert.deepEqual(copy.snapshot(), machine.snapshot());
          // Again and again from its own snapshot, so that what restoring forgets is not hidden by the original.
          copy = restore(copy.snapshot());
        });
      }),
      seeded(60),
    );
  });

  it("gives the same results, digests and snapshot on every machine with the same log", () => {
    fc.assert(
      fc.property(story, (chapters) => {
        const { machine, batches } = play(chapters);
        const results: (readonly string[])[] = [];
        const others = [0, 1].map((run) => {
          const other = LicenseMachine.create(testGenesis, licensePorts, STORY_LIMITS);
          results[run] = batches.map((batch) => {
            const { records, blobs } = other.apply(batch);
            return `${records.toString("hex")} ${blobs.toString("hex")}`;
          });
          return other;
        });
        assert.deepEqual(results[0], results[1]);
        for (const other of others) {
          assert.deepEqual(other.stateDigest, machine.stateDigest);
          assert.deepEqual(other.snapshot(), machine.snapshot());
        }
      }),
      seeded(60),
    );
  });

  it("tells a repeat the same bytes and changes nothing by it", () => {
    const stored = new Set<number>([Kind.openSession, Kind.access, Kind.release, Kind.closeSession, Kind.consume]);
    const notStored = new Set(["busy", "stale-request", "session-unknown"]);
    fc.assert(
      fc.property(story, (chapters) => {
        const teller = play(chapters);
        const { naive } = teller;
        const keepAlive = [...naive.sessions.keys()].map((name) => ({
          kind: Kind.heartbeat,
          request: naive.sessions.get(name)?.below ?? 1,
          session: sessionOf(name),
        }));
        if (keepAlive.length > 0) teller.tell(keepAlive);
        const before = unchanging(teller.machine.snapshot());
        const repeats = teller.sent.filter(({ name, asked, told }) => {
          const session = naive.sessions.get(name);
          if (!stored.has(asked.kind) || notStored.has(told.outcome)) return false;
          return session === undefined
            ? naive.ended.get(name)?.request === asked.request
            : session.results.has(asked.request);
        });
        // A number may have been used in an earlier session of that name: the last result counts.
        const last = new Map(repeats.map((repeat) => [`${repeat.name} ${repeat.asked.request}`, repeat]));
        for (const { asked, told } of last.values()) {
          const [again] = teller.tell([{ ...asked, answeredBelow: 0 }]);
          assert.deepEqual(again?.bytes, told.bytes);
          assert.deepEqual(unchanging(teller.machine.snapshot()), before);
        }
      }),
      seeded(60),
    );
  });
});

/** A snapshot without position, state digest and its own digest. */
function unchanging(snapshot: Uint8Array): Buffer {
  const bytes = Buffer.from(snapshot);
  bytes.fill(0, 40, 48);
  bytes.fill(0, 64, 96);
  return bytes.subarray(0, -32);
}
