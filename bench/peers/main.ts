/** `npm run bench:peers`: the same work on our system and on what one would build instead. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtimeFault } from "../../ts/cli/runtime.js";
import { describeMachine, isInMemory, packageVersions } from "./machine.js";
import { buildNative } from "./native.js";
import { type Options, readOptions, USAGE } from "./options.js";
import { allParties } from "./parties/index.js";
import type { Party } from "./party.js";
import { throughputChart } from "./report/chart.js";
import { joinRuns, type RunDocument } from "./report/document.js";
import { sectionText, withSection } from "./report/section.js";
import { runRounds } from "./rounds.js";

const MEMORY = "/dev/shm";
const CHART = "benchmarks-peers.svg";
const IDLE_MS = 3_000;
const WARM_UP_SECONDS = 0.3;
const docs = fileURLToPath(new URL("../../../docs", import.meta.url));

/** Those to be stopped, also when the run is ended early. */
const started: Party[] = [];

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

interface Folders {
  readonly disk: string;
  readonly memory: string;
}

/** Open to other users for passing through only: PostgreSQL runs as a user of its own. */
function makeFolders(): Folders {
  if (isInMemory(tmpdir())) throw new Error(`${tmpdir()} is in memory: set TMPDIR to a folder on a disk`);
  if (!existsSync(MEMORY) || !isInMemory(MEMORY)) throw new Error(`${MEMORY} is not a folder in memory`);
  const [disk = "", memory = ""] = [tmpdir(), MEMORY].map((parent) => {
    const folder = mkdtempSync(join(parent, "tmr-peers-"));
    chmodSync(folder, 0o711);
    process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
    return folder;
  });
  return { disk, memory };
}

async function measure(options: Options, { disk, memory }: Folders): Promise<RunDocument> {
  const known = allParties(await buildNative());
  const unknown = (options.only ?? []).filter((id) => !known.some((party) => party.id === id));
  if (unknown.length > 0) throw new TypeError(`--only: there is no ${unknown.join(", ")}`);
  const chosen = known.filter(({ id }) => options.only?.includes(id) ?? true);
  const absent: { name: string; reason: string }[] = [];
  const timing = { seconds: options.seconds, warmUpSeconds: WARM_UP_SECONDS };
  const machine = describeMachine(disk);
  try {
    for (const party of chosen) {
      const missing = await party.missing();
      if (missing.length > 0) {
        absent.push({ name: party.name, reason: `not installed: ${missing.join(", ")}` });
        continue;
      }
      progress(`starting ${party.id}`);
      const folders = [disk, memory].map((parent) => join(parent, party.id)) as [string, string];
      for (const folder of folders) mkdirSync(folder, { mode: 0o711 });
      started.push(party);
      await party.start(...folders);
    }
    const idleCores = await idle(started);
    const { results, failures } = await runRounds({
      ...options,
      parties: started,
      timing,
      progress,
    });
    for (const party of started.filter(({ id }) => failures.has(id))) {
      absent.push({ name: party.name, reason: `failed: ${failures.get(party.id) ?? ""}` });
      process.exitCode = 1;
    }
    const parties = started.flatMap(({ id, name, ours, persistence, persists, lacks }) => {
      const rounds = results.get(id);
      return rounds === undefined ? [] : [{ id, name, ours, persistence, persists, lacks, rounds }];
    });
    const { rounds, loads } = options;
    return {
      takenAt: new Date().toISOString(),
      machine,
      timing,
      rounds,
      loads,
      parties,
      versions: packageVersions(),
      absent,
      idleCores,
    };
  } finally {
    progress("");
    await Promise.all(started.map((party) => party.stop()));
  }
}

/** Cores that all servers together take while nobody asks them anything. */
async function idle(parties: readonly Party[]): Promise<number> {
  const used = (): number => parties.reduce((sum, party) => sum + party.cpuSeconds(), 0);
  const [before, begin] = [used(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  return (used() - before) / ((performance.now() - begin) / 1000);
}

async function documentOf(options: Options): Promise<RunDocument> {
  if (options.from.length > 0) {
    return joinRuns(options.from.map((file) => JSON.parse(readFileSync(file, "utf8")) as RunDocument));
  }
  return measure(options, makeFolders());
}

function write(document: RunDocument, section: string): void {
  const file = join(docs, "benchmarks.md");
  writeFileSync(file, withSection(existsSync(file) ? readFileSync(file, "utf8") : "", section));
  writeFileSync(join(docs, CHART), throughputChart(document));
}

async function main(options: Options): Promise<void> {
  const document = await documentOf(options);
  const section = sectionText(document, CHART);
  if (options.write) write(document, section);
  process.stdout.write(options.json ? `${JSON.stringify(document, null, 1)}\n` : `${section}\n`);
}

let options: Options | null = null;
try {
  const fault = runtimeFault(process.versions.node);
  if (fault !== null) throw new Error(fault);
  options = readOptions(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exitCode = 2;
}
if (options !== null) {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      // In order first, so that nobody writes into a folder that is being removed; what is left ends with this process.
      void Promise.all(started.map((party) => party.stop())).finally(() => process.exit(130));
    });
  }
  try {
    await main(options);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
