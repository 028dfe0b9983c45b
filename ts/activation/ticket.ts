/** A ticket as a person types it: five groups of five characters. Central alone knows what it is worth. */
import { createHash } from "node:crypto";
import { refused } from "./signed.js";

/** A ticket in its one spelling, `XXXXX-XXXXX-XXXXX-XXXXX-XXXXX`. Throws ERR_TMR_ACTIVATION. */
export function ticketText(typed: string): string {
  const characters = typed.toUpperCase().replaceAll(/[\s-]/g, "");
  if (!/^[0-9A-Z]{25}$/.test(characters)) {
    throw refused(`expected a ticket of 5 groups of 5 letters and digits, received ${characters.length} characters`);
  }
  return (characters.match(/.{5}/g) ?? []).join("-");
}

/** base64url SHA-256 of a ticket in its one spelling: what updates and state files name, never the ticket itself. */
export function ticketHash(typed: string): string {
  return createHash("sha256").update(ticketText(typed)).digest("base64url");
}
