/** `tmr health`, `tmr switch-over` and `tmr take-over`: what an operator asks a TMR server on its own machine. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { ControlClient } from "../admin/control-client.js";
import type { Health } from "../admin/control-protocol.js";
import { TmrError } from "../errors.js";
import { type CliContext, ExitCode } from "./context.js";
import { jsonOption, timeoutOption } from "./options.js";
import { printable, type Terminal } from "./terminal.js";

/** Flags of every command over the control socket. */
export interface ControlFlags {
  readonly config: string;
  /** ms */
  readonly timeout: number;
}

interface HealthFlags extends ControlFlags {
  readonly json?: true;
}

/** How long one answer over the control socket may take where the command as a whole waits longer. */
const ANSWER_MS = 5_000;
const POLL_MS = 100;

/** Adds the three commands. */
export function registerControl(program: Command, context: CliContext): void {
  const { terminal } = context;
  program
    .command("health")
    .description("say whether the server on this machine serves: 0 it does, 1 it does not, 2 it cannot be asked")
    .requiredOption("-c, --config <file>", "tmr.toml")
    .addOption(timeoutOption(2))
    .addOption(jsonOption())
    .action(async (flags: HealthFlags) => {
      const health = await (await controlClient(flags.config, flags.timeout)).health();
      terminal.out(flags.json === true ? `${JSON.stringify(health)}\n` : healthLine(health));
      context.exitCode = health.answers ? ExitCode.ok : ExitCode.notServing;
    });
  program
    .command("switch-over")
    .description(
      "hand over from the TMR server on this machine, the active one, to its twin; 1 when that is not possible",
    )
    .requiredOption("-c, --config <file>", "tmr.toml")
    .action(async ({ config }: Pick<ControlFlags, "config">) => {
      context.exitCode = await switchOver(terminal, config);
    });
  program
    .command("take-over")
    .description("make the TMR server on this machine the active one; 1 when it is not within the time")
    .requiredOption("-c, --config <file>", "tmr.toml")
    .addOption(timeoutOption(10, "how long to wait until it is active"))
    .action(async (flags: ControlFlags) => {
      context.exitCode = await takeOver(terminal, flags);
    });
}

async function switchOver(terminal: Terminal, config: string): Promise<number> {
  const client = await controlClient(config);
  const startMs = performance.now();
  try {
    await client.switchOver();
  } catch (error) {
    if (!(error instanceof TmrError) || error.code !== "ERR_TMR_STATE") throw error;
    terminal.err(`tmr: not switched over: ${printable(error.message)}\n`);
    return ExitCode.notServing;
  }
  terminal.out(
    `The other TMR server is active (${Math.round(performance.now() - startMs)} ms); this one is passive.\n`,
  );
  return ExitCode.ok;
}

/** The TMR server whose tmr.toml this is. */
export async function controlClient(config: string, timeoutMs = ANSWER_MS): Promise<ControlClient> {
  const { serverStateFolder } = await import("../config/state-folder.js");
  const { ControlClient } = await import("../admin/control-client.js");
  return new ControlClient(serverStateFolder(config), timeoutMs);
}

async function takeOver(terminal: Terminal, { config, timeout }: ControlFlags): Promise<number> {
  const client = await controlClient(config);
  if ((await client.health()).role === "active") {
    terminal.out("This server is active already.\n");
    return ExitCode.ok;
  }
  await client.takeOver();
  const health = await watched(terminal, client, timeout, ({ role }) => role === "active");
  if (health.role === "active") {
    terminal.out(`This server is active${health.quorum ? "" : ", but has no quorum: see tmr status"}.\n`);
    return ExitCode.ok;
  }
  terminal.err(`tmr: this server is not active after ${timeout / 1_000} s: ${stateText(health)}\n`);
  return ExitCode.notServing;
}

/** Asks again and again until `done` or until the time is over, and shows a person what is going on; the last answer. */
export async function watched(
  terminal: Terminal,
  client: ControlClient,
  timeoutMs: number,
  done: (health: Health) => boolean,
): Promise<Health> {
  const startMs = performance.now();
  try {
    for (;;) {
      const health = await client.health();
      const sinceMs = performance.now() - startMs;
      if (done(health) || sinceMs >= timeoutMs) return health;
      // Back to the start of the line, and what was longer before is erased.
      if (terminal.watched) terminal.err(`\r${stateText(health)} (${Math.floor(sinceMs / 1_000)} s)\x1b[K`);
      await sleep(POLL_MS);
    }
  } finally {
    if (terminal.watched) terminal.err("\r\x1b[K");
  }
}

/** One line for a person. */
export function healthLine(health: Health): string {
  return `${health.answers ? "serves" : "does not serve"}: ${stateText(health)}\n`;
}

/** Role, phase, quorum and upstreams in one line. */
export function stateText({ role, phase, quorum, upstreams }: Health): string {
  // A standalone license server has none.
  if (upstreams.length === 0) return printable(`${role}, alone`);
  const states = upstreams.map((state, i) => `${i + 1} ${state}`).join(", ");
  return printable(`${role}, leader ${phase}, ${quorum ? "quorum" : "no quorum"}; upstreams: ${states}`);
}
