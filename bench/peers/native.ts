/** The load generator and the bare echo: C++, compiled where they are run, kept until a source changes. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram, outputOf } from "./commands.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const flags = ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];

export interface NativePrograms {
  readonly load: string;
  readonly echo: string;
}

/** The folder of sources, `bench/peers` in the repository: what is compiled by tsc runs from elsewhere. */
export const peersFolder = join(root, "bench", "peers");

export async function buildNative(): Promise<NativePrograms> {
  const sources = join(peersFolder, "load");
  const names = readdirSync(sources).filter((name) => /\.[ch]pp$/.test(name));
  const hash = createHash("sha256");
  for (const name of names.sort()) hash.update(readFileSync(join(sources, name)));
  const folder = join(root, "dist", "bench-peers", hash.digest("hex").slice(0, 16));
  const programs = { load: join(folder, "load"), echo: join(folder, "echo") };
  if (existsSync(programs.load) && existsSync(programs.echo)) return programs;
  const compiler = findProgram(process.env["CXX"] ?? "c++");
  if (compiler === null) throw new Error("the load generator needs a C++20 compiler: install g++");
  mkdirSync(folder, { recursive: true });
  const units = names.filter((name) => name.endsWith(".cpp") && name !== "echo-server.cpp");
  await outputOf(compiler, [...flags, ...units.map((name) => join(sources, name)), "-o", programs.load]);
  await outputOf(compiler, [...flags, join(sources, "echo-server.cpp"), "-o", programs.echo]);
  return programs;
}

/** Installs what the peers written in JavaScript are made of, as their own lockfile says. */
export async function installPackages(): Promise<void> {
  if (existsSync(join(peersFolder, "node_modules", ".package-lock.json"))) return;
  await outputOf("npm", ["ci", "--no-audit", "--no-fund"], peersFolder);
}
