/** Schedules about disks that are lost, and about disks that say too early that a write is safe. */
import { accessTo, type Directed, listItems, type Script, ups } from "./script.js";

/** tmr1 has up3's promise for a high epoch and does not notice that the disk that gave it is replaced. */
function promiseOfTheOldDisk(script: Script): void {
  script.untilSettled();
  script.ask(0, accessTo(3));
  script.cut("tmr0", "tmr1");
  const heldPrepare = { from: "tmr1", to: ups(1, 2), types: ["prepare"] } as const;
  // tmr0 must not hear of the high epoch.
  const silenced = { from: "up3", to: "tmr0", types: ["refused", "pong"] } as const;
  script.world.server(1).record = { ...script.world.server(1).record, highestUsedEpoch: 21 };
  script.crash("tmr1");
  script.start("tmr1");
  script.hold(heldPrepare, silenced, { from: ups(1, 2), to: "tmr1", types: ["promise"] });
  script.wait(50);
  script.takeOver(1);
  script.until("up3 has promised tmr1", () => script.world.upstream(3).replica.meta().promised === 23);
  script.wait(5);
  script.hold(heldPrepare, silenced, { from: "tmr1", to: "up3" });
  script.crash("up3", true);
  script.replaceDisk(3);
  script.start("up3");
}

const voidPromise: Directed = {
  name: "a promise given by a disk that has since been replaced is void",
  shows: ["membersOnly"],
  tell: (script) => {
    promiseOfTheOldDisk(script);
    const lateRequests = { from: "tmr1", to: ups(1, 2), types: ["prepare"] } as const;
    const deadLink = { from: "tmr1", to: "up3" } as const;
    script.until("the new disk is admitted", () => script.world.upstream(3).replica.meta().logEpoch === 4);
    script.hold(lateRequests, deadLink, { from: "tmr0", to: "up2", types: ["append"] });
    script.ask(0, accessTo(1));
    script.hold({ ...lateRequests, to: "up1" }, deadLink, { from: "tmr0", to: "up2", types: ["append"] });
    script.wait(1_000);
    script.hold({ ...lateRequests, to: "up1" });
    script.wait(1_500);
    script.hold();
    script.wait(2_000);
    script.join("tmr0", "tmr1");
    script.ask(1, listItems);
  },
};

const refilled: Directed = {
  name: "a new disk is not filled and counted within the running epoch",
  shows: ["admissionByNewEpoch"],
  // Without the rule tmr1 also meets the disk that should have no place in its epoch.
  allowedAlarms: ["void-promise"],
  tell: (script) => {
    script.untilSettled();
    promiseOfTheOldDisk(script);
    const lateRequests = { from: "tmr1", to: ups(1, 2), types: ["prepare"] } as const;
    const deadLink = { from: "tmr1", to: "up3" } as const;
    const lagging = { from: "tmr0", to: "up2", types: ["append"] } as const;
    script.hold(lateRequests, deadLink, lagging);
    script.until("the new disk takes appends", () => !script.world.upstream(3).replica.meta().blank);
    script.ask(0, accessTo(1));
    script.hold({ ...lateRequests, to: "up1" }, deadLink, lagging);
    script.wait(1_000);
    script.hold({ ...lateRequests, to: "up1" }, lagging);
    script.wait(1_500);
    script.hold();
    script.wait(2_000);
    script.join("tmr0", "tmr1");
    script.ask(1, listItems);
  },
};

const blankWaits: Directed = {
  name: "a new disk does not stand in for the one that knew",
  shows: ["blankAbstains"],
  tell: (script) => {
    script.untilSettled();
    script.hold({ from: "tmr0", to: "up2", types: ["append"] });
    script.ask(0, accessTo(1));
    script.crash("tmr0");
    script.crash("up1");
    script.crash("up3");
    script.replaceDisk(3);
    script.hold();
    script.start("up3");
    script.wait(4_000);
    script.start("up1");
    script.untilActive(1);
    script.ask(1, listItems);
    script.start("tmr0");
  },
};

const saidTooEarly: Directed = {
  name: "what was answered survives a power cut of every machine",
  shows: ["fsyncBeforeReply"],
  tell: (script) => {
    script.untilSettled();
    script.wait(500);
    script.ask(0, accessTo(1));
    for (const name of ["tmr0", "tmr1", ...ups(1, 2, 3)]) script.crash(name, true);
    script.wait(500);
    for (const name of [...ups(1, 2, 3), "tmr0", "tmr1"]) script.start(name);
    script.untilActive(0);
    script.ask(0, listItems);
  },
};

export const disks: readonly Directed[] = [voidPromise, refilled, blankWaits, saidTooEarly];
