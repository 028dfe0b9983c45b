/**
 * Lists of what the virtual container shows now, as canonical JSON. Only what at least two reached upstreams hold with
 * equal terms is in it: a license without a quorum is absent.
 */
import { canonicalJson } from "../wire/canonical.js";
import { MAX_RESULT_BLOB_BYTES } from "../wire/result.js";
import { type ContainerNumber, containerName } from "./genesis.js";
import { HandleState } from "./handle-row.js";
import { rememberedOf } from "./options.js";
import { freeSeats, type Item, reservedSeats } from "./pool.js";
import type { State } from "./state.js";
import { referenceOf, shownTerms } from "./terms.js";
import { isReached, upstreamsOf } from "./virtual-container.js";
import { RequestWord } from "./words.js";

/** One part of a list. */
export interface ListPart {
  /** a JSON array */
  readonly text: string;
  /** cursor of the next part, 0 = the list is complete */
  readonly nextCursor: number;
}

/** One object per container: `container`, `kind`, `items`, `sessions`, `handles`; sessions are those of the server. */
export function listContainers(state: State, cursor: number, reached: number): ListPart {
  const { containers } = state.container;
  const shown = containers.map(containerName);
  const items = new Map<string, number>();
  for (const item of state.container.items) {
    const name = containerName(state.container.numberOf(item.pool));
    if (isReached(item, reached)) items.set(name, (items.get(name) ?? 0) + 1);
  }
  const handles =
    shown.length > 1
      ? state.container.handlesByContainer()
      : new Map([[shown[0], state.handles.size - state.handles.lost.size]]);
  return fill(cursor, containers.length, (index) => ({
    container: shown[index],
    kind: kindOf(containers[index] as ContainerNumber),
    items: items.get(shown[index] as string) ?? 0,
    sessions: state.sessions.size,
    handles: handles.get(shown[index]) ?? 0,
  }));
}

function kindOf({ mask }: ContainerNumber): string {
  if (mask === 131) return "virtual";
  if (mask === 140) return "cloud";
  return mask <= 3 ? "dongle" : "activation";
}

/**
 * One object per item from index `cursor` on, as many as fit. The index counts items that are not shown too, so that a
 * list goes on where it was when another upstream is lost between two parts.
 */
export function listItems(state: State, cursor: number, reached: number): ListPart {
  const { items } = state.container;
  return fill(cursor, items.length, (index) => {
    const item = items[index] as Item;
    return isReached(item, reached) ? describe(item, state) : null;
  });
}

/**
 * Who holds what: one object per handle that takes or waits for seats, from slot `cursor` on. The request at word `at`
 * may name a firm code and a product code, 0 = any.
 */
export function listHandles(state: State, cursor: number, words: Uint32Array, at: number): ListPart {
  const firmCode = words[at + RequestWord.firmCode] as number;
  const productCode = words[at + RequestWord.productCode] as number;
  const { handles, container } = state;
  return fill(cursor, handles.slots, (slot) => {
    const shown = stateNames[handles.state(slot)];
    if (shown === undefined) return null;
    const { key } = container.pool(handles.pool(slot));
    const ownCode = handles.modules.productCode(slot) ?? key.productCode;
    if ((firmCode !== 0 && key.firmCode !== firmCode) || (productCode !== 0 && ownCode !== productCode)) return null;
    const { host, user, station, program } = state.seats.party(slot);
    return {
      handle: handles.handle(slot),
      firmCode: key.firmCode,
      productCode: ownCode,
      itemRef: key.tmrId,
      seats: handles.seats(slot),
      mode: handles.mode(slot),
      host,
      user,
      station,
      program,
      sinceMs: handles.sinceMs(slot),
      state: shown,
      ...untilOf(state, slot),
    };
  });
}

/** When what is borrowed ends. */
function untilOf({ borrowings }: State, slot: number): { readonly untilMs?: number } {
  const borrowing = borrowings.get(slot);
  return borrowing === undefined ? {} : { untilMs: borrowing.untilMs };
}

/** Of handles that are only there to be told lost, nothing is shown. */
const stateNames: Readonly<Record<number, string>> = {
  [HandleState.held]: "held",
  [HandleState.queued]: "queued",
  [HandleState.lingering]: "lingering",
  [HandleState.borrowed]: "borrowed",
};

/** As many of the entries from `cursor` on as fit into one part; null is passed over. */
function fill(cursor: number, end: number, describe: (index: number) => Record<string, unknown> | null): ListPart {
  const texts: string[] = [];
  let bytes = 2;
  for (let index = cursor; index < end; index++) {
    const entry = describe(index);
    if (entry === null) continue;
    const text = canonicalJson(entry);
    const more = Buffer.byteLength(text) + 1;
    if (bytes + more > MAX_RESULT_BLOB_BYTES) return { text: `[${texts.join(",")}]`, nextCursor: index };
    bytes += more;
    texts.push(text);
  }
  return { text: `[${texts.join(",")}]`, nextCursor: 0 };
}

function describe(item: Item, state: State): Record<string, unknown> {
  const { actId: _actId, tmrId: _tmrId, ...terms } = shownTerms(item.terms);
  return {
    ...terms,
    ...(item.isJudged ? rememberedOf(item) : {}),
    itemRef: referenceOf(item.terms),
    used: item.pool.used,
    reserved: reservedSeats(item),
    lingering: item.pool.lingering,
    queued: item.pool.waiting.size,
    free: freeSeats(item),
    holders: upstreamsOf(item.holders),
    ...(state.container.standalone ? { container: containerName(state.container.numberOf(item.pool)) } : {}),
    ...(item.odd === 0 ? {} : { odd: item.odd }),
  };
}
