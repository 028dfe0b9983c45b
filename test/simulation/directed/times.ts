/** Schedules about clocks and leases. */
import { accessTo, type Directed, listItems, ups } from "./script.js";

const YEAR_MS = 365 * 86_400_000;

const outage: Directed = {
  name: "no session expires while there is no quorum, however long that lasts",
  shows: ["timeNeedsQuorum", "leasesOnLogTime"],
  tell: (script) => {
    script.untilSettled();
    script.ask(0, accessTo(1));
    for (const name of ups(1, 2, 3)) script.crash(name);
    script.wait(20_000);
    for (const name of ups(1, 2, 3)) script.start(name);
    script.untilActive(0);
    script.wait(200);
    const outcome = script.ask(1, accessTo(1));
    if ("answer" in outcome) throw new Error("the seat was free after the outage");
  },
};

const clockCorrected: Directed = {
  name: "a wall clock that jumps by years frees no seat and ends no license",
  shows: ["calendarMedian"],
  tell: (script) => {
    script.untilSettled();
    script.ask(0, accessTo(7));
    script.world.upstream(2).clockErrorMs = 10 * YEAR_MS;
    script.wait(1_000);
    script.ask(1, accessTo(7));
    script.world.upstream(2).clockErrorMs = -10 * YEAR_MS;
    script.wait(1_000);
    script.ask(1, listItems);
  },
};

const timeGoesOn: Directed = {
  name: "a new leader goes on from the log time of the last entry",
  shows: ["logTimeContinues"],
  tell: (script) => {
    script.untilSettled();
    script.wait(3_000);
    script.ask(0, accessTo(1));
    script.takeOver(1);
    script.untilActive(1);
    script.ask(1, accessTo(2));
  },
};

const lateAnswer: Directed = {
  name: "a client whose answer was late does not believe in its seat longer than the server does",
  shows: ["leaseFromFirstSending"],
  plan: { clientTimeoutsMs: [3_000], clientSuspectMs: 60_000 },
  tell: (script) => {
    script.untilSettled();
    script.ask(0, accessTo(1));
    script.hold({ from: ["tmr0", "tmr1"], to: "client0", types: ["results"] });
    const late = script.begin(0, listItems);
    script.wait(2_500);
    script.hold();
    script.until("the late answer arrives", () => late.outcome !== null);
    script.cut("client0", "tmr0", "tmr1");
    script.wait(1_200);
    script.ask(1, accessTo(1));
    script.wait(100);
    script.join("client0", "tmr0", "tmr1");
  },
};

const slowClock: Directed = {
  name: "a client whose clock is slow gives up its seat before the server gives it to another",
  shows: ["leaseAllowsForDrift"],
  plan: {
    clientTimeoutsMs: [40_000],
    clientSuspectMs: 60_000,
    rates: { client0: 0.9995, tmr0: 1.0005, tmr1: 1.0005 },
    tickMs: 5,
  },
  tell: (script) => {
    script.untilSettled();
    script.ask(0, accessTo(1));
    script.cut("client0", "tmr0", "tmr1");
    const endMs = script.world.nowMs + 41_000;
    while (script.world.nowMs < endMs) {
      script.ask(1, accessTo(1));
      script.wait(script.world.nowMs < endMs - 1_300 ? 500 : 2);
    }
    script.join("client0", "tmr0", "tmr1");
  },
};

export const times: readonly Directed[] = [outage, clockCorrected, timeGoesOn, lateAnswer, slowClock];
