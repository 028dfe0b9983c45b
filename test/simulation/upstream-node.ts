/** An upstream of the simulation: the production replica on a disk that may fail, with containers and a wall clock. */
import { StoreDamageError } from "../../ts/store/store.js";
import { Inbox } from "../../ts/upstream/inbox.js";
import { Replica } from "../../ts/upstream/replica.js";
import { type HeldContainer, StatementSigner } from "../../ts/upstream/statement.js";
import { Disk } from "./disk.js";
import type { Liar } from "./liar.js";
import type { End, EndHandlers, Purpose } from "./network.js";
import { Process } from "./process.js";
import {
  EPOCH_MS,
  firstContainer,
  genesisHash,
  licenseStates,
  sha256,
  signingKeys,
  type UpstreamId,
} from "./system.js";
import type { World } from "./world.js";

const SYNC_EVERY_MS = 150;

interface Link {
  readonly number: number;
  readonly end: End;
}

export class UpstreamNode extends Process {
  replica!: Replica;
  readonly disk: Disk;
  readonly signer: StatementSigner;
  /** how wrong the wall clock is, ms */
  clockErrorMs = 0;
  liar: Liar | null = null;
  #nextLink = 1;
  #inbox = new Inbox<Link>();

  constructor(
    world: World,
    readonly id: UpstreamId,
  ) {
    super(world, `up${id}`);
    this.disk = new Disk({ upstream: id, genesisDigest: genesisHash }, world.simRules, () => world.random.bytes(16));
    this.signer = new StatementSigner(id, signingKeys[id - 1] as (typeof signingKeys)[number]);
    this.signer.containers = [firstContainer(id)];
  }

  get clockMs(): number {
    return Math.max(0, Math.floor(EPOCH_MS + this.world.nowMs + this.clockErrorMs));
  }

  protected started(): void {
    this.#inbox = new Inbox<Link>();
    try {
      this.replica = this.#recovered();
    } catch (error) {
      if (!(error instanceof StoreDamageError)) throw error;
      this.world.say(`${this.name} finds its store damaged`);
      this.world.count("damaged store found");
      this.disk.replace();
      this.replica = this.#recovered();
    }
    this.disk.takeWrites();
    if (!this.world.simRules.fsyncBeforeReply) this.#syncLater();
  }

  protected stopped(): void {
    this.disk.powerLost();
  }

  /** Something else is in the containers now. */
  hold(container: HeldContainer): void {
    this.signer.containers = [container];
    if (this.up) this.receive(() => this.replica.containersChanged());
  }

  accept(end: End, purpose: Purpose): EndHandlers | null {
    if (purpose !== "link") return null;
    const link: Link = { number: this.#nextLink++, end };
    this.replica.connected(link.number);
    return {
      message: (bytes) => {
        // As in production: what came while the disk was busy is taken together, once all of it has been read.
        if (this.#inbox.put(link, bytes)) this.later(0, () => this.#takeArrived());
      },
      closed: () => this.replica.disconnected(link.number),
    };
  }

  #recovered(): Replica {
    const { rules, plan } = this.world;
    return new Replica({
      upstream: this.id,
      store: this.disk.open(),
      states: licenseStates(rules),
      sha256,
      statement: (version) => this.signer.make(version),
      rules,
      snapshots: plan.snapshots,
    });
  }

  #takeArrived(): void {
    const { life } = this;
    for (const { link, messages } of this.#inbox.take()) {
      this.receive(() => {
        if (this.life === life) this.#take(link, messages);
      });
    }
  }

  #take({ end, number }: Link, messages: readonly Buffer[]): void {
    const replies = this.#replies(messages, number);
    if (replies === null) return;
    this.world.observer.replica(this);
    const told = this.liar === null ? replies : this.liar.told(replies);
    const writes = this.disk.takeWrites();
    if (writes === 0) {
      for (const reply of told) end.send(reply);
      return;
    }
    // The write takes its time; a process that dies meanwhile has written and said nothing.
    const { life } = this;
    this.busyFor(writes * this.disk.latencyMs);
    this.world.timeline.at(this.busyUntilMs, () => {
      if (this.life !== life || !this.up) return;
      for (const reply of told) end.send(reply);
    });
  }

  /** A store that must be set aside is replaced by a blank one, and the upstream starts anew on it. */
  #replies(messages: readonly Buffer[], link: number): Buffer[] | null {
    try {
      return this.replica.receiveAll(messages, link, this.nowMs, this.clockMs);
    } catch (error) {
      if (!(error instanceof StoreDamageError)) throw error;
      this.world.say(`${this.name} sets its store aside: ${error.message}`);
      this.world.count("store set aside");
      this.crash();
      this.disk.replace();
      this.start();
      return null;
    }
  }

  #syncLater(): void {
    this.later(SYNC_EVERY_MS, () => {
      this.disk.sync();
      this.#syncLater();
    });
  }
}
