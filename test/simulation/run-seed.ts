/** One seed's run, whatever happens in it. */
import { planOf } from "./plan.js";
import { type Report, World } from "./world.js";

/** An exception of a production machine is a violation too. */
export function runSeed(seed: number, trace?: (line: string) => void): Report {
  const plan = planOf(seed);
  const world = new World(plan, trace === undefined ? {} : { trace });
  try {
    return world.run();
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return world.report({ invariant: "exception", atMs: world.nowMs, what });
  }
}
