/**
 * Lists of what the virtual container shows now, as canonical JSON. Only what at least two reached upstreams hold with
 * equal terms is in it: a license without a quorum is absent.
 */
import { canonicalJson } from "../wire/canonical.js";
import { MAX_RESULT_BLOB_BYTES } from "../wire/result.js";
import type { State } from "./state.js";
import { referenceOf, shownTerms } from "./terms.js";
import { freeSeats, type Item, isReached, upstreamsOf } from "./virtual-container.js";

/** One part of a list. */
export interface ListPart {
  /** a JSON array */
  readonly text: string;
  /** cursor of the next part, 0 = the list is complete */
  readonly nextCursor: number;
}

/** One object per container: `container`, `kind`, `items`, `sessions`, `handles`. There is one container. */
export function listContainers(state: State, cursor: number, reached: number): ListPart {
  const shown = state.container.items.reduce((count, item) => count + (isReached(item, reached) ? 1 : 0), 0);
  const container = {
    container: state.container.name,
    kind: "virtual",
    items: shown,
    sessions: state.sessions.size,
    handles: state.handles.size,
  };
  return { text: canonicalJson(cursor === 0 ? [container] : []), nextCursor: 0 };
}

/**
 * One object per item from index `cursor` on, as many as fit. The index counts items that are not shown too, so that a
 * list goes on where it was when another upstream is lost between two parts.
 */
export function listItems(state: State, cursor: number, reached: number): ListPart {
  const { items } = state.container;
  const texts: string[] = [];
  let bytes = 2;
  for (let index = cursor; index < items.length; index++) {
    const item = items[index] as Item;
    if (!isReached(item, reached)) continue;
    const text = canonicalJson(describe(item));
    const more = Buffer.byteLength(text) + 1;
    if (bytes + more > MAX_RESULT_BLOB_BYTES) return { text: `[${texts.join(",")}]`, nextCursor: index };
    bytes += more;
    texts.push(text);
  }
  return { text: `[${texts.join(",")}]`, nextCursor: 0 };
}

function describe(item: Item): Record<string, unknown> {
  const { actId: _actId, tmrId: _tmrId, ...terms } = shownTerms(item.terms);
  return {
    ...terms,
    itemRef: referenceOf(item.terms),
    used: item.pool.used,
    free: freeSeats(item),
    holders: upstreamsOf(item.holders),
    ...(item.odd === 0 ? {} : { odd: item.odd }),
  };
}
