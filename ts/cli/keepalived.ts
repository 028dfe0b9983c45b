/** `tmr keepalived`: keepalived.conf of this TMR server, from its tmr.toml. */
import type { Command } from "commander";
import { TmrError } from "../errors.js";
import type { CliContext } from "./context.js";

/** Adds the command. */
export function registerKeepalived(program: Command, { terminal }: CliContext): void {
  program
    .command("keepalived")
    .description("print the keepalived.conf that moves the virtual address with this TMR server")
    .requiredOption("-c, --config <file>", "tmr.toml")
    .action(async ({ config: file }: { readonly config: string }) => {
      const { loadServerConfig } = await import("../config/index.js");
      const { keepalivedConf } = await import("../failover/keepalived.js");
      const { name, twin, virtualIp } = loadServerConfig(file);
      if (virtualIp === null) {
        throw new TmrError("ERR_TMR_CONFIG", `${file}: virtualIp: expected a table, received nothing`);
      }
      terminal.out(keepalivedConf({ name, twin, virtualIp }));
    });
}
