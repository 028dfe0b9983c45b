/** One line of the tour: a rule of licensing.md, what it says will happen, and how to make it happen. */
import { RefusedError } from "../../client/errors.js";
import type { Handle } from "../../client/handle.js";
import { TmrError } from "../../errors.js";
import type { Scene } from "./scene.js";

export interface Rule {
  /** of licensing.md */
  readonly section: 3 | 4 | 5 | 6 | 7;
  readonly text: string;
  /** what {@link run} must come to, word by word */
  readonly expected: string;
  run(scene: Scene): Promise<string>;
}

/** "granted", or the reason of the refusal; any other error by its code. */
export async function told(asking: Promise<unknown>): Promise<string> {
  try {
    await asking;
    return "granted";
  } catch (error) {
    if (error instanceof RefusedError) return error.reason;
    if (error instanceof TmrError) return error.code;
    throw error;
  }
}

/** Several outcomes in one line, equal ones that follow each other counted: `granted ×3, no-free-license`. */
export async function toldAll(askings: Iterable<Promise<unknown>>): Promise<string> {
  const outcomes: [string, number][] = [];
  for (const outcome of await Promise.all([...askings].map(told))) {
    const last = outcomes.at(-1);
    if (last?.[0] === outcome) last[1]++;
    else outcomes.push([outcome, 1]);
  }
  return outcomes.map(([outcome, count]) => (count === 1 ? outcome : `${outcome} ×${count}`)).join(", ");
}

/** `4 of 5 free`, as the answer to the access said. */
export function freeText({ free, total }: Pick<Handle, "free" | "total">): string {
  return `${free} of ${total} free`;
}
