/**
 * `tmr replace-upstream`: a new machine takes the place of an upstream that is lost. First the files of the new machine are
 * made; then, on the active TMR server, it is taken in, step by step, each step passed over that was done before.
 */
import { type Command, InvalidArgumentError } from "commander";
import { TmrError } from "../errors.js";
import { activateTicket, report } from "./activation.js";
import { type CliContext, ExitCode } from "./context.js";
import { controlClient, stateText, watched } from "./control.js";
import { jsonOption, timeoutOption } from "./options.js";
import { jsonText, printable, type Terminal } from "./terminal.js";

interface ReplaceFlags {
  readonly upstream: 1 | 2 | 3;
  readonly system?: string;
  readonly out?: string;
  readonly address?: string;
  readonly config?: string;
  readonly ticket?: string;
  readonly central?: string;
  readonly again?: true;
  /** ms */
  readonly timeout: number;
  readonly json?: true;
}

/** Adds the command. */
export function registerReplaceUpstream(program: Command, context: CliContext): void {
  program
    .command("replace-upstream")
    .description(
      "have a new machine take the place of an upstream that is lost: first --out, then -c on the active server",
    )
    .requiredOption("--upstream <1|2|3>", "the one that is lost", parseUpstream)
    .option("--out <folder>", "make the files of the new machine here, a new folder")
    .option("--system <file>", "system.toml as it is, with --out")
    .option(
      "--address <host:port>",
      "where the TMR servers will reach the new machine, with --out; as before if left out",
    )
    .option("-c, --config <file>", "tmr.toml of the active TMR server, on its machine: take the new machine in")
    .option("--ticket <ticket>", "activate its licenses by this ticket, with -c")
    .option("--central <url>", "where Central is, with --ticket")
    .addOption(timeoutOption(600, "how long to wait until the new machine takes part"))
    .addOption(jsonOption())
    .action(async (flags: ReplaceFlags) => {
      const { terminal } = context;
      if ((flags.out === undefined) === (flags.config === undefined)) {
        throw new TmrError("ERR_TMR_CONFIG", "tmr replace-upstream: expected either --out or -c");
      }
      if (flags.out !== undefined) await makeFiles(terminal, { ...flags, out: flags.out });
      else context.exitCode = await takeIn(terminal, { ...flags, config: flags.config ?? "" });
    });
}

function parseUpstream(text: string): 1 | 2 | 3 {
  const id = Number(text);
  if (id === 1 || id === 2 || id === 3) return id;
  throw new InvalidArgumentError("Expected 1, 2 or 3.");
}

async function makeFiles(terminal: Terminal, flags: ReplaceFlags & { readonly out: string }): Promise<void> {
  const { replaceUpstream } = await import("../central/replace-upstream.js");
  const { out, upstream, system, address } = flags;
  if (system === undefined) throw new TmrError("ERR_TMR_CONFIG", "tmr replace-upstream --out: expected --system");
  const where = address === undefined ? {} : { address };
  const made = replaceUpstream(out, { systemFile: system, upstream, ...where });
  if (flags.json === true) {
    const { systemFile, upstreamFile, containerDir } = made;
    terminal.out(jsonText({ system: systemFile, upstream: upstreamFile, containers: containerDir }));
    return;
  }
  const name = printable(made.system.upstreams[upstream - 1]?.name ?? "");
  terminal.out(
    `${[
      `The files for the new machine of ${name} are made; its keys are new, the old ones will count no more. Next:`,
      "",
      `  1. Put ${printable(made.systemFile)} in the place of system.toml on the other two upstreams, one after the`,
      "     other: restart each, and wait until `tmr status` says that it counts. The clients wait for a moment.",
      "  2. The same on both TMR servers, the passive one first.",
      `  3. Put ${printable(made.upstreamFile)} with its folder, and system.toml, on the new machine:`,
      "     tmr upstream -c upstream.toml",
      `  4. On the active TMR server: tmr replace-upstream --upstream ${upstream} -c tmr.toml --ticket TICKET --central URL`,
      "  5. Give the clients the new system.toml when convenient: nothing of theirs depends on it.",
    ].join("\n")}\n`,
  );
}

async function takeIn(terminal: Terminal, flags: ReplaceFlags & { readonly config: string }): Promise<number> {
  const { config, upstream, timeout, ticket, central } = flags;
  if ((ticket === undefined) !== (central === undefined)) {
    throw new TmrError("ERR_TMR_CONFIG", "tmr replace-upstream: expected --ticket and --central together");
  }
  const say = (text: string): void => {
    if (flags.json === undefined) terminal.err(`${printable(text)}\n`);
  };
  const { loadServerConfig } = await import("../config/index.js");
  const { name, foundedWith, signingKey } = loadServerConfig(config).system.upstreams[upstream - 1] ?? {};
  if (foundedWith === undefined || signingKey === undefined) {
    const advice = "put the system.toml of `tmr replace-upstream --out` here first, and restart the server";
    throw new TmrError(
      "ERR_TMR_STATE",
      `the system.toml of ${config} names no new machine for upstream ${upstream}: ${advice}`,
    );
  }
  const client = await controlClient(config);
  const { status, blob } = await client.replace(upstream, signingKey.toString("base64url"));
  if (status !== "ok") throw new TmrError("ERR_TMR_STATE", Buffer.from(blob, "base64url").toString("utf8"));
  say(`${name}: its new signing key counts, both others vouched for it`);
  const counts = (state: string | undefined): boolean => state === "streaming";
  say(`${name}: waiting until the new machine takes part`);
  const health = await watched(terminal, client, timeout, ({ upstreams }) => counts(upstreams[upstream - 1]));
  if (!counts(health.upstreams[upstream - 1])) {
    terminal.err(`tmr: ${name} does not take part after ${timeout / 1_000} s: ${stateText(health)}\n`);
    return ExitCode.notServing;
  }
  say(`${name}: the new machine takes part`);
  if (ticket === undefined || central === undefined) {
    if (flags.json === true) terminal.out(jsonText({ updates: [] }));
    else
      terminal.out(
        "It has no licenses yet: tmr activate TICKET --central URL -c tmr.toml, or tmr context and tmr import.\n",
      );
    return ExitCode.ok;
  }
  const given = flags.json === undefined ? {} : { json: flags.json };
  // What an earlier activation fetched was for the old machine.
  report(terminal, given, await activateTicket(ticket, { config, central, again: true, ...given }, terminal));
  return ExitCode.ok;
}
