/** The state of a system as tables for a person. */
import type { ServerStatus, UpstreamStatus } from "../wire/server-status.js";
import { type Column, tableText } from "./table.js";
import { printable, type Style, styled, type Terminal } from "./terminal.js";

type Colours = Pick<Terminal, "colour">;

/** What one server said, or why it said nothing. */
export interface Report<S> {
  readonly name: string;
  readonly address: string;
  readonly status: S | null;
  readonly fault: string | null;
}

/** What one TMR server said, or why it said nothing. */
export type ServerReport = Report<ServerStatus>;

const QUORUM = 2;
const DIGEST_CHARACTERS = 12;

/** The server whose view of the upstreams counts: the active one, else the one that is furthest. */
function leading(reports: readonly ServerReport[]): ServerStatus | null {
  const answered = reports.flatMap(({ status }) => (status === null ? [] : [status]));
  const rank = (status: ServerStatus): number =>
    (status.role === "active" ? 2 : status.role === "taking-over" ? 1 : 0) * 2 ** 53 + status.epoch;
  return answered.toSorted((a, b) => rank(b) - rank(a))[0] ?? null;
}

function streaming(status: ServerStatus): UpstreamStatus[] {
  return status.upstreams.filter(({ state, agrees }) => state === "streaming" && agrees);
}

/** True when one TMR server is active and two upstreams stream and agree. */
export function isServing(reports: readonly ServerReport[]): boolean {
  const status = leading(reports);
  return status !== null && status.role === "active" && streaming(status).length >= QUORUM;
}

/** Three tables and one sentence. */
export function statusText(terminal: Colours, system: string, reports: readonly ServerReport[]): string {
  const status = leading(reports);
  const parts = [`${sentence(terminal, system, reports, status)}\n`, serversTable(terminal, reports)];
  if (status !== null) {
    parts.push(upstreamsTable(terminal, status));
    if (status.licenses.length > 0) parts.push(licensesTable(terminal, status));
  }
  return parts.join("\n");
}

function sentence(
  terminal: Colours,
  system: string,
  reports: readonly ServerReport[],
  status: ServerStatus | null,
): string {
  const name = printable(system);
  if (status === null) return styled(terminal, "red", `${name}: no TMR server answers`);
  const agreeing = `${streaming(status).length} of ${status.upstreams.length} upstreams agree`;
  if (!isServing(reports)) {
    const why = status.role === "active" ? agreeing : "no TMR server is active";
    return styled(terminal, "red", `${name} does not serve: ${why}`);
  }
  const whole = streaming(status).length === status.upstreams.length && reports.every((one) => one.status !== null);
  return styled(terminal, whole ? "green" : "yellow", `${name} is served by ${printable(status.name)}: ${agreeing}`);
}

const serverColumns: readonly Column[] = [
  { title: "TMR SERVER" },
  { title: "ADDRESS" },
  { title: "ROLE" },
  { title: "EPOCH", align: "right" },
  { title: "POSITION", align: "right" },
  { title: "CARRIED", align: "right" },
  { title: "DIGEST" },
  { title: "CLIENTS", align: "right" },
  { title: "TWIN" },
];

function serversTable(terminal: Colours, reports: readonly ServerReport[]): string {
  const rows = reports.map(({ name, address, status, fault }) => {
    if (status === null) {
      return [name, address, styled(terminal, "red", "down"), "-", "-", "-", "-", "-", printable(fault ?? "")];
    }
    const { peer } = status;
    return [
      printable(status.name),
      address,
      styled(terminal, roleStyle(status.role), printable(status.role)),
      String(status.epoch),
      String(status.position),
      String(status.carried),
      printable(status.digest.slice(0, DIGEST_CHARACTERS)),
      String(status.clients),
      peer.connected ? `${printable(peer.name)} ${printable(peer.role)}` : `${printable(peer.name)} not connected`,
    ];
  });
  return tableText(terminal, serverColumns, rows);
}

function roleStyle(role: string): Style {
  return role === "active" ? "green" : role === "passive" ? "dim" : "yellow";
}

const upstreamColumns: readonly Column[] = [
  { title: "UPSTREAM" },
  { title: "ADDRESS" },
  { title: "STATE" },
  { title: "EPOCH", align: "right" },
  { title: "POSITION", align: "right" },
  { title: "AGREES" },
];

function upstreamsTable(terminal: Colours, status: ServerStatus): string {
  const rows = status.upstreams.map((upstream) => [
    `${upstream.id} ${printable(upstream.name)}`,
    printable(upstream.address),
    styled(terminal, stateStyle(upstream.state), printable(upstream.state)),
    String(upstream.epoch),
    String(upstream.position),
    upstream.agrees ? "yes" : styled(terminal, "yellow", "no"),
  ]);
  return tableText(terminal, upstreamColumns, rows);
}

function stateStyle(state: string): Style {
  if (state === "streaming") return "green";
  return state === "down" || state === "quarantined" ? "red" : "yellow";
}

const licenseColumns: readonly Column[] = [
  { title: "LICENSE NOT HELD ALIKE" },
  { title: "TMR-ID", align: "right" },
  { title: "VERDICT" },
  { title: "HELD BY" },
  { title: "ODD" },
];

function licensesTable(terminal: Colours, status: ServerStatus): string {
  const rows = status.licenses.map(({ firmCode, productCode, tmrId, verdict, holders, odd }) => [
    `${firmCode}:${productCode}`,
    String(tmrId),
    printable(verdict),
    holders.join(" "),
    odd === 0 ? "-" : `upstream ${odd}`,
  ]);
  return tableText(terminal, licenseColumns, rows);
}
