/** `tmr admit`: the operator's forced admission of a blank upstream, which may lose what clients were told. */
import { type Command, InvalidArgumentError } from "commander";
import type { Admitted } from "../admin/control-protocol.js";
import { type CliContext, ExitCode } from "./context.js";
import { type ControlFlags, controlClient, stateText, watched } from "./control.js";
import { timeoutOption } from "./options.js";
import type { Terminal } from "./terminal.js";

interface AdmitFlags extends ControlFlags {
  readonly upstream: Admitted;
  readonly acceptLoss?: true;
}

/** Adds the command. */
export function registerAdmit(program: Command, context: CliContext): void {
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
}

async function admit(terminal: Terminal, flags: AdmitFlags): Promise<number> {
  const { config, upstream, timeout } = flags;
  const client = await controlClient(config);
  if (flags.acceptLoss !== true) {
    terminal.err(`Nothing was changed. ${lossText(upstream)}\nIf that is accepted, add --accept-loss.\n`);
    return ExitCode.failed;
  }
  await client.admit(upstream);
  const health = await watched(terminal, client, timeout, ({ answers }) => answers);
  if (health.answers) {
    const what = upstream === "all" ? "The system was founded anew" : `Upstream ${upstream} was admitted`;
    terminal.out(`${what}; the system serves again. ${stateText(health)}\n`);
    return ExitCode.ok;
  }
  terminal.err(
    `tmr: no quorum after ${timeout / 1_000} s: ${stateText(health)}\n` +
      "tmr: the admission was begun; tmr status and the log of this server say what it waits for\n",
  );
  return ExitCode.notServing;
}

/** What an operator gives up by this admission. */
export function lossText(upstream: Admitted): string {
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
