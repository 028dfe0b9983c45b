/** Reading a TOML file. Knows no schema: commands that must start fast read with it and load no schema library. */
import { readFileSync } from "node:fs";
import { parse, TomlError } from "smol-toml";
import { TmrError } from "../errors.js";
import type { Faults } from "./faults.js";

/** Reads a text file; throws ERR_TMR_FILE. */
export function readText(file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TmrError("ERR_TMR_FILE", `cannot read ${file}: ${reason}`, { cause: error });
  }
}

/** Reads and parses a TOML file. A syntax fault is collected and gives undefined; an unreadable file throws ERR_TMR_FILE. */
export function readToml(file: string, faults: Faults): unknown {
  return parseToml(readText(file), file, faults);
}

/** Parses the text of a TOML file. A syntax fault is collected and gives undefined. */
export function parseToml(text: string, file: string, faults: Faults): unknown {
  try {
    return parse(text, { unsafeKeyBehaviour: "throw" });
  } catch (error) {
    // The library's message quotes the line, which may hold anything: only its first line is safe to repeat.
    const place = error instanceof TomlError ? `line ${error.line}, column ${error.column}` : "";
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    faults.add(file, place, "TOML", reason.replace(/^Invalid TOML document: /, "a syntax error: "));
    return undefined;
  }
}
