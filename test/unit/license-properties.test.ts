import assert from "node:assert/strict";
import * as fc from "fast-check";
import { LIMITS } from "../../ts/license/limits.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import { Kind } from "../../ts/wire/kinds.js";
import { encodeBatch, readAnswers, sessionOf } from "../support/license-kit.js";
import { licensePorts, testGenesis } from "../support/license-ports.js";
import {
  type Chapter,
  changingStory,
  crowdedStory,
  SCARCE,
  STORY_LIMITS,
  type Step,
  Storyteller,
  story,
} from "../support/license-story.js";
import { seeded } from "../support/seeded.js";

const restore = (snapshot: Uint8Array, limits = STORY_LIMITS): LicenseMachine =>
  LicenseMachine.restore(snapshot, testGenesis, licensePorts, limits);

type Opening = "full" | "crowded" | "changing";
const all: fc.Arbitrary<[Opening, Chapter[]]> = fc.oneof(
  story.map((chapters): [Opening, Chapter[]] => ["full", chapters]),
  crowdedStory.map((chapters): [Opening, Chapter[]] => ["crowded", chapters]),
  changingStory.map((chapters): [Opening, Chapter[]] => ["changing", chapters]),
);

/** Plays all chapters, from the start with a full container, or with few seats and every session open. */
function play(
  [opening, chapters]: readonly [Opening, readonly Chapter[]],
  after: (teller: Storyteller) => void = () => undefined,
): Storyteller {
  const teller = new Storyteller();
  const isCrowded = opening !== "full";
  const state = { what: "state", a: isCrowded ? SCARCE : 0, b: 9, skip: 0, keep: 0 } as const;
  const steps: Step[] = [0, 1, 2].map((who) => ({ ...state, who }));
  if (isCrowded) for (const who of [0, 1, 2]) steps.push({ ...state, what: "open", a: 9, who });
  teller.play({ logMs: 1_000, calendarMs: 600, reached: 7, steps });
  for (const chapter of chapters) {
    teller.play(chapter);
    after(teller);
  }
  return teller;
}

describe("the license state machine, over random stories", () => {
  it("tells what the naive rules tell", () => {
    fc.assert(
      fc.property(all, (chapters) => void play(chapters)),
      seeded(200),
    );
  });

  it("never takes more seats than there are, nor less than none, and shows each where it is", () => {
    fc.assert(
      fc.property(all, (chapters) => {
        const usedBefore = new Map<number, number>();
        // One step at a time: within a batch a quantity may rise and fall again around a grant.
        const [opening, whole] = chapters;
        const steps = whole.flatMap((chapter) => chapter.steps.map((one) => ({ ...chapter, steps: [one] })));
        play([opening, steps], (teller) => {
          for (const item of seatsOf(teller)) {
            const taken = item.used + item.lingering;
            const before = usedBefore.get(item.itemRef) ?? 0;
            // More than the quantity only as what was left when the quantity was lowered.
            assert.ok(taken <= item.quantity || taken <= before);
            for (const count of [item.used, item.lingering, item.reserved, item.queued, item.free])
              assert.ok(count >= 0);
            assert.ok(item.reserved + item.free + taken === Math.max(item.quantity, taken));
            const held = item.handles.filter(({ state }) => state === "held" || state === "borrowed");
            assert.equal(sumOf(held), item.used);
            assert.equal(sumOf(item.handles.filter(({ state }) => state === "lingering")), item.lingering);
            assert.equal(item.handles.filter(({ state }) => state === "queued").length, item.queued);
            usedBefore.set(item.itemRef, taken);
          }
        });
      }),
      seeded(20),
    );
  });

  it("goes on from a snapshot as if nothing had happened, to the byte", () => {
    fc.assert(
      fc.property(all, fc.nat({ max: 40 }), (chapters, cut) => {
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
      fc.property(all, (chapters) => {
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
      fc.property(all, (chapters) => {
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

interface Shown {
  readonly itemRef: number;
  readonly state: string;
  readonly seats: number;
}

interface ItemSeats {
  readonly itemRef: number;
  readonly quantity: number;
  readonly used: number;
  readonly lingering: number;
  readonly reserved: number;
  readonly queued: number;
  readonly free: number;
  readonly handles: readonly Shown[];
}

const sumOf = (handles: readonly Shown[]): number => handles.reduce((sum, { seats }) => sum + seats, 0);

/** What the machine itself shows, asked of a copy so that the story is not touched. */
function seatsOf({ machine, logMs, calendarMs }: Storyteller): ItemSeats[] {
  const copy = restore(machine.snapshot(), LIMITS);
  const session = sessionOf("who asks");
  const kinds = [Kind.openSession, Kind.items, Kind.handles];
  const asked = kinds.map((kind, i) => ({ kind, request: i + 1, session }));
  const batch = encodeBatch(copy.position + 1, { logMs: Math.max(0, logMs), calendarMs, asked });
  const [, items, handles] = readAnswers(copy.apply(batch));
  assert.ok(items?.outcome === "ok" && handles?.outcome === "ok");
  const shown = JSON.parse(handles.text) as Shown[];
  return (JSON.parse(items.text) as ItemSeats[]).map((item) => ({
    ...item,
    handles: shown.filter(({ itemRef }) => itemRef === item.itemRef),
  }));
}

/** A snapshot without position, state digest and its own digest. */
function unchanging(snapshot: Uint8Array): Buffer {
  const bytes = Buffer.from(snapshot);
  bytes.fill(0, 40, 48);
  bytes.fill(0, 64, 96);
  return bytes.subarray(0, -32);
}
