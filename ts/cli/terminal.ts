/** Where a command writes: standard output and error of the process, or a test's strings. */
import { styleText } from "node:util";

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** whether `out` shows colours */
  readonly colour: boolean;
  /** whether a person watches `err`: a line there may be written over */
  readonly watched: boolean;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow";

/** The process's own streams; colours only on a terminal and without NO_COLOR. */
export function processTerminal(): Terminal {
  // Whoever reads our output may stop early, as `head` does: that is no failure of ours.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    throw error;
  });
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    colour: process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "",
    watched: process.stderr.isTTY,
  };
}

/** The text in this style where the terminal shows colours. */
export function styled(terminal: Pick<Terminal, "colour">, style: Style, text: string): string {
  return terminal.colour ? styleText(style, text, { validateStream: false }) : text;
}

/** Text from elsewhere made safe for a terminal: control characters could move its cursor or rename its window. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, "?");
}

/** A document for programs. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
