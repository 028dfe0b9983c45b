/** What an activation remembers between its steps, so that one that was interrupted goes on: a file in the state folder. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { SavedActivation } from "../activation/run.js";
import { table } from "../config/fields.js";
import { makeFolder, writeFileDurably } from "../config/write-file.js";
import { TmrError } from "../errors.js";

const schema = table({
  format: z.literal("tmr-activation/1"),
  ticket: z.string(),
  step: z.enum(["downloaded", "applied"]),
  updates: z.array(z.string()).min(1).max(3),
  more: z.boolean(),
});

/** The memory of the activation of one ticket; only the ticket's hash is in it. */
export class SavedActivations {
  readonly file: string;
  readonly #ticket: string;

  /** `ticket`: base64url SHA-256 of the ticket. */
  constructor(stateFolder: string, ticket: string) {
    makeFolder(stateFolder, 0o700);
    this.#ticket = ticket;
    this.file = join(stateFolder, `activation-${ticket.slice(0, 16)}.json`);
  }

  /** Where an earlier run stopped; null: there was none, or it came to its end. Throws ERR_TMR_FILE. */
  load(): SavedActivation | null {
    if (!existsSync(this.file)) return null;
    try {
      const { ticket, step, updates, more } = schema.parse(JSON.parse(readFileSync(this.file, "utf8")));
      if (ticket !== this.#ticket) throw new Error("it is of another ticket");
      return { step, updates, more };
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const advice = "remove it: Central gives the same update again";
      throw new TmrError("ERR_TMR_FILE", `${this.file} cannot be read (${reason}); ${advice}`, { cause });
    }
  }

  save({ step, updates, more }: SavedActivation): void {
    const content = { format: "tmr-activation/1", ticket: this.#ticket, step, updates, more };
    writeFileDurably(this.file, `${JSON.stringify(content)}\n`, { mode: 0o600, replace: true });
  }

  /** It came to its end. */
  forget(): void {
    rmSync(this.file, { force: true });
  }
}
