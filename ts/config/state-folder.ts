/** Where a server that clients connect to keeps its state, read without the rest: a health check must start fast and needs no key. */
import { dirname, resolve } from "node:path";
import { describe, Faults, FaultsError } from "./faults.js";
import { readToml } from "./toml-file.js";

/** Whether this is a tmr.toml, rather than an upstream.toml. Says nothing of what else is in it. */
export function isServerConfig(file: string): boolean {
  return (readToml(file, new Faults()) as Raw | undefined)?.server !== undefined;
}

interface Raw {
  readonly server?: { readonly state?: unknown };
  readonly upstream?: { readonly mode?: unknown; readonly state?: unknown };
}

/**
 * The absolute path of the state folder that tmr.toml names, or upstream.toml of a standalone license server. Checks
 * nothing else of the file: the server did, when it started. Throws ERR_TMR_FILE and ERR_TMR_CONFIG.
 */
export function serverStateFolder(file: string): string {
  const faults = new Faults();
  const raw = readToml(file, faults) as Raw | undefined;
  faults.throwIfAny("ERR_TMR_CONFIG");
  const section = raw?.upstream?.mode === "standalone" ? "upstream" : "server";
  const state = raw?.[section]?.state;
  if (typeof state === "string" && state !== "" && !state.includes("\0")) return resolve(dirname(file), state);
  throw new FaultsError("ERR_TMR_CONFIG", [
    { file, key: `${section}.state`, expected: "a path", received: describe(state) },
  ]);
}
