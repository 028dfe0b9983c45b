/**
 * Whoever runs the system: now and then takes a handle away, sets another access list, names another user, and has what
 * happens tracked and written down. Each record goes to the server that leads, if there is one.
 */
import type { CommandOutcome } from "../../ts/server/commands.js";
import { Kind, Status, statusName } from "../../ts/wire/kinds.js";
import type { SystemAnswer, SystemRecord } from "../../ts/wire/system-record.js";
import type { NaiveRule } from "../support/naive-license.js";
import { EventReader } from "./event-reader.js";
import { kindName } from "./observer.js";
import type { Random } from "./random.js";
import type { ServerNode } from "./server-node.js";
import { FIRM, NAMED_PRODUCT } from "./system.js";
import type { World } from "./world.js";

/** The lists that are set: seats kept, limited and denied, for all licenses and for some. */
const accessLists: readonly (readonly NaiveRule[])[] = [
  [],
  [],
  [{ kind: "user", value: "anna", effect: "allow", reserved: 1 }],
  [
    { kind: "host", value: "host0", effect: "allow", reserved: 1, limit: 2 },
    { kind: "user", value: "cleo", effect: "allow", reserved: 1 },
    { kind: "default", value: "", effect: "allow", limit: 2 },
  ],
  [
    { kind: "user", value: "bert", effect: "deny" },
    { kind: "default", value: "", effect: "allow", reserved: 1 },
  ],
  [
    { productCode: 2, kind: "user", value: "anna", effect: "allow", reserved: 2 },
    { productCode: 3, kind: "host", value: "host1", effect: "allow", reserved: 3 },
    { productCode: 3, kind: "default", value: "", effect: "allow", limit: 3 },
    { productCode: 4, kind: "host", value: "host0", effect: "deny" },
    { kind: "user", value: "bert", effect: "allow", limit: 1 },
  ],
  [
    { productCode: 1, kind: "user", value: "cleo", effect: "allow" },
    { productCode: 1, kind: "default", value: "", effect: "deny" },
    { productCode: 10, kind: "default", value: "", effect: "allow", limit: 1 },
  ],
];

/** An answer to a question for events that has not come after so long will not come. */
const ANSWER_MS = 3_000;

export class Administrator {
  readonly #world: World;
  readonly #random: Random;
  readonly #reader: EventReader;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #finishing = false;
  finished: boolean;

  constructor(world: World, random: Random) {
    this.#world = world;
    this.#random = random;
    this.#reader = new EventReader(world.observer);
    this.finished = world.plan.adminMs === 0;
  }

  begin(): void {
    if (!this.finished) this.#later(this.#random.around(this.#world.plan.adminMs));
  }

  /** Everything that was tracked is read to its end, whatever was asked before. */
  finish(): void {
    if (this.finished) return;
    this.#finishing = true;
    this.#later(0);
  }

  #later(ms: number): void {
    const isFinishing = this.#finishing;
    this.#world.timeline.after(ms, () => {
      if (this.finished || isFinishing !== this.#finishing) return;
      if (isFinishing) this.#read();
      else this.#act();
      this.#later(isFinishing ? 100 : this.#random.around(this.#world.plan.adminMs));
    });
  }

  #act(): void {
    const random = this.#random;
    const dice = random.float();
    if (dice < 0.3) this.#read();
    else if (dice < 0.55) this.#cancel();
    else if (dice < 0.75) this.#setAccessList(random.pick(accessLists));
    else if (dice < 0.8) this.#propose({ kind: Kind.readAccessList });
    else if (dice < 0.85) this.#setNamedUser();
    else this.#propose({ kind: Kind.tracking, quantity: random.chance(0.85) ? 1 : 0, mode: random.int(0, 2) });
  }

  /** Any that some client has heard of, mostly one that is still there. */
  #cancel(): void {
    const handles = this.#world.clients.flatMap(({ held, waits, lent }) => [...held.keys(), ...waits, ...lent.keys()]);
    if (handles.length > 0) this.#propose({ kind: Kind.cancelHandle, handle: this.#random.pick(handles) });
  }

  #setAccessList(rules: readonly NaiveRule[]): void {
    const document = {
      format: "tmr-access-list/1",
      groups: {},
      rules: rules.map((rule) =>
        rule.productCode === undefined ? { level: "global", ...rule } : { level: "product", firmCode: FIRM, ...rule },
      ),
    };
    this.#propose({ kind: Kind.setAccessList, blob: Buffer.from(JSON.stringify(document)) });
  }

  #setNamedUser(): void {
    const license = { firmCode: FIRM, productCode: NAMED_PRODUCT, itemRef: NAMED_PRODUCT };
    const user = this.#random.pick(["anna", "bert", "cleo", ""]);
    this.#propose({ kind: Kind.setNamedUser, ...license, blob: Buffer.from(user) });
  }

  /** Acknowledges what is written down, and reads on. */
  #read(): void {
    if (this.#world.nowMs < this.#askedAtMs + ANSWER_MS) return;
    const carriedTo = this.#world.observer.carriedTo;
    const isAsked = this.#propose({ kind: Kind.events, ...this.#reader.acknowledgement() }, ({ blob }) => {
      const isEmpty = this.#reader.take(Buffer.from(blob).toString("utf8"));
      if (!isEmpty) return;
      this.#reader.end(carriedTo);
      if (this.#finishing) this.finished = true;
    });
    if (isAsked) this.#askedAtMs = this.#world.nowMs;
  }

  #propose(record: SystemRecord, done: (answer: SystemAnswer) => void = () => {}): boolean {
    const server = this.#world.servers.find(({ active }) => active);
    if (server === undefined) return false;
    this.#world.say(`administrator asks ${server.name}: ${kindName(record.kind)}`);
    server.command(record, (outcome) => this.#settled(server, record, outcome, done));
    return true;
  }

  #settled(
    server: ServerNode,
    { kind }: SystemRecord,
    outcome: CommandOutcome,
    done: (answer: SystemAnswer) => void,
  ): void {
    const { observer } = this.#world;
    if (kind === Kind.events) this.#askedAtMs = Number.NEGATIVE_INFINITY;
    if (typeof outcome === "string") {
      this.#world.count(`administrator ${kindName(kind)} ${outcome}`);
      return;
    }
    this.#world.count(`administrator ${kindName(kind)} ${statusName(outcome.result.status)}`);
    // What the observer has not seen carried, because the server leads no more, it cannot judge.
    observer.server(server);
    if (server.core.leader.phase !== "active") return;
    if (!observer.model.isSystemResult(outcome.result, outcome.blob)) {
      observer.fail("S5", `the administrator was answered ${kindName(kind)} as no carried batch says`);
    }
    if (outcome.result.status === Status.ok) done(outcome);
  }
}
