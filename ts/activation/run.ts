/**
 * An activation from its ticket to its receipt, in the order of its steps. Each step may be repeated: whoever is
 * interrupted begins again, and what is there already is passed over.
 */
import type { FirmEntry } from "../config/system.js";
import { judge } from "./apply.js";
import { type Context, hasUpdate, verifyContext } from "./context.js";
import { refused } from "./signed.js";
import { type Update, verifyUpdate } from "./update.js";

/** Where an activation was interrupted. */
export interface SavedActivation {
  /** `downloaded`: the updates are here; `applied`: they are in their containers, Central has no receipt */
  readonly step: "downloaded" | "applied";
  readonly updates: readonly string[];
  /** as Central answered */
  readonly more: boolean;
}

/** What Central answers to contexts. */
export interface DeskAnswer {
  readonly updates: readonly string[];
  /** behind these updates another one waits */
  readonly more: boolean;
}

/** Where updates are applied: one license server, or the three of a TMR system. */
export interface ActivationSite {
  readonly firms: readonly FirmEntry[];
  /** signed contexts, in the order in which updates are applied */
  contexts(): Promise<readonly string[]>;
  /**
   * Applies an update at the server of this context, and resolves once that server counts with it. What is there
   * already is passed over.
   */
  apply(context: Context, update: string): Promise<"applied" | "there">;
}

/** Where the ticket is redeemed. */
export interface ActivationDesk {
  activate(contexts: readonly string[]): Promise<DeskAnswer>;
  receipts(contexts: readonly string[]): Promise<void>;
}

/** What is remembered between the steps. */
export interface ActivationMemory {
  load(): SavedActivation | null;
  save(saved: SavedActivation): void;
  forget(): void;
}

/** One update where it belongs. */
export interface PlannedUpdate {
  readonly context: Context;
  readonly jws: string;
  readonly update: Update;
  readonly state: "apply" | "there";
}

/** What became of one. */
export interface AppliedUpdate {
  readonly name: string;
  readonly container: string;
  readonly firmCode: number;
  readonly updateCounter: number;
  readonly outcome: "applied" | "there";
}

/** What is to be done with updates, before anything is: each must fit its server. Throws ERR_TMR_ACTIVATION. */
export async function planUpdates(
  contexts: readonly string[],
  updates: readonly string[],
  firms: readonly FirmEntry[],
): Promise<PlannedUpdate[]> {
  const known = await Promise.all(contexts.map(verifyContext));
  const planned: PlannedUpdate[] = [];
  for (const jws of updates) {
    const update = await verifyUpdate(jws, firms);
    const context = known.find(({ holder }) => holder === update.holder);
    if (context === undefined) {
      const here = known.map(({ name, holder }) => `${name} (key ${holder.slice(0, 8)}…)`).join(", ");
      throw refused(`the update is for another license server (key ${update.holder.slice(0, 8)}…) than ${here}`);
    }
    const container = context.containers.find((each) => each.container === update.container) ?? null;
    planned.push({ context, jws, update, state: judge(update, context, container) });
  }
  checkGroup(planned);
  const place = ({ context }: PlannedUpdate): number => known.indexOf(context);
  return planned.toSorted((a, b) => place(a) - place(b));
}

/** Updates that come together belong together: one for each server, of one firm and one template. */
function checkGroup(planned: readonly PlannedUpdate[]): void {
  const [first] = planned;
  if (first === undefined) throw refused("there is no update in it");
  planned.forEach(({ context, update }, i) => {
    if (planned.findIndex((other) => other.context === context) !== i) {
      throw refused(`two of the updates are for ${context.name}`);
    }
    for (const key of ["firmCode", "actId", "ticket"] as const) {
      if (update[key] !== first.update[key]) {
        throw refused(`the updates do not belong together: their ${key} is ${first.update[key]} and ${update[key]}`);
      }
    }
  });
}

/** Applies planned updates one after another; the first failure ends it, and what came before stays. */
export async function applyPlanned(
  planned: readonly PlannedUpdate[],
  site: Pick<ActivationSite, "apply">,
): Promise<AppliedUpdate[]> {
  const applied: AppliedUpdate[] = [];
  for (const { context, jws, update } of planned) {
    const outcome = await site.apply(context, jws);
    const { container, firmCode, updateCounter } = update;
    applied.push({ name: context.name, container, firmCode, updateCounter, outcome });
  }
  return applied;
}

/** The receipts of updates that were applied. Throws ERR_TMR_ACTIVATION where one does not have its update. */
export async function receiptsOf(planned: readonly PlannedUpdate[], site: ActivationSite): Promise<string[]> {
  const contexts = await site.contexts();
  const read = await Promise.all(contexts.map(verifyContext));
  for (const { update, context } of planned) {
    const receipt = read.find(({ holder }) => holder === context.holder);
    if (receipt !== undefined && hasUpdate(receipt, update)) continue;
    throw refused(`${context.name} does not have the update in container ${update.container}: apply it again`);
  }
  return [...contexts];
}

/** Redeems a ticket. Throws what its parts throw; begun again, it goes on where it stopped. */
export async function activate(
  ticket: string,
  site: ActivationSite,
  desk: ActivationDesk,
  memory: ActivationMemory,
): Promise<AppliedUpdate[]> {
  const all: AppliedUpdate[] = [];
  for (;;) {
    const contexts = await site.contexts();
    const { updates, more } = memory.load() ?? (await desk.activate(contexts));
    const planned = await planUpdates(contexts, updates, site.firms);
    for (const { update } of planned) {
      if (update.ticket !== ticket) throw refused("Central answered with an update of another ticket");
    }
    memory.save({ step: "downloaded", updates, more });
    all.push(...(await applyPlanned(planned, site)));
    memory.save({ step: "applied", updates, more });
    await desk.receipts(await receiptsOf(planned, site));
    memory.forget();
    if (!more) return all;
  }
}
