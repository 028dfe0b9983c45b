/** The addon of bench/native/addon: benches that need memory or OpenSSL at hand. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Prepared } from "./bench.js";

interface BenchAddon {
  make(name: string, ...numbers: readonly number[]): Prepared;
}

/** The folder of the native build in use. */
export function buildFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "binding.gyp"))) folder = dirname(folder);
  return join(folder, "build", process.env["TMR_ENGINE_BUILD"] === "Debug" ? "Debug" : "Release");
}

let loaded: BenchAddon | undefined;

/** Makes one bench of the addon ready; bench/native/addon/bench_addon.hpp says what the numbers mean. */
export function prepareNative(name: string, ...numbers: readonly number[]): Prepared {
  if (loaded === undefined) {
    // Not by `require`: its name does not end in `.node`, see binding.gyp.
    const holder = { exports: {} };
    process.dlopen(holder, join(buildFolder(), "tmr_bench.addon"));
    loaded = holder.exports as BenchAddon;
  }
  return loaded.make(name, ...numbers);
}
