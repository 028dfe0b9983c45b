/** Consuming units of a license that is held: all that were asked for, or none. */
import { Status } from "../wire/kinds.js";
import { describeHandle } from "./access.js";
import type { Call } from "./call.js";
import { licenseText } from "./in-use.js";
import { unitsLeft } from "./options.js";
import type { Item } from "./pool.js";
import { RequestWord } from "./words.js";

/** Executes a consume of an open session; its answer is stored, so that a repeat takes nothing. */
export function consume(call: Call, slot: number, item: Item): void {
  const { state, out } = call;
  const units = call.words[call.at + RequestWord.quantity] as number;
  const left = unitsLeft(item);
  if (units === 0) {
    out.refuse(Status["bad-request"], "A consumption takes at least one unit; this one asked for 0.");
  } else if (item.terms.unitCounter === undefined) {
    out.refuse(Status["bad-request"], `${licenseText(call, item)} has no unit counter.`);
  } else if (units > left) {
    out.refuse(Status["units-used-up"], `${licenseText(call, item)}: ${left} units are left, ${units} asked for.`);
  } else {
    state.consume(item.pool, units);
    describeHandle(state, slot, out);
  }
}
