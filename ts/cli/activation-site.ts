/**
 * Where a command activates licenses. On the machine of a license server by its files, whether it runs or not; for a TMR
 * system through its active server, one upstream after the other, each of them counting again before the next.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type ActivationSite, type Context, hasUpdate, readUpdate, verifyContext } from "../activation/index.js";
import type { ControlClient } from "../admin/control-client.js";
import type { ShownContext } from "../admin/control-protocol.js";
import { isStandaloneConfig, loadServerConfig, loadStandaloneConfig, loadUpstreamConfig } from "../config/index.js";
import { isServerConfig } from "../config/state-folder.js";
import { TmrError } from "../errors.js";
import { contextOf } from "../importing/folder.js";
import { type Holder, standaloneHolder, upstreamHolder } from "../importing/holder.js";
import { importUpdate } from "../importing/import.js";
import { controlClient } from "./control.js";

/** What a person is told while it goes on. */
export type Progress = (text: string) => void;

/** How long an upstream may take to count again with its update. */
const CONFIRM_MS = 60_000;
const POLL_MS = 50;

/** The site of a configuration file. Throws what loading it throws. */
export async function activationSite(config: string, progress: Progress): Promise<ActivationSite> {
  if (isServerConfig(config)) {
    const { system } = loadServerConfig(config);
    return new GroupSite(await controlClient(config), system.firms, progress);
  }
  return new FileSite(holderOf(config));
}

/** The state folder of the server that a configuration file is of. */
export function stateFolderOf(config: string): string {
  return isServerConfig(config) ? loadServerConfig(config).state : holderOf(config).state;
}

function holderOf(config: string): Holder {
  if (isStandaloneConfig(config)) return standaloneHolder(loadStandaloneConfig(config));
  return upstreamHolder(loadUpstreamConfig(config));
}

/** One license server, by its files. */
class FileSite implements ActivationSite {
  readonly #holder: Holder;
  constructor(holder: Holder) {
    this.#holder = holder;
  }

  get firms() {
    return this.#holder.trust.firms;
  }

  async contexts(): Promise<readonly string[]> {
    return [await contextOf(this.#holder, Date.now())];
  }

  async apply(_context: Context, update: string): Promise<"applied" | "there"> {
    return (await importUpdate(this.#holder, update)).outcome;
  }
}

/** The three upstreams of a TMR system, through its active server. */
class GroupSite implements ActivationSite {
  readonly firms: ActivationSite["firms"];
  readonly #client: ControlClient;
  readonly #progress: Progress;

  constructor(client: ControlClient, firms: ActivationSite["firms"], progress: Progress) {
    this.#client = client;
    this.firms = firms;
    this.#progress = progress;
  }

  async contexts(): Promise<readonly string[]> {
    return (await this.#all()).map(({ context }) => context);
  }

  async apply(context: Context, update: string): Promise<"applied" | "there"> {
    const upstream = await this.#upstreamOf(context);
    this.#progress(`${context.name}: applying the update`);
    const outcome = await this.#client.applyUpdate(upstream, update);
    await this.#confirmed(upstream, context, update);
    this.#progress(`${context.name}: ${outcome === "applied" ? "has it and counts" : "had it already and counts"}`);
    return outcome;
  }

  /** Contexts of all three, each of which must have one. */
  async #all(): Promise<readonly ShownContext[]> {
    const contexts = await this.#client.contexts();
    const faults = contexts.flatMap(({ fault }) => (fault === "" ? [] : [fault]));
    if (faults.length === 0) return contexts;
    throw new TmrError("ERR_TMR_STATE", `all three upstreams are needed, nothing was begun: ${faults.join("; ")}`);
  }

  async #upstreamOf({ holder, name }: Context): Promise<1 | 2 | 3> {
    for (const { upstream, context } of await this.#all()) {
      if ((await verifyContext(context)).holder === holder) return upstream;
    }
    throw new TmrError("ERR_TMR_STATE", `${name} is no upstream of this system any more`);
  }

  /** What an upstream holds now is in its statement, that is carried, and it votes: only then is the next one touched. */
  async #confirmed(upstream: 1 | 2 | 3, { name }: Context, jws: string): Promise<void> {
    const update = readUpdate(jws);
    const endMs = performance.now() + CONFIRM_MS;
    for (;;) {
      const said = (await this.#client.contexts()).find((each) => each.upstream === upstream);
      if (said?.counts === true && hasUpdate(await verifyContext(said.context), update)) return;
      if (performance.now() >= endMs) {
        const fault = said?.fault === "" ? "what it holds is not stated in the log yet" : said?.fault;
        throw new TmrError(
          "ERR_TMR_TIMEOUT",
          `${name} has the update and does not count with it after ${CONFIRM_MS / 1_000} s (${fault ?? "no answer"}); ` +
            "the others were left as they are: see tmr status, then run this again",
        );
      }
      await sleep(POLL_MS);
    }
  }
}
