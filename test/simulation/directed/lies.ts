/** Schedules with one lying upstream, and one that is beyond the fault model and must be noticed. */
import { accessTo, type Directed, listItems, ups } from "./script.js";

const hiddenEnd: Directed = {
  name: "a promise that hides the end of a log is outdone by the third one",
  shows: ["graceForThird"],
  plan: { liar: { upstream: 1, lie: "shorter", share: 1 } },
  tell: (script) => {
    script.untilSettled();
    script.cut("tmr0", "tmr1");
    script.hold({ from: "tmr0", to: "up3", types: ["append"] });
    script.ask(0, accessTo(1));
    script.crash("tmr0");
    script.hold({ from: "up2", to: "tmr1", types: ["promise"] });
    script.takeOver(1);
    script.wait(60);
    script.hold();
    script.untilActive(1);
    script.ask(1, listItems);
    script.join("tmr0", "tmr1");
    script.start("tmr0");
  },
};

const inventedEntry: Directed = {
  name: "a batch that no TMR server made is not adopted",
  shows: ["entriesMaced"],
  plan: { liar: { upstream: 1, lie: "longer", share: 1 } },
  tell: (script) => {
    script.untilSettled();
    script.ask(0, accessTo(1));
    script.crash("tmr0");
    script.untilActive(1);
    script.ask(1, listItems);
    script.start("tmr0");
  },
};

const forgedState: Directed = {
  name: "a snapshot that one upstream made up is not taken over by another",
  shows: ["snapshotsVoted"],
  plan: {
    liar: { upstream: 1, lie: "snapshot", share: 1 },
    snapshots: { everyBatches: 5, everyBytes: 1 << 30, keepBatches: 0 },
  },
  tell: (script) => {
    script.untilSettled();
    script.crash("up3");
    for (let i = 0; i < 90; i++) script.ask(i % 2, listItems);
    script.start("up3");
    script.wait(2_000);
    script.ask(0, listItems);
    script.wait(1_000);
  },
};

const thirdDecides: Directed = {
  name: "two voters that differ wait for the third that is on its way",
  shows: [],
  plan: { liar: { upstream: 3, lie: "results", share: 1 } },
  tell: (script) => {
    script.hold({ from: "tmr0", to: "up1", types: ["sync", "append"] });
    script.until("tmr0 leads", () => script.world.server(0).active);
    script.wait(400);
    script.hold();
    script.ask(0, listItems);
  },
};

const rolledBack: Directed = {
  name: "three upstreams set back to an earlier state are not served as if nothing had happened",
  shows: ["marksChecked"],
  allowedAlarms: ["answered-missing"],
  heals: false,
  tell: (script) => {
    script.untilSettled();
    const before = script.world.server(0).orderer.carried;
    script.ask(0, accessTo(1));
    script.ask(1, accessTo(2));
    script.wait(500);
    for (const name of ["tmr0", ...ups(1, 2, 3)]) script.crash(name);
    for (const { disk } of script.world.upstreams) disk.store.cut(before);
    for (const name of ups(1, 2, 3)) script.start(name);
    script.wait(5_000);
    if (script.world.counts["alarm answered-missing"] === undefined) throw new Error("no alarm was raised");
  },
};

export const lies: readonly Directed[] = [hiddenEnd, inventedEntry, forgedState, thirdDecides, rolledBack];
