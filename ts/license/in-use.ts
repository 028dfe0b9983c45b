/** The license of a handle, when something is to be done with it: it must be there and valid now. */
import { Status } from "../wire/kinds.js";
import type { Call } from "./call.js";
import { judgeTime, timeText, validUntilMs } from "./options.js";
import type { Item } from "./pool.js";
import { referenceOf } from "./terms.js";
import { isReached } from "./virtual-container.js";

/** How sentences name a license. */
export function licenseText(call: Call, item: Item): string {
  const { firmCode, productCode } = item.terms;
  return `License ${firmCode}:${productCode} item ${referenceOf(item.terms)} in container ${call.state.container.name}`;
}

/** The item or module that a handle is of; null after refusing. */
export function itemInUse(call: Call, slot: number): Item | null {
  const { state, out } = call;
  const item = state.itemOf(slot);
  const pool = state.container.pool(state.handles.pool(slot));
  out.license(pool, item, state.container);
  if (item === null || !isReached(item, call.reached)) {
    const { firmCode, productCode, tmrId } = pool.key;
    const license = `License ${firmCode}:${state.handles.modules.productCode(slot) ?? productCode} item ${tmrId}`;
    out.refuse(
      Status["not-found"],
      `${license} in container ${state.container.name}: too few of the upstreams that are reached hold it now.`,
    );
    return null;
  }
  const judged = judgeTime(item, state.calendarMs);
  if (judged === Status.ok) return item;
  const when =
    judged === Status["not-yet-valid"]
      ? `is valid from ${timeText(item.terms.activationMs)} on`
      : `was valid until ${timeText(validUntilMs(item))}`;
  out.refuse(judged, `${licenseText(call, item)} ${when}.`);
  return null;
}
