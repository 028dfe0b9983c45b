/** `node dist/test/chaos/check.js FILE`: checks a recorded history. Exit code 1 when it breaks a promise or is none. */
import { readFileSync } from "node:fs";
import { checkHistory } from "./checker.js";
import { readHistory } from "./history.js";
import { summarize, summaryText } from "./report.js";

function check(file: string): number {
  const lines = readHistory(readFileSync(file, "utf8"));
  const verdict = checkHistory(lines);
  process.stdout.write(summaryText(summarize(lines, verdict), verdict, process.stdout.isTTY));
  return verdict.errors.length + verdict.violations.length === 0 ? 0 : 1;
}

const file = process.argv[2];
if (file === undefined || process.argv.length > 3) {
  process.stderr.write("usage: node dist/test/chaos/check.js FILE\n");
  process.exitCode = 2;
} else {
  try {
    process.exitCode = check(file);
  } catch (error) {
    process.stderr.write(`${file}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
