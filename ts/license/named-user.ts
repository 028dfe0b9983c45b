/** An administrator gives a license to another named user: at most once in the interval that its terms name. */
import { Status } from "../wire/kinds.js";
import { isPlainLine } from "../wire/text.js";
import type { Call } from "./call.js";
import { containerName } from "./genesis.js";
import { licenseText } from "./in-use.js";
import { blobOf } from "./open-session.js";
import { namedUserOf, timeText } from "./options.js";
import type { Item } from "./pool.js";
import { MAX_USER_BYTES } from "./term-rules.js";
import { referenceOf } from "./terms.js";
import { isReached } from "./virtual-container.js";
import { RequestWord } from "./words.js";

/**
 * Executes a setNamedUser, which a server proposed: Firm Code, Product Code, item reference; the user is the blob. `mode` and
 * `featureMap` are mask and serial of the container, both 0: there is only one with such a license.
 */
export function setNamedUser(call: Call): void {
  const { state, out, words, at } = call;
  const firmCode = words[at + RequestWord.firmCode] as number;
  const productCode = words[at + RequestWord.productCode] as number;
  const itemRef = words[at + RequestWord.itemRef] as number;
  const bytes = blobOf(call);
  const user = bytes.toString("utf8");
  if (bytes.length > MAX_USER_BYTES || !Buffer.from(user).equals(bytes) || !isPlainLine(user)) {
    out.refuse(Status["bad-request"], `A user is one line of at most ${MAX_USER_BYTES} bytes of UTF-8.`);
    return;
  }
  const container = containerAsked(call);
  const meant = state.container
    .find(firmCode, productCode)
    .filter((one) => !one.isModule && referenceOf(one.terms) === itemRef && isReached(one, call.reached))
    .filter(({ pool }) => container === "" || containerName(pool.key.container) === container);
  const [item] = meant;
  const license = `License ${firmCode}:${productCode} item ${itemRef}`;
  if (item === undefined) {
    out.refuse(Status["not-found"], `${license} is not in container ${container || state.container.name}.`);
    return;
  }
  if (meant.length > 1) {
    out.refuse(Status["bad-request"], `${license} is not one: ${whereText(meant)}.`);
    return;
  }
  out.license(item.pool, item, state.container);
  const refusal = refusalOf(call, item, user);
  if (refusal !== null) out.refuse(refusal.status, `${licenseText(call, item)} ${refusal.why}.`);
  // Once more the same is no change: whoever asks again because an answer was lost does not use up the interval.
  else if (namedUserOf(item) !== user) state.bindUser(item.pool, user, item.terms.namedUser ?? "");
}

/** The name of the container that is asked for, "" = whichever has the license. */
function containerAsked({ words, at }: Call): string {
  const mask = ((words[at + RequestWord.kind] as number) >>> 8) & 0xff;
  const serial = words[at + RequestWord.featureMap] as number;
  return mask === 0 && serial === 0 ? "" : containerName({ mask, serial });
}

/** As many as a sentence has room for. */
const MAX_NAMED = 3;

/** Where several licenses are that may be meant, and how one of them can be. */
function whereText(meant: readonly Item[]): string {
  const names = [...new Set(meant.map(({ pool }) => containerName(pool.key.container)))];
  const [first, second] = names;
  if (second === undefined) return `container ${first} holds ${meant.length} such licenses`;
  const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : "";
  return `containers ${names.slice(0, MAX_NAMED).join(", ")}${more} hold it; name the one that is meant`;
}

interface Refusal {
  readonly status: (typeof Status)["bad-request" | "named-user"];
  readonly why: string;
}

function refusalOf({ state }: Call, item: Item, user: string): Refusal | null {
  const { namedUser, namedUserIntervalSeconds } = item.terms;
  if (namedUser === undefined) return { status: Status["bad-request"], why: "has no named user" };
  if (namedUserOf(item) === user) return null;
  if (user === "" && namedUser !== "") {
    return { status: Status["bad-request"], why: "was issued to a user by name, so that it cannot be without one" };
  }
  if (namedUserIntervalSeconds === undefined) {
    return { status: Status["named-user"], why: "was issued to one user for good" };
  }
  const { namedUserMs, namedUserOf: issued } = item.pool.memory;
  const next = namedUserMs + namedUserIntervalSeconds * 1000;
  if (namedUserMs === 0 || issued !== namedUser || state.calendarMs >= next) return null;
  return { status: Status["named-user"], why: `may have another user from ${timeText(next)} on` };
}
