/** `tmr status`: asks both TMR servers about themselves and shows the whole system. */
import type { Command } from "commander";
import type { ServerStatus } from "../wire/server-status.js";
import { type CliContext, ExitCode } from "./context.js";
import { jsonOption, type SystemFlags, systemOption, timeoutOption } from "./options.js";
import { isServing, type ServerReport, statusText } from "./status-text.js";
import { jsonText } from "./terminal.js";

/** Adds the command. */
export function registerStatus(program: Command, context: CliContext): void {
  program
    .command("status")
    .description("show both TMR servers and the three upstreams; exit code 1 when the system does not serve")
    .addOption(systemOption())
    .addOption(timeoutOption(2))
    .addOption(jsonOption())
    .action(async (flags: SystemFlags) => {
      const { loadSystem } = await import("../config/index.js");
      const { queryStatus } = await import("../client/query-status.js");
      const system = loadSystem(flags.system);
      const reports = await askAll(system.servers, (address) => queryStatus(address, system.clientKey, flags.timeout));
      const serving = isServing(reports);
      context.exitCode = serving ? ExitCode.ok : ExitCode.notServing;
      context.terminal.out(
        flags.json === true
          ? jsonText({ system: system.name, serving, servers: reports })
          : statusText(context.terminal, system.name, reports),
      );
    });
}

/** One report per server, in order; a server that does not answer says why. */
export function askAll(
  servers: readonly { readonly name: string; readonly clients: string }[],
  ask: (address: string) => Promise<ServerStatus>,
): Promise<ServerReport[]> {
  return Promise.all(
    servers.map(async ({ name, clients }) => {
      try {
        return { name, address: clients, status: await ask(clients), fault: null };
      } catch (error) {
        return { name, address: clients, status: null, fault: error instanceof Error ? error.message : String(error) };
      }
    }),
  );
}
