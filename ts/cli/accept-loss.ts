/**
 * What an operator can force at the price of what clients were told: `tmr admit`, a blank upstream's admission, and
 * `tmr resume`, the return of a server that stopped. Without --accept-loss they only say the price.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import type { Admitted } from "../admin/control-protocol.js";
import { type CliContext, ExitCode } from "./context.js";
import { type ControlFlags, controlClient, stateText, watched } from "./control.js";
import { timeoutOption } from "./options.js";
import { printable, type Terminal } from "./terminal.js";

interface ResumeFlags extends ControlFlags {
  readonly acceptLoss?: true;
}

interface AdmitFlags extends ResumeFlags {
  readonly upstream: Admitted;
}

const TWIN_ANSWER_MS = 2_000;
const TWIN_POLL_MS = 200;

/** Adds the two commands. */
export function registerAcceptLoss(program: Command, context: CliContext): void {
  program
    .command("admit")
    .description("force a blank upstream into the system while another one is away; says first what may be lost")
    .requiredOption("-c, --config <file>", "tmr.toml of the active server, on its machine")
    .requiredOption(
      "--upstream <1|2|3|all>",
      "the blank upstream; all: all three are, found the system anew",
      parseAdmitted,
    )
    .option("--accept-loss", "do it; without this flag nothing is changed")
    .addOption(timeoutOption(30, "how long to wait for a quorum"))
    .action(async (flags: AdmitFlags) => {
      context.exitCode = await admit(context.terminal, flags);
    });
  program
    .command("resume")
    .description("have a TMR server take part again that stopped over a missing answer; says first what is lost")
    .requiredOption("-c, --config <file>", "tmr.toml of the server that stopped, on its machine")
    .option("--accept-loss", "do it; without this flag nothing is changed")
    .addOption(timeoutOption(5))
    .action(async (flags: ResumeFlags) => {
      context.exitCode = await resume(context.terminal, flags);
    });
}

async function resume(terminal: Terminal, { config, timeout, acceptLoss }: ResumeFlags): Promise<number> {
  const client = await controlClient(config, timeout);
  if (acceptLoss !== true) return onlySay(terminal, RESUME_LOSS);
  await client.resume();
  terminal.out(`This server takes part again: ${stateText(await client.health())}. tmr status says who serves.\n`);
  return ExitCode.ok;
}

function onlySay(terminal: Terminal, loss: string): number {
  terminal.err(`Nothing was changed. ${loss}\nIf that is accepted, add --accept-loss.\n`);
  return ExitCode.failed;
}

async function admit(terminal: Terminal, flags: AdmitFlags): Promise<number> {
  const { config, upstream, timeout } = flags;
  const client = await controlClient(config);
  if (flags.acceptLoss !== true) return onlySay(terminal, admissionLoss(upstream));
  await client.admit(upstream);
  const endMs = performance.now() + timeout;
  const done = upstream === "all" ? "The system was founded anew" : `Upstream ${upstream} was admitted`;
  const health = await watched(terminal, client, timeout, ({ answers, role }) => answers || role === "passive");
  if (health.answers) {
    terminal.out(`${done}; the system serves again. ${stateText(health)}\n`);
    return ExitCode.ok;
  }
  // The twin may take over in the middle of it, by the rules that it always has: then it says what came of it.
  const other = health.role === "passive" ? await servedByTwin(flags, endMs) : null;
  if (other !== null) {
    terminal.out(`${done}; the system serves again, by ${printable(other)}, which has taken over meanwhile.\n`);
    return ExitCode.ok;
  }
  terminal.err(
    `tmr: no quorum after ${timeout / 1_000} s: ${stateText(health)}\n` +
      "tmr: the admission was begun; tmr status and the log of this server say what it waits for\n",
  );
  return ExitCode.notServing;
}

/** The name of the other TMR server as soon as it serves with this upstream; null when it does not in time. */
async function servedByTwin({ config, upstream }: AdmitFlags, endMs: number): Promise<string | null> {
  const { loadServerConfig } = await import("../config/index.js");
  const { queryStatus } = await import("../client/query-status.js");
  const { system, twin } = loadServerConfig(config);
  const other = system.servers[twin === 0 ? 1 : 0];
  do {
    const status = await queryStatus(other.clients, system.clientKey, TWIN_ANSWER_MS).catch(() => null);
    const blank = status?.upstreams.some(
      ({ id, state }) => state === "blank" && (upstream === "all" || id === upstream),
    );
    if (status?.role === "active" && status.quorum && blank === false) return other.name;
    await sleep(TWIN_POLL_MS);
  } while (performance.now() < endMs);
  return null;
}

const RESUME_LOSS = `A TMR server stops when the upstreams lack an answer that a client was given.
Resumed, it goes on without what is missing:

  - seats granted there may be granted twice;
  - units decremented there come back;
  - handles taken there end.

Both twins forget what they knew of it. If an upstream that was not set back can be started, or a newer copy of a store
exists, do that instead: then nothing is lost.
`;

/** What an operator gives up by this admission. */
function admissionLoss(upstream: Admitted): string {
  if (upstream === "all") {
    return `All three stores are blank although the system has run.
Forced, it is founded anew, from nothing:

  - every session and every handle is gone; programs have to take their licenses again;
  - units that were decremented come back;
  - containers are not touched.

Make sure first that all three stores are really gone: a folder that is not mounted, or a wrong "state" path, looks
the same as a lost disk.
`;
  }
  return `Upstream ${upstream} has lost its store, and another upstream is away.
Forced, the system goes on from the log of the one that is left. What clients were told, and only the upstream that is
away and the lost disk knew, is lost:

  - seats granted there may be granted twice;
  - units decremented there come back;
  - handles taken there end.

The upstream that is away rejoins later; what is newer in its log is cut. If it can be brought back with its store,
do that instead: then nothing is lost, and upstream ${upstream} is admitted by itself.
`;
}

function parseAdmitted(text: string): Admitted {
  switch (text) {
    case "1":
    case "2":
    case "3":
      return Number(text) as Admitted;
    case "all":
      return text;
    default:
      throw new InvalidArgumentError("Expected 1, 2, 3 or all.");
  }
}
