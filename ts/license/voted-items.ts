/** The virtual container's items: what at least two upstreams state with equal terms (protocol.md rule 9). */
import { MERGED_ENTRY_BYTES, MergedField } from "../wire/merge.js";
import type { ProtocolRules } from "../wire/rules.js";
import type { ContainerNumber, LicensePorts } from "./genesis.js";
import type { ShownItem, Statement } from "./statement.js";
import type { Terms } from "./terms.js";

const ALL_UPSTREAMS = 7;

/** The items that two of the statements of upstreams 1, 2, 3 have alike, ascending by join key. */
export function votedItems(
  statements: readonly [Statement | null, Statement | null, Statement | null],
  container: ContainerNumber,
  merge: LicensePorts["mergeContainers"],
  rules: ProtocolRules,
): ShownItem[] {
  const [a, b, c] = statements;
  const merged = merge(a?.entries ?? null, b?.entries ?? null, c?.entries ?? null);
  const items: ShownItem[] = [];
  const next = [0, 0, 0];
  for (let at = 0; at < merged.length; at += MERGED_ENTRY_BYTES) {
    // The merge walks the three sorted statements side by side, so each one's next item is the one meant here.
    let terms: Terms | undefined;
    const present = merged[at + MergedField.present] as number;
    const agree = merged[at + MergedField.agree] as number;
    const holders = rules.twoHolders || agree !== 0 ? agree : ALL_UPSTREAMS;
    for (const i of [0, 1, 2] as const) {
      if ((present & (1 << i)) === 0) continue;
      const own = statements[i]?.items[next[i] as number];
      next[i] = (next[i] as number) + 1;
      if ((holders & (1 << i)) !== 0) terms ??= own;
    }
    if (terms === undefined || isOne(holders)) continue;
    items.push({ terms, container, holders, odd: merged[at + MergedField.odd] as number, quorum: 2 });
  }
  return items;
}

/** Fewer than two upstreams in a mask. */
function isOne(mask: number): boolean {
  return (mask & (mask - 1)) === 0;
}
