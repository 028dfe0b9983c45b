/** Ends of a list whose links are words of table rows; how many rows are in it. Never in a snapshot: the links tell. */
import { NONE } from "./records.js";

export interface Chain {
  first: number;
  last: number;
  size: number;
}

/** An empty list. */
export function newChain(): Chain {
  return { first: NONE, last: NONE, size: 0 };
}
