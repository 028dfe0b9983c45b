/**
 * The options of a license that say whether it may be accessed, besides its dates, feature bits and seats: usage
 * period, maintenance period, version of the client library, named user, units (licensing.md section 3).
 */
import { Status, type StatusCode } from "../wire/kinds.js";
import { isPlainLine } from "../wire/text.js";
import type { Item } from "./pool.js";
import { isAtLeast } from "./runtime-version.js";
import type { Asker } from "./seats.js";
import type { State } from "./state.js";
import { CONSUMPTION } from "./term-rules.js";
import type { Terms } from "./terms.js";

const MS = 1000;

/** True for terms with an option that {@link judgeOptions} looks at. */
export function isJudged(terms: Terms): boolean {
  return (
    terms.unitCounter !== undefined ||
    terms.usagePeriodSeconds !== undefined ||
    terms.maintenanceFromMs !== undefined ||
    terms.minimumRuntimeVersion !== undefined ||
    terms.namedUser !== undefined
  );
}

/** The status of an item for one access by these options: ok, or the first that refuses. `releaseMs` -1: judged before. */
export function judgeOptions(item: Item, calendarMs: number, releaseMs: number, asker: Asker): StatusCode {
  const { terms } = item;
  if (isUsagePeriodOver(item, calendarMs)) return Status["usage-period-over"];
  if (terms.minimumRuntimeVersion !== undefined) {
    if (!isAtLeast(asker.party.runtimeVersion, terms.minimumRuntimeVersion)) return Status["runtime-too-old"];
  }
  if (releaseMs >= 0 && terms.maintenanceFromMs !== undefined && terms.maintenanceUntilMs !== undefined) {
    const isInside = releaseMs >= terms.maintenanceFromMs && releaseMs <= terms.maintenanceUntilMs;
    if (releaseMs === 0 || !isInside) return Status.maintenance;
  }
  const user = namedUserOf(item);
  if (user !== null && !isUser(user, asker.party.user)) return Status["named-user"];
  if (terms.unitCounter !== undefined && unitsLeft(item) === 0) return Status["units-used-up"];
  return Status.ok;
}

/** Why, in words that go behind the name of the license; only for what {@link judgeOptions} returned. */
export function optionSentence(status: StatusCode, item: Item, releaseMs: number, asker: Asker): string {
  const { terms } = item;
  switch (status) {
    case Status["usage-period-over"]:
      return `could be used for ${terms.usagePeriodSeconds} s from its first access on, until ${timeText(usageEndMs(item))}.`;
    case Status["runtime-too-old"]:
      return `needs client library ${terms.minimumRuntimeVersion}, this one is ${asker.party.runtimeVersion || "unknown"}.`;
    case Status.maintenance: {
      const period = `${timeText(terms.maintenanceFromMs)} to ${timeText(terms.maintenanceUntilMs)}`;
      return releaseMs === 0
        ? `is for releases from ${period}; the access states no release date.`
        : `is for releases from ${period}, not ${timeText(releaseMs)}.`;
    }
    case Status["named-user"]:
      return asker.party.user === ""
        ? "is for a named user; the session names none."
        : `is for its named user, not for ${asker.party.user}.`;
    default:
      return "has no units left.";
  }
}

/** What a granted access changes: the first use begins, the first user is bound. */
export function noteUse(state: State, item: Item, asker: Asker): void {
  const { pool, terms } = item;
  if (terms.usagePeriodSeconds !== undefined && pool.memory.firstUseMs === 0) state.useFirst(pool);
  if (namedUserOf(item) === "") state.bindUser(pool, asker.party.user, terms.namedUser ?? "");
}

/** Whether units or seats may be used at this time; what an access asks of its asker is not asked again. */
export function judgeTime(item: Item, calendarMs: number): StatusCode {
  const { terms } = item;
  if (terms.activationMs !== undefined && calendarMs < terms.activationMs) return Status["not-yet-valid"];
  if (terms.expirationMs !== undefined && calendarMs > terms.expirationMs) return Status.expired;
  return isUsagePeriodOver(item, calendarMs) ? Status["usage-period-over"] : Status.ok;
}

/** Last ms of the usage period, 0 = it has none or has not begun. */
function usageEndMs({ terms, pool }: Item): number {
  const { firstUseMs } = pool.memory;
  return terms.usagePeriodSeconds === undefined || firstUseMs === 0 ? 0 : firstUseMs + terms.usagePeriodSeconds * MS;
}

/** True when {@link judgeTime} refuses nothing. */
export function isUsable(item: Item, calendarMs: number): boolean {
  return judgeTime(item, calendarMs) === Status.ok;
}

function isUsagePeriodOver(item: Item, calendarMs: number): boolean {
  const end = usageEndMs(item);
  return end !== 0 && calendarMs > end;
}

/** The earliest of expiration and end of the usage period, 0 = without end. */
export function validUntilMs(item: Item): number {
  const expiration = item.terms.expirationMs ?? 0;
  const usageEnd = usageEndMs(item);
  return expiration === 0 || usageEnd === 0 ? expiration + usageEnd : Math.min(expiration, usageEnd);
}

/**
 * Who a license is bound to: null = nobody, "" = whoever comes first. A binding made here stands instead of the issued
 * name that it was made for, so that another name from the issuer counts at once.
 */
export function namedUserOf({ terms, pool }: Item): string | null {
  const { namedUser, namedUserOf: issued, namedUserMs } = pool.memory;
  if (terms.namedUser === undefined) return null;
  return namedUserMs !== 0 && issued === terms.namedUser ? namedUser : terms.namedUser;
}

/** A name without a domain means this user of any domain. Names are compared as they are, capitals included. */
function isUser(named: string, user: string): boolean {
  if (user === "" || !isPlainLine(user)) return false;
  if (named === "" || named === user) return true;
  return !named.includes("@") && user.startsWith(`${named}@`);
}

/** Units that may still be consumed. */
export function unitsLeft({ terms, pool }: Item): number {
  return Math.max(0, (terms.unitCounter ?? 0) - pool.memory.unitsUsed);
}

/** What is remembered of a license, as a list shows it beside its terms; the named user is who it is bound to. */
export function rememberedOf(item: Item): Record<string, unknown> {
  const { unitsUsed, firstUseMs } = item.pool.memory;
  const user = namedUserOf(item);
  return {
    ...(item.terms.unitCounter === undefined ? {} : { unitsUsed }),
    ...(usageEndMs(item) === 0 ? {} : { firstUseMs }),
    ...(user === null ? {} : { namedUser: user }),
  };
}

/** Units as a result shows them: those left, or those used where they are only counted. */
export function unitsShown(item: Item): number {
  if (item.terms.unitCounter === undefined) return 0;
  return item.terms.unitCounter === CONSUMPTION ? item.pool.memory.unitsUsed : unitsLeft(item);
}

/** Times of terms are bounded, so that each has a text; a client's may be anything. */
export function timeText(ms: number | undefined): string {
  const date = new Date(ms ?? 0);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString();
}
