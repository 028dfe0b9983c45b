/**
 * `npm run scenarios`: acts out every text scenario and says which come out otherwise than written. With `-- --rewrite`
 * they are written down as they come out now: what a change of the protocol did is then a diff to be reviewed.
 */
import { played, rewrite, scenarioKinds, scenariosOf } from "./scenario-files.js";

const rewriting = process.argv.includes("--rewrite");
let told = 0;
let changed = 0;
for (const kind of scenarioKinds) {
  for (const path of scenariosOf(kind)) {
    try {
      const { written, actual } = played(kind, path);
      told++;
      if (written === actual) continue;
      changed++;
      if (rewriting) rewrite(path, actual);
      console.log(`${rewriting ? "rewritten" : "differs"}  ${path}`);
    } catch (error) {
      changed++;
      process.exitCode = 1;
      console.log(`cannot be told  ${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
console.log(`${told} scenarios, ${changed} ${rewriting ? "rewritten" : "otherwise than written"}`);
if (changed > 0 && !rewriting) process.exitCode = 1;
