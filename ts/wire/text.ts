/** What counts as one line of text. */

/** No control characters (they would reach terminals and logs) and no half of a surrogate pair. */
export function isPlainLine(text: string): boolean {
  return !/[\p{Cc}\p{Cs}]/u.test(text);
}
