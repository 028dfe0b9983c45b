/**
 * `npm run test:upgrade [-- --from REF]`: five real processes of an earlier commit are replaced by this build, one after
 * another, while clients of both builds work; then one upstream goes back. No client may see an error. Builds that declare
 * no common version (ts/wire/hello.ts) have to refuse each other by name instead, and no client may see an error either.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { Plant } from "../../ts/cli/demo/plant.js";
import { type ProcessDescription, Processes } from "../../ts/cli/demo/processes.js";
import { tableText } from "../../ts/cli/table.js";
import { connect } from "../../ts/client/connect.js";
import { queryStatus } from "../../ts/client/query-status.js";
import { agree, silentVersions, type Versions, versionsOf } from "../../ts/wire/hello.js";
import type { ServerStatus } from "../../ts/wire/server-status.js";
import { ONE_SEAT, programFile, until } from "../support/running-plant.js";
import { buildPrevious, type PreviousBuild, previousReference } from "./previous-build.js";
import { WorkingClient } from "./working-client.js";

/** A license with many seats, held alike by all three: both clients hold one to the end. */
const KEPT = { firmCode: 6_000_010, productCode: 20 };
const SHOWN_FAULTS = 10;

interface Step {
  readonly what: string;
  readonly wholeMs: number;
  readonly longestMs: number;
  readonly protocols: string;
}

class Upgrade {
  readonly #previous: PreviousBuild;
  readonly #plant: Plant;
  readonly #builds: { readonly old: Processes; readonly new: Processes };
  readonly #steps: Step[] = [];
  #clients: WorkingClient[] = [];

  constructor(previous: PreviousBuild, plant: Plant) {
    this.#previous = previous;
    this.#plant = plant;
    this.#builds = {
      old: new Processes(previous.program, plant.logDir),
      new: new Processes(programFile, plant.logDir),
    };
  }

  async run(): Promise<string[]> {
    const { upstreams, servers, system } = this.#plant;
    for (const process of [...upstreams, ...servers]) this.#builds.old.start(process);
    await this.#whole();
    const options = { system: system.systemFile };
    const ofOld = (await import(this.#file("ts/index.js"))) as { connect: typeof connect };
    this.#clients = [
      await WorkingClient.start("old client", ofOld.connect, options, KEPT, KEPT),
      await WorkingClient.start("new client", connect, options, KEPT, KEPT),
    ];
    const holder = await connect(options);
    await holder.access(ONE_SEAT);
    for (const upstream of upstreams) await this.#replace(upstream, "old", "new");
    const passive = (await this.#statuses()).find(({ role }) => role === "passive")?.name;
    const order = [...servers].sort((a) => (a.name === passive ? -1 : 1));
    for (const server of order) await this.#replace(server, "old", "new");
    await this.#replace(upstreams[1], "new", "old");
    await this.#replace(upstreams[1], "old", "new");
    await this.#allSpeak(2);
    for (const client of this.#clients) await client.stop();
    const faults = this.#clients.flatMap(({ name, errors }) => errors.map((error) => `${name}: ${error}`));
    const item = (await holder.items()).find(({ productCode }) => productCode === ONE_SEAT.productCode);
    if (item?.used !== 1) faults.push(`the seat that was held throughout: expected 1 used, received ${item?.used}`);
    const kept = (await holder.items()).find(({ productCode }) => productCode === KEPT.productCode);
    if (kept?.used !== 0) faults.push(`seats given back: expected 0 used, received ${kept?.used}`);
    await holder.close();
    return faults;
  }

  /**
   * Builds that declare no common version: the server that is replaced is refused by name, the others serve, and it
   * comes back as it was.
   */
  async runRefused(): Promise<string[]> {
    const { upstreams, servers, system } = this.#plant;
    for (const process of [...upstreams, ...servers]) this.#builds.old.start(process);
    await this.#whole();
    this.#clients = [await WorkingClient.start("new client", connect, { system: system.systemFile }, KEPT, KEPT)];
    const [, , third] = upstreams;
    await this.#builds.old.stop(third.name);
    this.#builds.new.start(third);
    await until("a refusal that names both ranges", async () => {
      const active = (await this.#statuses()).find(({ role }) => role === "active");
      const saysIt = active?.upstreams[2]?.lastFault.includes("no common version") === true;
      // A build without a hello cannot say so: then the new one does, in its log.
      return saysIt || this.#log(third.name).includes("no common version") ? true : null;
    });
    await this.#builds.new.stop(third.name);
    this.#builds.old.start(third);
    await this.#whole();
    for (const client of this.#clients) await client.stop();
    return this.#clients.flatMap(({ name, errors }) => errors.map((error) => `${name}: ${error}`));
  }

  #log(name: string): string {
    return readFileSync(join(this.#plant.logDir, `${name}.log`), "utf8");
  }

  async stop(): Promise<void> {
    await Promise.all([this.#builds.old.stopAll(), this.#builds.new.stopAll()]);
  }

  text(): string {
    const rows = this.#steps.map((step) => [
      step.what,
      `${step.wholeMs.toFixed(0)} ms`,
      `${step.longestMs.toFixed(0)} ms`,
      step.protocols,
    ]);
    const columns = [
      { title: "REPLACED" },
      { title: "WHOLE AGAIN", align: "right" },
      { title: "LONGEST CALL", align: "right" },
      { title: "PROTOCOL WITH UPSTREAM 1, 2, 3" },
    ] as const;
    const calls = this.#clients.reduce((sum, client) => sum + client.calls, 0);
    if (rows.length === 0) return `refused by name\n${calls} calls of ${this.#clients.length} clients\n`;
    return `${tableText({ colour: false }, columns, rows)}\n${calls} calls of ${this.#clients.length} clients\n`;
  }

  logs(): string {
    return [...this.#plant.upstreams, ...this.#plant.servers]
      .map(({ name }) => `--- ${name}\n${readFileSync(join(this.#plant.logDir, `${name}.log`), "utf8").slice(-3000)}`)
      .join("\n");
  }

  async #replace(process: ProcessDescription, from: "old" | "new", to: "old" | "new"): Promise<void> {
    for (const client of this.#clients) client.takeLongestMs();
    await this.#builds[from].stop(process.name);
    const startMs = performance.now();
    this.#builds[to].start(process);
    const active = await this.#whole();
    this.#steps.push({
      what: `${process.name} by the ${to} build`,
      wholeMs: performance.now() - startMs,
      longestMs: Math.max(...this.#clients.map((client) => client.takeLongestMs())),
      protocols: active.upstreams.map(({ protocol }) => protocol ?? "-").join(" "),
    });
  }

  /** Resolves to the active server's status once nothing is missing. */
  #whole(): Promise<ServerStatus> {
    return until("a whole system", async () => {
      const statuses = await this.#statuses();
      const active = statuses.find(({ role }) => role === "active");
      const passive = statuses.find(({ role, peer }) => role === "passive" && peer.connected);
      const inStep = active?.upstreams.filter(({ state }) => state === "streaming").length ?? 0;
      return active !== undefined && passive !== undefined && inStep === 3 ? active : null;
    });
  }

  #allSpeak(protocol: number): Promise<true> {
    return until(`protocol ${protocol} with all upstreams`, async () => {
      const active = (await this.#statuses()).find(({ role }) => role === "active");
      return active?.upstreams.every((upstream) => upstream.protocol === protocol) === true ? true : null;
    });
  }

  async #statuses(): Promise<ServerStatus[]> {
    const { servers, clientKey } = this.#plant.system.system;
    const asked = servers.map(({ clients }) => queryStatus(clients, clientKey, 1_000).catch(() => null));
    return (await Promise.all(asked)).filter((status) => status !== null);
  }

  #file(path: string): string {
    return pathToFileURL(join(this.#previous.dist, path)).href;
  }
}

/** What the earlier build says of itself. */
async function versionsOfPrevious({ dist }: PreviousBuild): Promise<Versions> {
  const file = join(dist, "ts/wire/hello.js");
  if (!existsSync(file)) return silentVersions;
  const hello = (await import(pathToFileURL(file).href)) as { versionsOf(release: string): Versions };
  return hello.versionsOf("the earlier build");
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { from: { type: "string" } } });
  const reference = values.from ?? previousReference();
  const previous = buildPrevious(reference);
  const folder = mkdtempSync(join(tmpdir(), "tmr-upgrade-"));
  try {
    process.stdout.write(`From ${reference}, commit ${previous.commit.slice(0, 12)}, to this build.\n\n`);
    // Files that the earlier build wrote are what an installation of it has.
    const module = pathToFileURL(join(previous.dist, "ts/cli/demo/plant.js")).href;
    const { buildPlant } = (await import(module)) as { buildPlant(dir: string): Promise<Plant> };
    const upgrade = new Upgrade(previous, await buildPlant(folder));
    const agreed = agree(versionsOf("this build"), await versionsOfPrevious(previous));
    if (typeof agreed === "string") process.stdout.write(`Declared: ${agreed}\n\n`);
    let faults: string[];
    try {
      faults = await (typeof agreed === "string" ? upgrade.runRefused() : upgrade.run());
    } catch (error) {
      process.stdout.write(`${upgrade.logs()}\n`);
      throw error;
    } finally {
      await upgrade.stop();
    }
    process.stdout.write(upgrade.text());
    for (const fault of faults.slice(0, SHOWN_FAULTS)) process.stdout.write(`FAILED  ${fault}\n`);
    process.stdout.write(`${faults.length} errors\n`);
    return faults.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
    previous.remove();
  }
}

process.exitCode = await main();
