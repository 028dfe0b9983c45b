/** What keepalived says of the address, read from the FIFO that it writes to: no program is started for that. */
import { execFileSync } from "node:child_process";
import { constants, lstatSync, mkdirSync, openSync } from "node:fs";
import { Socket } from "node:net";
import { dirname } from "node:path";
import { TmrError } from "../errors.js";
import type { AddressState } from "./address.js";

const MAX_LINE = 4096;
const states: Readonly<Record<string, AddressState>> = {
  MASTER: "master",
  BACKUP: "backup",
  FAULT: "fault",
  // An instance that ended, or was taken out of the configuration, holds nothing.
  STOP: "fault",
  DELETED: "fault",
};

/** The state in one line, `INSTANCE "tmr" MASTER 250`; null for what is said of anything else. */
export function addressStateOf(line: string): AddressState | null {
  const match = /^INSTANCE "tmr" ([A-Z]+) [0-9]+$/.exec(line.trim());
  return states[match?.[1] ?? ""] ?? null;
}

/**
 * Opens the FIFO, which is made when it is not there: before keepalived makes one that only root may read. What was
 * written while no server ran is heard first, the newest last. Throws ERR_TMR_FILE.
 */
export function openNotifyFifo(path: string, heard: (state: AddressState) => void): { close(): void } {
  const descriptor = openFifo(path);
  const socket = new Socket({ fd: descriptor, readable: true, writable: false });
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = (lines.pop() ?? "").slice(0, MAX_LINE);
    for (const line of lines) {
      const state = addressStateOf(line);
      if (state !== null) heard(state);
    }
  });
  // Nothing can be read any more: the server goes on by its heartbeats, as without a virtual address.
  socket.on("error", () => socket.destroy());
  return { close: () => void socket.destroy() };
}

function openFifo(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) execFileSync("mkfifo", ["-m", "600", path], { stdio: ["ignore", "ignore", "pipe"] });
    else if (!found.isFIFO()) throw new Error("it is there and is no FIFO; move it away");
    // For writing too: so it does not end when keepalived does.
    return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `${path}: cannot be opened: ${(cause as Error).message}`, { cause });
  }
}
