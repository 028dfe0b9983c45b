/** Versions of the client library, in the order of semver (semver.org, section 11). */

const NUMBERS = /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

/**
 * True when `version` is `minimum` (three numbers) or later. What is no version is not: the client did not say which
 * one it is. 1.2.0-rc.1 comes before 1.2.0, and what stands behind a plus does not count.
 */
export function isAtLeast(version: string, minimum: string): boolean {
  const [is, least] = [NUMBERS.exec(version), NUMBERS.exec(minimum)];
  if (is === null || least === null) return false;
  for (const part of [1, 2, 3]) {
    const difference = Number(is[part]) - Number(least[part]);
    if (difference !== 0) return difference > 0;
  }
  return is[4] === undefined;
}
