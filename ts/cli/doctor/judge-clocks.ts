/** Clocks: calendar time is the median of three upstreams, so one wrong clock is outvoted and two are not. */
import type { Facts, ServerFacts } from "./facts.js";
import { type Finding, well } from "./finding.js";

/** Clocks kept by NTP differ by milliseconds; a question and its answer take part of a second at most. */
const NEAR_MS = 2_000;
const CALENDAR_AHEAD_MS = 60_000;
const SEE = "clocks";

/** Findings about the wall clocks of the servers, and about the calendar time that they have voted. */
export function judgeClocks({ servers, nowMs }: Facts): Finding[] {
  const told = servers.filter(({ clockMs }) => clockMs !== null);
  if (told.length === 0) return [];
  const middle = medianOf(told.map(clockOf));
  const off = told.filter((server) => Math.abs(clockOf(server) - middle) > NEAR_MS);
  const wrong = off.filter(({ kind }) => kind === "upstream").length;
  const findings = off.map((server): Finding => {
    const outvoted = server.kind !== "upstream" || wrong < 2;
    return {
      check: "clocks",
      where: server.name,
      level: outvoted ? "warning" : "problem",
      found: `its clock is ${secondsText(clockOf(server) - middle)} against the others${outvoted ? "" : ", and it is not the only one"}`,
      advice: "Set its clock right, and keep it right by NTP.",
      see: SEE,
    };
  });
  if (Math.abs(middle) > NEAR_MS) {
    const found = `the servers' clocks are ${secondsText(middle)} against this host`;
    const advice = "See which of the two is right; servers that agree on a wrong time judge licenses by it.";
    findings.push({ check: "clocks", where: "this host", level: "warning", found, advice, see: SEE });
  }
  const calendar = Math.max(...servers.map(({ store }) => store?.calendarMs ?? 0));
  if (calendar - (nowMs + middle) > CALENDAR_AHEAD_MS) {
    const found = `calendar time is ${secondsText(calendar - nowMs - middle)} against the clocks: they were ahead once`;
    const advice = "Nothing to repair: it stands still until the clocks have caught up, and licenses are judged by it.";
    findings.push({ check: "clocks", where: "calendar", level: "warning", found, advice, see: SEE });
  }
  return findings.length > 0 ? findings : [well("clocks", "servers", "are right to a second or two")];
}

function clockOf({ clockMs }: ServerFacts): number {
  return clockMs ?? 0;
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

function secondsText(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  return `${seconds} s ${ms > 0 ? "ahead" : "behind"}`;
}
