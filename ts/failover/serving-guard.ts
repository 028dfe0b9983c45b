/**
 * A process of its own that writes the file which keepalived tracks. The server cannot do that itself: one that was
 * killed, or that hangs, says nothing any more. Here its end is the end of standard input, noticed at once, and its
 * silence is noticed by time. Started as `node serving-guard.js FILE SILENT_MS`; each byte of input is what the server says.
 */
import { renameSync, writeFileSync } from "node:fs";
import { MAY_HOLD } from "./serving-file.js";

const [file = "", silentMs = "0"] = process.argv.slice(2);
let written: string | null = null;
let timer: NodeJS.Timeout | null = null;

/** Whole or not at all: keepalived takes an empty file for a good one. */
function write(text: "0\n" | "1\n"): void {
  if (written === text) return;
  writeFileSync(`${file}.new`, text, { mode: 0o644 });
  renameSync(`${file}.new`, file);
  written = text;
}

function hear(bytes: Buffer): void {
  if (timer !== null) clearTimeout(timer);
  write(bytes.at(-1) === MAY_HOLD ? "0\n" : "1\n");
  timer = setTimeout(() => write("1\n"), Number(silentMs));
}

// Signals to the group, of a terminal or of systemd, are for the server: it says goodbye, and its end ends this process.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
write("1\n");
process.stdin.on("data", hear);
process.stdin.on("end", () => {
  if (timer !== null) clearTimeout(timer);
  write("1\n");
});
