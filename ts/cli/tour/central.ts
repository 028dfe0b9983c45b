/**
 * `tmr tour-central`, which is `npm run tour:central`: an order becomes a ticket, the ticket licenses on a running TMR system,
 * the order is changed, an upstream is lost and replaced, and Central has every receipt; with clients at work throughout.
 */
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { connect } from "../../client/connect.js";
import { queryStatus } from "../../client/query-status.js";
import { TmrError } from "../../errors.js";
import type { ServerStatus } from "../../wire/server-status.js";
import type { CliContext } from "../context.js";
import { FIRM_CODE } from "../demo/licenses.js";
import { buildPlant, type Plant } from "../demo/plant.js";
import { freePorts, type ProcessDescription, Processes } from "../demo/processes.js";
import type { Terminal } from "../terminal.js";
import { CentralOffice } from "./central-office.js";

const PRODUCT_CODE = 1;
const DEADLINE_MS = 60_000;
const POLL_MS = 50;
/** The plant's own licenses are put aside: all of the tour come by tickets. */
const setAside = '[[license]]\nid = "aside"\nproductCode = 99\n';

/** Adds the command. `programFile` is the CLI's own file, which the processes run. */
export function registerCentralTour(program: Command, { terminal }: CliContext, programFile: string): void {
  program
    .command("tour-central")
    .description("from an order to licenses, changed terms and a replaced upstream: real processes, clients at work")
    .action(async () => {
      const dir = mkdtempSync(join(tmpdir(), "tmr-tour-central-"));
      mkdirSync(join(dir, "logs"));
      const processes = new Processes(programFile, join(dir, "logs"));
      process.on("exit", () => processes.killAll());
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
      const tour = new CentralTour(terminal, dir, processes, programFile);
      try {
        await tour.play();
      } finally {
        await tour.end();
      }
      rmSync(dir, { recursive: true, force: true });
    });
}

class CentralTour {
  readonly #terminal: Terminal;
  readonly #dir: string;
  readonly #processes: Processes;
  readonly #programFile: string;
  readonly #errors: string[] = [];
  #plant: Plant | null = null;
  #accesses = 0;
  #working = true;
  #worker: Promise<void> | null = null;

  constructor(terminal: Terminal, dir: string, processes: Processes, programFile: string) {
    this.#terminal = terminal;
    this.#dir = dir;
    this.#processes = processes;
    this.#programFile = programFile;
  }

  async play(): Promise<void> {
    const plant = await buildPlant(this.#dir, { licenses: setAside });
    this.#plant = plant;
    for (const folder of plant.system.containerDirs) rmSync(join(folder, "plant.tmrc"));
    for (const one of [...plant.upstreams, ...plant.servers]) this.#processes.start(one);
    const [port = 0] = await freePorts(1);
    const centralDir = join(this.#dir, "central");
    const made = await this.#tmr("central", "token", "add", "tour", "--dir", centralDir, "--json");
    this.#processes.start({ name: "central", role: "central", config: centralDir, listen: `127.0.0.1:${port}` });
    const office = new CentralOffice(`http://127.0.0.1:${port}`, (JSON.parse(made) as { token: string }).token);
    await this.#until("Central answers", async () => office.isThere());
    await this.#until("the system is whole", async () => (await this.#streaming()) === 3);

    await office.putProduct("cad", { productCode: PRODUCT_CODE, quantity: 4, unitCounter: 100 });
    const { order, ticket } = await office.order("cad");
    this.#say("an order is a ticket", `order ${order}`);
    await this.#activate(ticket, office.url);
    const session = await connect({ system: plant.system.systemFile });
    const held = await session.access({ firmCode: FIRM_CODE, productCode: PRODUCT_CODE });
    await held.consume(7);
    this.#same("the ticket is 4 seats on three upstreams", (await held.info()).total, 4);
    this.#work();

    await office.change(order, "cad", 6);
    await this.#activate(ticket, office.url);
    this.#same("the order is changed: the same handle sees 6 seats", (await held.info()).total, 6);

    await this.#replaceUpstream2(plant, ticket, office.url);
    this.#same("upstream 2 is replaced: the handle is as it was", (await held.info()).total, 6);
    const [item] = await session.items();
    this.#same("units that were used stay used", item?.unitsUsed, 7);
    this.#same("all three hold it alike", (await this.#active()).oddLicenses, 0);
    const events = await office.events(order);
    const count = (what: string): number => events.filter((event) => event === what).length;
    const history = `${count("activated")} activated, ${count("updated")} updated, ${count("replaced")} replaced, ${count("receipt")} receipts`;
    this.#same("Central has every receipt", history, "3 activated, 3 updated, 1 replaced, 7 receipts");
    await this.#stopWork();
    this.#same(`${this.#accesses} accesses of a client at work, none failed`, this.#errors.length, 0);
    await held.release();
    await session.close();
  }

  async end(): Promise<void> {
    await this.#stopWork();
    await this.#processes.stopAll();
  }

  /** Each process is started again by itself; here the machines share one system.toml. */
  async #replaceUpstream2(plant: Plant, ticket: string, url: string): Promise<void> {
    const [first, lost, third] = plant.upstreams;
    const { systemFile } = plant.system;
    await this.#processes.kill(lost.name);
    rmSync(dirname(lost.config), { recursive: true });
    const folder = join(this.#dir, "replaced");
    await this.#tmr("replace-upstream", "--upstream", "2", "--system", systemFile, "--out", folder);
    copyFileSync(join(folder, "system.toml"), systemFile);
    for (const one of [first, third]) await this.#restart(one);
    const active = (await this.#active()).name;
    for (const one of plant.servers.toSorted((a, b) => Number(a.name === active) - Number(b.name === active))) {
      await this.#restart(one);
    }
    const config = join(folder, "upstream-2", "upstream.toml");
    this.#processes.start({ name: "upstream-2-new", role: "upstream", config });
    const more = ["--ticket", ticket, "--central", url];
    await this.#tmr("replace-upstream", "--upstream", "2", "-c", await this.#activeConfig(), ...more);
  }

  async #restart(one: ProcessDescription): Promise<void> {
    await this.#processes.kill(one.name);
    this.#processes.start(one);
    await this.#until(`${one.name} is back`, async () => {
      const statuses = await this.#statuses();
      return statuses.length === 2 && (await this.#streaming()) === 2;
    });
  }

  async #activate(ticket: string, url: string): Promise<void> {
    await this.#tmr("activate", ticket, "--central", url, "-c", await this.#activeConfig());
  }

  async #statuses(): Promise<ServerStatus[]> {
    const { servers, clientKey } = (this.#plant as Plant).system.system;
    const asked = await Promise.all(
      servers.map(({ clients }) => queryStatus(clients, clientKey, 1_000).catch(() => null)),
    );
    return asked.filter((status) => status !== null);
  }

  async #active(): Promise<ServerStatus> {
    let found: ServerStatus | undefined;
    await this.#until("a TMR server is active", async () => {
      found = (await this.#statuses()).find(({ role, quorum }) => role === "active" && quorum);
      return found !== undefined;
    });
    return found as ServerStatus;
  }

  async #activeConfig(): Promise<string> {
    const { name } = await this.#active();
    return (this.#plant as Plant).servers.find((server) => server.name === name)?.config ?? "";
  }

  async #streaming(): Promise<number> {
    const active = (await this.#statuses()).find(({ role }) => role === "active");
    return active?.upstreams.filter(({ state }) => state === "streaming").length ?? 0;
  }

  /** A client that takes a seat and gives it back, without a pause. */
  #work(): void {
    this.#worker = (async () => {
      const session = await connect({ system: (this.#plant as Plant).system.systemFile });
      while (this.#working) {
        try {
          await (await session.access({ firmCode: FIRM_CODE, productCode: PRODUCT_CODE })).release();
          this.#accesses++;
        } catch (error) {
          this.#errors.push(error instanceof Error ? error.message : String(error));
        }
      }
      await session.close();
    })();
  }

  async #stopWork(): Promise<void> {
    this.#working = false;
    await this.#worker;
  }

  async #until(what: string, ask: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + DEADLINE_MS;
    while (!(await ask())) {
      if (performance.now() >= endMs) throw this.#failed(`${what}: not within ${DEADLINE_MS / 1_000} s`);
      await sleep(POLL_MS);
    }
  }

  /** Runs `tmr` to its end. */
  #tmr(...args: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [this.#programFile, ...args], { stdio: ["ignore", "pipe", "pipe"] });
      let [out, err] = ["", ""];
      child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
      child.on("error", reject);
      child.on("close", (code) => {
        if (code === 0) resolve(out);
        else reject(this.#failed(`tmr ${args[0]} ended with ${code}: ${err}`));
      });
    });
  }

  #same(what: string, received: unknown, expected: unknown): void {
    if (received !== expected)
      throw this.#failed(`${what}: expected ${String(expected)}, received ${String(received)}`);
    this.#say(what, String(received));
  }

  #say(what: string, outcome: string): void {
    this.#terminal.out(`✓ ${what}\n    ${outcome}\n`);
  }

  #failed(why: string): TmrError {
    const first = this.#errors[0];
    const more = first === undefined ? "" : `; the client at work was told: ${first}`;
    return new TmrError("ERR_TMR_STATE", `${why}${more}; the logs are in ${join(this.#dir, "logs")}`);
  }
}
