/** Schedules about epochs: who may append, which log a new leader takes, when it may serve. */
import { accessTo, type Directed, listItems, type Script, ups } from "./script.js";

/** tmr0 orders requests that only these upstreams get to see; it crashes with them. */
function leaveUncarried(script: Script, upstream: 1 | 2 | 3, requests: number): void {
  const others = ([1, 2, 3] as const).filter((id) => id !== upstream);
  script.hold({ from: ["tmr0", "tmr1"], to: ups(...others), types: ["append"] });
  for (let i = 0; i < requests; i++) {
    script.begin(0, accessTo(3));
    script.wait(20);
  }
  script.wait(50);
  script.crash("client0");
}

const oldLeaderGoesOn: Directed = {
  name: "an old leader carries nothing once two upstreams have promised a new one",
  shows: ["promiseFences"],
  tell: (script) => {
    script.untilSettled();
    script.ask(0, accessTo(2));
    script.cut("tmr0", "tmr1");
    // tmr0 does not hear of the new epoch either.
    script.hold(
      { from: "tmr1", types: ["sync", "extend"] },
      { from: ups(1, 2, 3), to: "tmr0", types: ["pong", "refused"] },
    );
    script.takeOver(1);
    script.wait(300);
    script.begin(0, accessTo(2));
    script.wait(300);
    script.hold();
    script.wait(3_000);
    script.join("tmr0", "tmr1");
  },
};

const longerIsNotNewer: Directed = {
  name: "a long log of an old epoch gives way to a short one of a newer epoch",
  shows: ["epochBeforeLength"],
  tell: (script) => {
    script.untilSettled();
    script.ask(0, accessTo(2));
    leaveUncarried(script, 1, 6);
    script.crash("tmr0");
    script.crash("up1");
    script.hold();
    script.untilActive(1);
    script.ask(1, accessTo(1));
    script.crash("tmr1");
    script.crash("up2");
    script.start("up1");
    script.start("tmr0");
    script.untilActive(0);
    script.ask(1, listItems);
    script.start("up2");
    script.start("tmr1");
  },
};

const whatOneKnows: Directed = {
  name: "a batch that only one of the two remaining upstreams has is not lost",
  shows: ["longestOfNewest"],
  tell: (script) => {
    script.untilSettled();
    script.hold({ from: "tmr0", to: "up3", types: ["append"] });
    script.ask(0, accessTo(1));
    script.crash("tmr0");
    script.crash("up2");
    script.hold();
    script.untilActive(1);
    script.ask(1, listItems);
    script.start("tmr0");
    script.start("up2");
  },
};

/** The schedule known from Raft's figure 8. */
const adoptedThenOverruled: Directed = {
  name: "an old batch that a new leader adopted is not overruled by a batch of an epoch in between",
  shows: ["restamp"],
  tell: (script) => {
    script.untilSettled();
    script.ask(0, accessTo(2));
    leaveUncarried(script, 1, 1);
    script.crash("tmr0");
    script.crash("up1");
    script.hold({ from: "tmr1", to: ups(1, 3), types: ["append"] });
    script.untilActive(1);
    script.wait(50);
    script.crash("tmr1");
    script.crash("up2");
    script.hold({ from: "tmr0", types: ["append"] });
    script.start("up1");
    script.start("tmr0");
    script.untilActive(0);
    script.wait(50);
    script.crash("tmr0");
    script.crash("up1");
    script.hold();
    script.start("up2");
    script.start("tmr1");
    script.untilActive(1);
    script.ask(1, listItems);
    script.start("up1");
    script.start("tmr0");
  },
};

const servedTooEarly: Directed = {
  name: "a leader that has synced one upstream does not serve",
  shows: ["twoSynced"],
  tell: (script) => {
    script.untilSettled();
    script.ask(0, accessTo(2));
    leaveUncarried(script, 1, 1);
    script.crash("tmr0");
    script.crash("up3");
    script.hold({ from: "tmr1", to: "up2", types: ["sync", "extend", "append"] });
    script.wait(4_000);
    script.crash("tmr1");
    script.crash("up1");
    script.hold();
    script.start("up3");
    script.start("tmr0");
    script.untilActive(0);
    script.start("up1");
    script.start("tmr1");
  },
};

const sameEpochTwice: Directed = {
  name: "a restarted TMR server does not use an epoch again",
  shows: ["epochsNeverReused"],
  tell: (script) => {
    script.untilSettled();
    script.crash("tmr1");
    script.ask(0, accessTo(2));
    leaveUncarried(script, 1, 6);
    script.crash("tmr0");
    script.hold();
    script.cut("tmr0", "up1");
    script.start("tmr0");
    script.takeOver(0);
    script.untilActive(0);
    script.ask(1, accessTo(1));
    script.crash("tmr0");
    script.crash("up3");
    script.join("tmr0", "up1");
    script.start("tmr1");
    script.untilActive(1);
    script.ask(1, listItems);
    script.start("up3");
    script.start("tmr0");
  },
};

export const takeovers: readonly Directed[] = [
  oldLeaderGoesOn,
  longerIsNotNewer,
  whatOneKnows,
  adoptedThenOverruled,
  servedTooEarly,
  sameEpochTwice,
];
