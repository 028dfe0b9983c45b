/** What is lent and who waits, through takeovers and the ends of sessions. */
import type { CallFields, Outcome } from "../../../ts/client/types.js";
import { ed25519PublicKey } from "../../../ts/config/key-files.js";
import { Kind, statusName } from "../../../ts/wire/kinds.js";
import { accessTo, type Directed, type Script, ScriptError } from "./script.js";

/** Two seats, lent for at most twelve seconds. */
const LENT = 10;
/** One seat. */
const SCARCE = 1;

/** How the servers answered. */
function told(outcome: Outcome): string {
  if ("answer" in outcome) return statusName(outcome.answer.result.status);
  return outcome.fault.code === "ERR_TMR_REFUSED" ? outcome.fault.reason : outcome.fault.code;
}

function expect(what: string, outcome: Outcome, wanted: string): number {
  if (told(outcome) !== wanted) throw new ScriptError(`${what}: ${told(outcome)}, not ${wanted}`);
  return "answer" in outcome ? outcome.answer.result.handle : 0;
}

function ask(script: Script, client: number, fields: CallFields, wanted: string): number {
  return expect(`client${client}`, script.ask(client, fields), wanted);
}

export const licenses: readonly Directed[] = [
  {
    name: "what is borrowed outlives its session and its server, and ends by itself",
    shows: [],
    tell: (script) => {
      script.untilSettled();
      const key = ed25519PublicKey(Buffer.alloc(32, 9));
      ask(script, 0, { ...accessTo(LENT), kind: Kind.borrow, quantity: 2, durationMs: 10_000, blob: key }, "ok");
      const { license } = script.world.observer.model;
      const sessions = license.sessions.size;
      script.crash("client0");
      script.crash("tmr0");
      script.untilActive(1);
      script.until("the session has timed out", () => license.sessions.size < sessions);
      ask(script, 1, accessTo(LENT), "no-free-license");
      script.wait(6_000);
      ask(script, 1, accessTo(LENT), "ok");
    },
  },
  {
    name: "who waits keeps his place through a takeover",
    shows: [],
    plan: { clients: 3 },
    tell: (script) => {
      script.untilSettled();
      const held = ask(script, 0, accessTo(SCARCE), "ok");
      const first = ask(script, 1, { ...accessTo(SCARCE), durationMs: 60_000 }, "queued");
      const second = ask(script, 2, { ...accessTo(SCARCE), durationMs: 60_000 }, "queued");
      script.crash("tmr0");
      script.untilActive(1);
      ask(script, 0, { kind: Kind.release, handle: held }, "ok");
      ask(script, 2, { kind: Kind.info, handle: second }, "queued");
      ask(script, 1, { kind: Kind.info, handle: first }, "ok");
    },
  },
  {
    name: "units are consumed once, though the answer is lost with the server that gave it",
    shows: [],
    tell: (script) => {
      script.untilSettled();
      const handle = ask(script, 0, accessTo(3), "ok");
      script.hold({ from: "tmr0", to: "client0" });
      const consumed = script.begin(0, { kind: Kind.consume, handle, quantity: 7 });
      script.wait(200);
      script.crash("tmr0");
      script.hold();
      script.untilActive(1);
      script.until("the consumption is answered", () => consumed.outcome !== null);
      const { outcome } = consumed;
      if (outcome === null || !("answer" in outcome)) throw new ScriptError("the consumption was refused");
      if (outcome.answer.result.units !== 7)
        throw new ScriptError(`${outcome.answer.result.units} units are used, not 7`);
    },
  },
];
