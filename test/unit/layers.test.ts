/**
 * The dependency direction of the whole tree, read from imports and includes (ARCHITECTURE.md draws it). A folder
 * that is not in a table below fails the test, so that a new one has to say where it stands.
 */
import assert from "node:assert/strict";
import { dirname, posix } from "node:path";
import { type Import, importsOf, includesOf, repositoryFiles, textOf } from "../support/source-tree.js";

/** What each part of ts/ may import at run time or for its types, besides itself. `cli` wires processes together. */
const tsLayers: Readonly<Record<string, readonly string[] | "everything">> = {
  errors: [],
  version: [],
  wire: ["errors"],
  engine: ["wire", "errors"],
  license: ["wire", "errors"],
  store: ["wire", "errors"],
  config: ["wire", "errors"],
  tracking: ["wire", "errors"],
  container: ["config", "license", "wire", "errors"],
  activation: ["container", "config", "license", "wire", "errors"],
  importing: ["activation", "container", "config", "license", "wire", "errors"],
  central: ["activation", "container", "config", "license", "wire", "errors"],
  transport: ["engine", "wire", "errors"],
  failover: ["transport", "engine", "config", "wire", "errors"],
  service: ["engine"],
  server: ["transport", "engine", "config", "wire", "errors"],
  upstream: [
    "importing",
    "activation",
    "store",
    "license",
    "container",
    "transport",
    "engine",
    "config",
    "wire",
    "errors",
  ],
  standalone: [
    "upstream",
    "server",
    "store",
    "license",
    "container",
    "transport",
    "engine",
    "config",
    "wire",
    "errors",
  ],
  admin: ["wire", "errors"],
  tmr: ["failover", "server", "license", "transport", "engine", "config", "wire", "errors"],
  borrow: ["container", "config", "wire", "errors"],
  client: ["borrow", "transport", "engine", "config", "wire", "errors", "version"],
  index: ["borrow", "client", "engine", "wire", "errors"],
  cli: "everything",
};

/** The engine's types describe plain data and interfaces; only the parts below it may not even name them. */
const mayNotSeeEngine = new Set(["errors", "wire", "license", "store"]);

/**
 * The machines: functions from state and event to state and actions. They and everything they import at run time
 * use no timers, sockets, files, clocks or randomness: those are arguments.
 */
const machines = [/^ts\/license\//, /^ts\/wire\//, /^ts\/errors\.ts$/, /^ts\/store\/store\.ts$/];
const machineRoots = [
  "ts/tmr/core.ts",
  "ts/tmr/leader.ts",
  "ts/failover/twin.ts",
  "ts/failover/address.ts",
  "ts/failover/hand-over.ts",
  "ts/upstream/replica.ts",
  "ts/upstream/replica-log.ts",
  "ts/upstream/holding.ts",
  "ts/server/proposals.ts",
  "ts/server/local-requests.ts",
  "ts/upstream/attest.ts",
  "ts/server/commands.ts",
  "ts/standalone/sequencer.ts",
  "ts/client/core.ts",
];
/** What a machine outside license/ may import at run time, besides files of its own folder and other machines: store.ts is the port alone. */
const machineMayImport = /^ts\/(wire\/|errors\.ts$|store\/store\.ts$)/;
const effects =
  /(?<![#.\w])(?:setTimeout|setInterval|setImmediate|queueMicrotask|fetch)\s*\(|\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\.|\bprocess\.|\bcrypto\./;

/** native: what each folder may include from the others. */
const nativeLayers: Readonly<Record<string, readonly string[] | "everything">> = {
  base: [],
  wire: ["base"],
  packet: ["wire", "base"],
  vote: ["wire", "base"],
  merge: ["wire", "base"],
  gateway: ["merge", "vote", "packet", "wire", "base"],
  sockets: ["gateway", "packet", "wire", "base"],
  addon: "everything",
  test: ["gateway", "merge", "vote", "packet", "wire", "base"],
};
/** Folders that may call OpenSSL: its symbols come with the node binary, so nothing that the native tests link may. */
const opensslFolders = new Set(["packet", "addon"]);

/** Folders that may call libuv, which comes with the node binary too. */
const uvFolders = new Set(["sockets", "addon"]);

const files = repositoryFiles();
const tsFiles = files.filter((path) => /^ts\/.*\.ts$/.test(path));
const nativeFiles = files.filter((path) => /^native\/.*\.(?:cpp|hpp|h|cc)$/.test(path));

function tsPart(path: string): string {
  return (path.split("/")[1] ?? "").replace(/\.ts$/, "");
}

/** The repository path that a relative specifier means, or null for a package or a Node module. */
function resolveTs(from: string, specifier: string): string | null {
  return specifier.startsWith(".") ? posix.join(dirname(from), specifier).replace(/\.js$/, ".ts") : null;
}

function importsIn(path: string): readonly Import[] {
  return importsOf(textOf(path));
}

/** Layers form no cycle when they can be removed one after another, each needing only those already removed. */
function assertNoCycle(layers: Readonly<Record<string, readonly string[] | "everything">>): void {
  const done = new Set<string>();
  let left = Object.entries(layers);
  while (left.length > 0) {
    const ready = left.filter(([, needs]) => needs === "everything" || needs.every((need) => done.has(need)));
    assert.notEqual(ready.length, 0, `cycle among ${left.map(([name]) => name).join(", ")}`);
    for (const [name] of ready) done.add(name);
    left = left.filter(([name]) => !done.has(name));
  }
}

/** A machine and what it imports at run time from its own folder. */
function machineFiles(): string[] {
  const reached = new Set(tsFiles.filter((path) => machines.some((pattern) => pattern.test(path))));
  const open = machineRoots.filter((path) => tsFiles.includes(path));
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const { specifier, typeOnly } of importsIn(path)) {
      const target = resolveTs(path, specifier);
      if (!typeOnly && target !== null && dirname(target) === dirname(path)) open.push(target);
    }
  }
  return [...reached].sort();
}

function mayUse(target: string): boolean {
  return machineMayImport.test(target) || machineRoots.includes(target);
}

function withoutComments(source: string): string {
  return source
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, " "))
    .replaceAll(/(^|\s)\/\/.*$/gm, "$1");
}

describe("layers", () => {
  it("form no cycle in ts or native", () => {
    assertNoCycle(tsLayers);
    assertNoCycle(nativeLayers);
  });

  it("in ts import only what lies below them", () => {
    const faults: string[] = [];
    for (const path of tsFiles) {
      const part = tsPart(path);
      const allowed = tsLayers[part];
      if (allowed === undefined) faults.push(`${path}: folder ${part} is not in the table of this test`);
      for (const { specifier, typeOnly, line } of importsIn(path)) {
        const target = resolveTs(path, specifier);
        if (target === null || allowed === undefined || allowed === "everything") continue;
        if (typeOnly && target === "ts/engine/types.ts" && !mayNotSeeEngine.has(part)) continue;
        const targetPart = tsPart(target);
        if (!target.startsWith("ts/") || (targetPart !== part && !allowed.includes(targetPart))) {
          faults.push(`${path}:${line} imports ${specifier}: ${part} may import ${allowed.join(", ") || "nothing"}`);
        }
      }
    }
    assert.deepEqual(faults, []);
  });

  it("let only cli import both the TMR server and the upstream server", () => {
    for (const [part, allowed] of Object.entries(tsLayers)) {
      if (part !== "cli")
        assert.ok(allowed !== "everything" && !(allowed.includes("tmr") && allowed.includes("upstream")));
    }
  });

  it("let only ts/engine load the addon", () => {
    const faults: string[] = [];
    for (const path of tsFiles.filter((candidate) => tsPart(candidate) !== "engine")) {
      const source = withoutComments(textOf(path));
      if (/node-gyp-build|tmr_engine|process\.dlopen|\.node["'`]/.test(source)) faults.push(path);
    }
    assert.deepEqual(faults, []);
  });

  it("keep timers, sockets, files, clocks and randomness out of the machines", () => {
    const faults: string[] = [];
    for (const path of machineFiles()) {
      const isRoot = !machines.some((pattern) => pattern.test(path));
      for (const { specifier, typeOnly, line } of importsIn(path)) {
        const target = resolveTs(path, specifier);
        if (typeOnly) continue;
        if (target === null) faults.push(`${path}:${line} imports ${specifier}`);
        else if (isRoot && dirname(target) !== dirname(path) && !mayUse(target)) {
          faults.push(`${path}:${line} imports ${specifier} at run time`);
        }
      }
      withoutComments(textOf(path))
        .split("\n")
        .forEach((text, i) => {
          const match = effects.exec(text);
          if (match !== null) faults.push(`${path}:${i + 1} uses ${match[0]}`);
        });
    }
    assert.deepEqual(faults, []);
  });

  it("in native include only what lies below them, napi.h only in addon, libuv and OpenSSL only where the node binary gives it", () => {
    const faults: string[] = [];
    for (const path of nativeFiles) {
      const folder = path.split("/")[1] ?? "";
      const allowed = nativeLayers[folder];
      if (allowed === undefined) faults.push(`${path}: folder ${folder} is not in the table of this test`);
      for (const include of includesOf(textOf(path))) {
        const fault = `${path}:${include.line} includes ${include.path}`;
        if (/^(?:napi|node_api|js_native_api|v8|node)\b.*\.h$/.test(include.path) && folder !== "addon")
          faults.push(fault);
        if (/^uv\b.*\.h$/.test(include.path) && !uvFolders.has(folder)) faults.push(fault);
        if (include.path.startsWith("openssl/") && !opensslFolders.has(folder)) faults.push(fault);
        if (include.system || allowed === undefined || allowed === "everything") continue;
        const target = [`native/${include.path}`, posix.join(dirname(path), include.path)].find((name) =>
          nativeFiles.includes(name),
        );
        if (target === undefined) {
          if (!/^(?:napi|node_api)\b/.test(include.path)) faults.push(`${fault}: there is no such file`);
          continue;
        }
        const targetFolder = target.split("/")[1] ?? "";
        if (targetFolder !== folder && !allowed.includes(targetFolder)) {
          faults.push(`${fault}: ${folder} may include ${allowed.join(", ") || "nothing"}`);
        }
      }
    }
    assert.deepEqual(faults, []);
  });
});
