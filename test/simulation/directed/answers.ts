/** Schedules about what a client is told: votes, repeats, reads, and licenses that too few hold. */
import { accessTo, type Directed, listContainers, listItems, ups } from "./script.js";

const oneVote: Directed = {
  name: "what one upstream alone has stored is not answered",
  shows: ["twoVotes"],
  tell: (script) => {
    script.untilSettled();
    script.hold({ from: "tmr0", to: ups(2, 3), types: ["append"] });
    script.begin(0, accessTo(1));
    script.wait(100);
    script.crash("tmr0");
    script.crash("up1");
    script.hold();
    script.untilActive(1);
    script.ask(1, accessTo(1));
    script.start("up1");
    script.start("tmr0");
  },
};

const repeated: Directed = {
  name: "a request whose answer was lost is not carried out again by the twin",
  shows: ["answersKept"],
  tell: (script) => {
    script.untilSettled();
    script.ask(0, listItems);
    script.hold({ from: "tmr0", to: "client0", types: ["results"] });
    const call = script.begin(0, accessTo(2));
    script.wait(100);
    script.crash("tmr0");
    script.hold();
    script.until("the repeat is answered", () => call.outcome !== null);
    script.ask(1, accessTo(2));
    script.start("tmr0");
  },
};

const readOfTheOld: Directed = {
  name: "a fenced leader that does not know it gives no stale read",
  shows: ["readsOrdered"],
  tell: (script) => {
    script.untilSettled();
    script.ask(0, listContainers);
    script.crash("client1");
    script.cut("tmr0", "tmr1", "client1", ...ups(1, 2, 3));
    script.takeOver(1);
    script.untilActive(1);
    script.start("client1");
    script.ask(1, accessTo(2));
    const read = script.begin(0, listContainers);
    script.wait(200);
    script.join("tmr0", "tmr1", "client1", ...ups(1, 2, 3));
    script.until("the read is answered", () => read.outcome !== null);
  },
};

const oneHolder: Directed = {
  name: "a license that one upstream alone holds is not granted",
  shows: ["twoHolders"],
  tell: (script) => {
    script.untilSettled();
    const outcome = script.ask(0, accessTo(5));
    if ("answer" in outcome) throw new Error("granted");
  },
};

export const answers: readonly Directed[] = [oneVote, repeated, readOfTheOld, oneHolder];
