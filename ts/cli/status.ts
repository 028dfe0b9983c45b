/** `tmr status`: asks both TMR servers, or a standalone one, about themselves and shows the whole system. */
import type { Command } from "commander";
import { type CliContext, ExitCode } from "./context.js";
import { jsonOption, type SystemFlags, systemOption, timeoutOption } from "./options.js";
import { parseStandaloneStatus, standaloneText } from "./standalone-text.js";
import { isServing, type Report, statusText } from "./status-text.js";
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
      const { loadService } = await import("../config/index.js");
      const { probeServer, queryStatus } = await import("../client/query-status.js");
      const system = loadService(flags.system);
      if (system.kind === "standalone") {
        const reports = await askAll(system.servers, async (address) =>
          parseStandaloneStatus((await probeServer(address, system.clientKey, flags.timeout)).document, address),
        );
        const serving = reports.every(({ status }) => status?.quorum === true);
        context.exitCode = serving ? ExitCode.ok : ExitCode.notServing;
        context.terminal.out(
          flags.json === true
            ? jsonText({ system: system.name, serving, servers: reports })
            : reports.map((report) => standaloneText(context.terminal, report)).join("\n"),
        );
        return;
      }
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
export function askAll<S>(
  servers: readonly { readonly name: string; readonly clients: string }[],
  ask: (address: string) => Promise<S>,
): Promise<Report<S>[]> {
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
