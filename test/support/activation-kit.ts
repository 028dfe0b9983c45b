/** A firm that answers contexts with updates, as Central does, without being one. */
import { randomBytes } from "node:crypto";
import { makeUpdate, ticketHash, verifyContext } from "../../ts/activation/index.js";
import { loadFirm } from "../../ts/central/firm.js";
import type { Issued } from "../../ts/central/issue.js";
import type { Terms } from "../../ts/container/terms.js";

export const TICKET = "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE";

/** The terms of a group as they were issued. */
export function issuedTerms(issued: Issued): Terms[] {
  return issued.licenses.map(({ terms }) => terms);
}

/** Updates for contexts of a group that was issued as files: the same for each, to the container that it has. */
export function answered(
  contexts: readonly string[],
  central: string,
  items: readonly Terms[],
  ticket: string = TICKET,
): Promise<string[]> {
  const firm = loadFirm(central);
  return Promise.all(
    contexts.map(async (jws) => {
      const context = await verifyContext(jws);
      const [container] = context.containers;
      if (container === undefined) throw new Error(`${context.name} has no container`);
      const counter = container.firmItems.find(({ firmCode }) => firmCode === firm.firmCode)?.updateCounter ?? 0;
      return makeUpdate(context, {
        firm,
        updateId: randomBytes(16).toString("base64url"),
        ticket: ticketHash(ticket),
        container: container.container,
        actId: container.actId,
        updateCounter: counter + 1,
        items,
      });
    }),
  );
}
