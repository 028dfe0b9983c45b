/** Reads what `perf script` prints into stacks, and says which part of the program each stack was spent in. */

/** One sample's frames, the outermost first. */
export type Stack = readonly Frame[];

export interface Frame {
  readonly name: string;
  /** where its code lies: kernel, node, the engine, a library, or compiled JavaScript */
  readonly place: "kernel" | "javascript" | "engine" | "sqlite" | "library" | "node";
}

/** Stacks that were sampled more than once are counted. */
export interface Folded {
  readonly stack: Stack;
  readonly samples: number;
}

/** Parses the output of `perf script -F comm,tid,ip,sym,dso`: a header line per sample, its frames, an empty line. */
export function foldScript(text: string): Folded[] {
  const counted = new Map<string, { stack: Stack; samples: number }>();
  for (const block of text.split(/\n\s*\n/)) {
    const lines = block.split("\n").filter((line) => /^\s+[0-9a-f]+ /.test(line));
    if (lines.length === 0) continue;
    const stack = lines.map(frameOf).reverse();
    const key = stack.map(({ name }) => name).join(";");
    const known = counted.get(key);
    if (known === undefined) counted.set(key, { stack, samples: 1 });
    else known.samples++;
  }
  return [...counted.values()];
}

function frameOf(line: string): Frame {
  const match = /^\s+[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \(([^()]*(?:\([^()]*\))?[^()]*)\)$/.exec(line);
  const symbol = match?.[1] ?? line.trim();
  const file = match?.[2] ?? "";
  if (/^\[(?:kernel|guest)/.test(file)) return { name: symbol, place: "kernel" };
  const script = /^JS:[*~+^']*(.*)$/.exec(symbol);
  if (script !== null) return { name: scriptName(script[1] ?? ""), place: "javascript" };
  return { name: symbol.replace(/\(anonymous namespace\)::/g, ""), place: placeOf(file) };
}

function placeOf(file: string): Frame["place"] {
  if (file.includes("tmr_engine")) return "engine";
  if (file.includes("better-sqlite3") || /linux-\w+\.node$/.test(file)) return "sqlite";
  return file.endsWith("/node") ? "node" : "library";
}

/** `#flush file:///…/dist/ts/tmr/server.js:120:11` as `#flush ts/tmr/server.ts`. */
function scriptName(text: string): string {
  const match = /^(.*?) ?((?:file:\/\/|node:|\/)[^\s]*?)(?::\d+)*$/.exec(text);
  if (match === null) return text;
  const file = (match[2] ?? "")
    .replace(/^.*\/dist\/(.*)\.js$/, "$1.ts")
    .replace(/^.*\/node_modules\//, "")
    .replace(/^file:\/\//, "");
  return `${match[1] === "" ? "(anonymous)" : match[1]} ${file}`;
}

/** One cost: what time was spent on, by its leaf, seen at the level at which one can do something about it. */
export interface Cost {
  readonly name: string;
  /** of all samples */
  readonly share: number;
}

/**
 * Self time by owner. Time in the kernel belongs to the system call, garbage collection and allocation are one owner
 * each, native code of the engine, SQLite and OpenSSL is its own function, and everything else of V8 and Node belongs
 * to the JavaScript function on whose behalf it ran.
 */
export function costsOf(folded: readonly Folded[]): Cost[] {
  const samples = new Map<string, number>();
  let all = 0;
  for (const { stack, samples: count } of folded) {
    const owner = ownerOf(stack);
    samples.set(owner, (samples.get(owner) ?? 0) + count);
    all += count;
  }
  return [...samples].map(([name, count]) => ({ name, share: count / all })).sort((a, b) => b.share - a.share);
}

const collection =
  /Scavenge|MarkCompact|ConcurrentMarking|Sweeper|Evacuat|MarkingVisitor|Heap::CollectGarbage|GCTracer/;
const compilation =
  /v8::internal::(?:compiler|maglev|interpreter|baseline|parsing)|CompilationJob|OptimizingCompileDispatcher/;
const allocation =
  /^(?:_int_(?:malloc|free)|malloc|free|cfree|calloc|realloc|__libc_(?:malloc|free|calloc)|malloc_consolidate|unlink_chunk|sysmalloc|operator (?:new|delete).*|__GI___libc_(?:malloc|free))/;
const crypto = /^(?:ossl_|aes|gcm_|EVP_|evp_|sha256_|SHA256|HMAC|CRYPTO_|ecp_|x25519|fe64_|OPENSSL_)/;

function ownerOf(stack: Stack): string {
  const leaf = stack.at(-1);
  if (leaf === undefined) return "(unknown)";
  const kernel = stack.findIndex(({ place }) => place === "kernel");
  if (kernel >= 0) return `kernel: ${systemCallOf(stack.slice(kernel))}`;
  if (stack.some(({ name }) => collection.test(name))) return "V8: garbage collection";
  if (stack.some(({ name }) => compilation.test(name))) return "V8: compiling";
  if (allocation.test(leaf.name)) return "malloc and free";
  if (crypto.test(leaf.name)) return "OpenSSL";
  if (leaf.place === "sqlite") return "SQLite (user time)";
  if (stack.some(({ place }) => place === "engine")) {
    return `engine: ${shortName(stack.findLast(({ place }) => place === "engine")?.name ?? "")}`;
  }
  const script = stack.findLast(({ place }) => place === "javascript");
  if (script !== undefined) return script.name;
  return stack.some(({ name }) => /uv_|uv__/.test(name)) ? "libuv and Node (outside JavaScript)" : "other native";
}

function systemCallOf(frames: Stack): string {
  const call = frames.map(({ name }) => /^(?:__(?:x64|arm64)_sys_|__se_sys_|ksys_)(\w+)$/.exec(name)?.[1]);
  const named = call.find((name) => name !== undefined);
  if (named !== undefined) return named;
  const has = (pattern: RegExp): boolean => frames.some(({ name }) => pattern.test(name));
  if (has(/page_fault/)) return "page faults";
  return has(/interrupt|sysvec|irqentry/) ? "interrupts" : "entry and exit of system calls";
}

function shortName(symbol: string): string {
  return symbol.replace(/\(.*$/, "").replace(/^.* /, "");
}
