/** The state of a standalone license server as tables for a person. */
import { TmrError } from "../errors.js";
import type { StandaloneStatus } from "../wire/server-status.js";
import type { Report } from "./status-text.js";
import { tableText, timeText } from "./table.js";
import { printable, styled, type Terminal } from "./terminal.js";

/** The status document of a standalone server; ERR_TMR_PROTOCOL when it is another one's. */
export function parseStandaloneStatus(document: Readonly<Record<string, unknown>>, address: string): StandaloneStatus {
  const { mode, name, role, containers } = document;
  if (mode === "standalone" && typeof name === "string" && typeof role === "string" && Array.isArray(containers)) {
    return document as unknown as StandaloneStatus;
  }
  throw new TmrError("ERR_TMR_PROTOCOL", `${address}: expected a standalone license server, another kind answered`);
}

/** One sentence and two tables. */
export function standaloneText(
  terminal: Pick<Terminal, "colour">,
  { name, address, status, fault }: Report<StandaloneStatus>,
): string {
  const who = `${printable(name)} at ${address}`;
  if (status === null) return `${styled(terminal, "red", `${who} does not answer`)}: ${printable(fault ?? "")}\n`;
  const broken = status.containers.filter((container) => container.fault !== undefined).length;
  const serves = status.quorum ? `${who} serves` : `${who} does not serve`;
  const aside = broken === 0 ? "" : `; ${broken} of ${status.containers.length} containers are broken`;
  const style = status.quorum ? (broken === 0 && status.durable ? "green" : "yellow") : "red";
  return [
    `${styled(terminal, style, `${serves}${aside}`)}\n`,
    tableText(
      terminal,
      [
        { title: "LICENSE SERVER" },
        { title: "ROLE" },
        { title: "EPOCH", align: "right" },
        { title: "POSITION", align: "right" },
        { title: "CALENDAR" },
        { title: "CLIENTS", align: "right" },
        { title: "DURABLE" },
      ],
      [
        [
          printable(status.name),
          printable(status.role),
          String(status.epoch),
          String(status.position),
          timeText(status.calendarMs),
          String(status.clients),
          status.durable ? "yes" : styled(terminal, "red", "no"),
        ],
      ],
    ),
    tableText(
      terminal,
      [
        { title: "CONTAINER" },
        { title: "FILE" },
        { title: "LICENSES", align: "right" },
        { title: "OF A TMR SYSTEM", align: "right" },
        { title: "FAULT" },
      ],
      status.containers.map((container) => [
        printable(container.container),
        printable(container.file),
        String(container.items),
        String(container.tmrItems),
        container.fault === undefined ? "-" : styled(terminal, "red", printable(container.fault)),
      ]),
    ),
  ].join("\n");
}
