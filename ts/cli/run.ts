/** The `tmr` program: its commands, and from any outcome to an exit code. */
import { fileURLToPath } from "node:url";
import { Command, CommanderError } from "commander";
import { TmrError } from "../errors.js";
import { packageVersion } from "../version.js";
import { registerAcceptLoss } from "./accept-loss.js";
import { registerAcl, withAclHabits } from "./acl.js";
import { registerActivation } from "./activation.js";
import { registerBorrow } from "./borrow.js";
import { registerCheckout } from "./checkout.js";
import { registerContent } from "./content.js";
import { type CliContext, ExitCode } from "./context.js";
import { registerControl } from "./control.js";
import { registerDoctor } from "./doctor/index.js";
import { registerInit } from "./init.js";
import { registerKeepalived } from "./keepalived.js";
import { registerLmstat } from "./lmstat.js";
import { registerNamedUser } from "./named-user.js";
import { registerNetwork } from "./network.js";
import { registerReplaceUpstream } from "./replace-upstream.js";
import { registerServe } from "./serve.js";
import { registerServers } from "./servers.js";
import { registerStatus } from "./status.js";
import { registerStore } from "./store.js";
import type { Terminal } from "./terminal.js";

/** Runs one command line (without node and script) and resolves to the exit code. Never rejects for a TmrError. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const context: CliContext = { terminal, exitCode: ExitCode.ok };
  try {
    const program = buildProgram(context);
    const words = withAclHabits(args);
    if (!alone.has(words[0] ?? "")) await registerOthers(program, context);
    await program.parseAsync(words, { from: "user" });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.failed;
    if (!(error instanceof TmrError)) throw error;
    terminal.err(`tmr: ${error.message} (${error.code})\n`);
    return ExitCode.failed;
  }
}

/** Commands that start faster without the libraries of the others. */
const alone: ReadonlySet<string> = new Set([
  ...["list", "content", "checkout", "borrow", "status", "server", "upstream", "network", "servers", "lmstat"],
  ...[
    "health",
    "take-over",
    "switch-over",
    "keepalived",
    "admit",
    "resume",
    "acl",
    "named-user",
    "store",
    "init",
    "doctor",
  ],
  ...["context", "import", "activate", "replace-upstream"],
]);

async function registerOthers(program: Command, context: CliContext): Promise<void> {
  const { registerCentral } = await import("./central.js");
  const { registerDemo } = await import("./demo/index.js");
  const { registerTracking } = await import("./tracking.js");
  const { registerCentralTour } = await import("./tour/central.js");
  const { registerTour } = await import("./tour/index.js");
  const programFile = fileURLToPath(new URL("./main.js", import.meta.url));
  registerCentral(program);
  registerDemo(program, programFile);
  registerTracking(program, context);
  registerTour(program, context, programFile);
  registerCentralTour(program, context, programFile);
}

function buildProgram(context: CliContext): Command {
  const { terminal } = context;
  const program = new Command("tmr")
    .description("The 2-out-of-3 license server: its servers, its clients and the issuing of licenses")
    .version(packageVersion())
    .enablePositionalOptions()
    .showHelpAfterError("(tmr COMMAND --help says more)")
    .configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
    .exitOverride();
  registerContent(program, context);
  registerCheckout(program, context);
  registerNamedUser(program, context);
  registerBorrow(program, context);
  registerNetwork(program, context);
  registerServers(program, context);
  registerLmstat(program, context);
  registerStatus(program, context);
  registerServe(program);
  registerControl(program, context);
  registerKeepalived(program, context);
  registerAcceptLoss(program, context);
  registerAcl(program, context);
  registerStore(program, context);
  registerInit(program, context);
  registerDoctor(program, context);
  registerActivation(program, context);
  registerReplaceUpstream(program, context);
  return program;
}
