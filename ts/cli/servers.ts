/** `tmr servers`: which servers answer, each with its role, its version and how long an answer takes. */
import type { Command } from "commander";
import type { ProbedServer } from "../client/query-status.js";
import { type CliContext, ExitCode } from "./context.js";
import { jsonOption, type SystemFlags, systemOption, timeoutOption } from "./options.js";
import { type Column, tableText } from "./table.js";
import { jsonText, printable, type Style, styled, type Terminal } from "./terminal.js";

interface ServersFlags extends SystemFlags {
  readonly known?: true;
}

/** A server that may be asked. */
export interface KnownServer {
  readonly name: string;
  readonly kind: "TMR server" | "upstream" | "standalone";
  readonly address: string;
}

/** What it answered, or why it did not. */
export interface AskedServer extends KnownServer {
  readonly role: string | null;
  readonly version: string | null;
  /** of one question and its answer, over a connection that was open */
  readonly latencyMs: number | null;
  readonly fault: string | null;
}

/** Adds the command. */
export function registerServers(program: Command, context: CliContext): void {
  const { terminal } = context;
  program
    .command("servers")
    .description("ask the TMR servers, with -k every server of the system, whether they answer; 1 when one does not")
    .option("-k, --known", "all that system.toml names: the upstreams too")
    .addOption(systemOption())
    .addOption(timeoutOption(2))
    .addOption(jsonOption())
    .action(async (flags: ServersFlags) => {
      const { loadService, loadSystem } = await import("../config/index.js");
      const { probeServer } = await import("../client/query-status.js");
      const service = loadService(flags.system);
      const kind = service.kind === "tmr" ? "TMR server" : "standalone";
      const upstreams = flags.known === true && service.kind === "tmr" ? loadSystem(flags.system).upstreams : [];
      const known = [
        ...service.servers.map(({ name, clients }) => {
          return { name, kind, address: clients, key: service.clientKey } as const;
        }),
        ...upstreams.map(({ name, address, key }) => {
          return { name, kind: "upstream", address, key } as const;
        }),
      ];
      const asked = await askServers(known, ({ address, key }) => probeServer(address, key, flags.timeout));
      context.exitCode = asked.every(({ fault }) => fault === null) ? ExitCode.ok : ExitCode.notServing;
      terminal.out(flags.json === true ? jsonText(asked) : serversText(terminal, asked));
    });
}

/** Asks all at once, in order; one that does not answer says why. */
export function askServers<S extends KnownServer>(
  servers: readonly S[],
  probe: (server: S) => Promise<ProbedServer>,
): Promise<AskedServer[]> {
  return Promise.all(
    servers.map(async (server) => {
      const { name, kind, address } = server;
      try {
        const { document, roundTripMs } = await probe(server);
        const latencyMs = Math.round(roundTripMs * 1_000) / 1_000;
        const version = wordOf(document["version"]);
        return { name, kind, address, role: roleOf(kind, document), version, latencyMs, fault: null };
      } catch (error) {
        const fault = error instanceof Error ? error.message : String(error);
        return { name, kind, address, role: null, version: null, latencyMs: null, fault };
      }
    }),
  );
}

/** A TMR server says its role; an upstream says whether its store takes part. */
function roleOf(kind: KnownServer["kind"], document: ProbedServer["document"]): string {
  if (kind !== "upstream") return wordOf(document["role"]);
  return document["blank"] === true ? "blank" : "member";
}

function wordOf(value: unknown): string {
  return typeof value === "string" ? value : "?";
}

const columns: readonly Column[] = [
  { title: "SERVER" },
  { title: "KIND" },
  { title: "ADDRESS" },
  { title: "ROLE" },
  { title: "VERSION" },
  { title: "LATENCY", align: "right" },
  { title: "FAULT" },
];

const roleStyles: Readonly<Record<string, Style>> = { active: "green", member: "green", passive: "dim" };

/** One line per server. */
export function serversText(terminal: Pick<Terminal, "colour">, servers: readonly AskedServer[]): string {
  return tableText(
    terminal,
    columns,
    servers.map(({ name, kind, address, role, version, latencyMs, fault }) => [
      printable(name),
      kind,
      printable(address),
      role === null ? styled(terminal, "red", "down") : styled(terminal, roleStyles[role] ?? "yellow", printable(role)),
      printable(version ?? "-"),
      latencyMs === null ? "-" : `${latencyMs.toFixed(1)} ms`,
      printable(fault ?? ""),
    ]),
  );
}
