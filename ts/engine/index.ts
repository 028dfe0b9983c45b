/** Loads the native engine. The only file that does; everything else is given an {@link Engine}. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { TmrError } from "../errors.js";
import type { Engine } from "./types.js";

export type * from "./types.js";
export { Arrived, Intake, Verdict } from "./types.js";

/**
 * Why the engine cannot run on this runtime, or null when it can. It calls the OpenSSL inside the node binary, so it
 * needs one of version 3; Electron brings BoringSSL instead.
 */
export function unsupportedRuntime(versions: Readonly<Record<string, string | undefined>>): string | null {
  if (versions["electron"] !== undefined) {
    return `Electron ${versions["electron"]} brings BoringSSL; the engine needs Node.js with OpenSSL 3`;
  }
  const openssl = versions["openssl"];
  if (openssl === undefined || !openssl.startsWith("3.")) {
    return `this runtime brings OpenSSL ${openssl ?? "(none)"}; the engine needs Node.js with OpenSSL 3`;
  }
  return null;
}

/** The folder with `build` or `prebuilds`: the package's root, whether this file runs from dist or elsewhere in it. */
function engineFolder(): string | null {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "build")) && !existsSync(join(folder, "prebuilds"))) {
    const parent = dirname(folder);
    if (parent === folder) return null;
    folder = parent;
  }
  return folder;
}

/** TMR_ENGINE_BUILD=Debug takes the debug build, with asserts; else a local build, else the one in the package. */
function requireAddon(folder: string): Engine {
  const require = createRequire(import.meta.url);
  if (process.env["TMR_ENGINE_BUILD"] === "Debug") {
    return require(join(folder, "build", "Debug", "tmr_engine.node")) as Engine;
  }
  const load = require("node-gyp-build") as (folder: string) => Engine;
  return load(folder);
}

let loaded: Engine | undefined;

/** The engine, loaded once per thread. Throws ERR_TMR_ENGINE with the reason when it cannot be loaded here. */
export function loadEngine(): Engine {
  if (loaded !== undefined) return loaded;
  const reason = unsupportedRuntime(process.versions);
  if (reason !== null) throw new TmrError("ERR_TMR_ENGINE", `the native engine cannot run here: ${reason}`);
  const folder = engineFolder();
  if (folder === null) {
    throw new TmrError("ERR_TMR_ENGINE", "the native engine is not built: run `npm run build:native`");
  }
  try {
    loaded = requireAddon(folder);
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new TmrError("ERR_TMR_ENGINE", `the native engine in ${folder} cannot be loaded: ${what}`, { cause });
  }
  return loaded;
}
