#!/usr/bin/env node
/**
 * The entry of `tmr`. It imports nothing that an old Node could not load, so that such a Node gets a sentence instead
 * of a stack trace.
 */
import { runtimeFault } from "./runtime.js";

const fault = runtimeFault(process.versions.node);
if (fault === null) {
  const { run } = await import("./run.js");
  const { processTerminal } = await import("./terminal.js");
  const exitCode = await run(process.argv.slice(2), processTerminal());
  // A command may have set the process's own already.
  if (exitCode !== 0) process.exitCode = exitCode;
} else {
  process.stderr.write(`tmr: ${fault} (ERR_TMR_RUNTIME)\n`);
  process.exitCode = 2;
}
