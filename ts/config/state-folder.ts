/** Where a TMR server keeps its state, read without the rest: a health check must start fast and needs no key. */
import { dirname, resolve } from "node:path";
import { describe, Faults, FaultsError } from "./faults.js";
import { readToml } from "./toml-file.js";

/**
 * The absolute path of the state folder that tmr.toml names. Checks nothing else of the file: the server did, when it
 * started. Throws ERR_TMR_FILE and ERR_TMR_CONFIG.
 */
export function serverStateFolder(file: string): string {
  const faults = new Faults();
  const raw = readToml(file, faults) as { readonly server?: { readonly state?: unknown } } | undefined;
  faults.throwIfAny("ERR_TMR_CONFIG");
  const state = raw?.server?.state;
  if (typeof state === "string" && state !== "" && !state.includes("\0")) return resolve(dirname(file), state);
  throw new FaultsError("ERR_TMR_CONFIG", [
    { file, key: "server.state", expected: "a path", received: describe(state) },
  ]);
}
