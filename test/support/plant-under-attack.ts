/** A running plant that a test sends bad input to, and what must still be true of it afterwards. */
import assert from "node:assert/strict";
import { connect, type Session } from "../../ts/index.js";
import { HostilePeer } from "./hostile-peer.js";
import { present } from "./native-engine.js";
import { type Counters, type Port, portsOf, upstreamStatus } from "./ports-under-attack.js";
import { ONE_SEAT, RunningPlant, until } from "./running-plant.js";

/** Patience of honest requests: a machine may be slow, which is no verdict on the servers. */
export const PATIENCE = { requestTimeoutMs: 60_000 };

export class PlantUnderAttack {
  readonly running: RunningPlant;
  readonly honest: Session;
  readonly ports: { readonly client: Port; readonly twin: Port; readonly upstream: Port };
  /** process ids by name, as the processes say */
  #pids: ReadonlyMap<string, number> = new Map();
  #epoch = 0;

  private constructor(running: RunningPlant, honest: Session, twin: 0 | 1) {
    this.running = running;
    this.honest = honest;
    this.ports = portsOf(running, twin);
  }

  static async start(): Promise<PlantUnderAttack> {
    const running = await RunningPlant.start();
    const honest = await connect({ system: running.systemFile, ...PATIENCE });
    const plant = new PlantUnderAttack(running, honest, (await running.active()).twin === 0 ? 0 : 1);
    await plant.accept();
    return plant;
  }

  async stop(): Promise<void> {
    await this.honest.close();
    await this.running.stop();
  }

  get allPorts(): readonly Port[] {
    return [this.ports.client, this.ports.twin, this.ports.upstream];
  }

  /** The two ports where a peer without a key of its own may speak. */
  get clientPorts(): readonly Port[] {
    return [this.ports.client, this.ports.upstream];
  }

  /** Process and epoch changes up to now were meant. */
  async accept(): Promise<void> {
    this.#pids = await this.#processIds();
    this.#epoch = (await this.running.active()).epoch;
  }

  /** Others get their license, from the same five processes, and no server took over. */
  async assertUnharmed(): Promise<void> {
    try {
      await this.serveOthers();
      await this.running.whole();
      assert.deepEqual(await this.#processIds(), this.#pids);
      assert.equal((await this.running.active()).epoch, this.#epoch);
    } catch (error) {
      throw new Error(`after bad input\n${this.running.logs()}`, { cause: error });
    }
  }

  async serveOthers(): Promise<void> {
    const handle = await this.honest.access(ONE_SEAT);
    await handle.release();
  }

  /** Process id of a port's process. */
  pidOf(port: Port): number {
    const { servers } = this.running.plant.system.system;
    return present(this.#pids.get(port === this.ports.upstream ? "upstream-2" : servers[port.server].name));
  }

  async #processIds(): Promise<Map<string, number>> {
    const servers = await until("two servers", async () => {
      const statuses = await this.running.statuses();
      return statuses.length === 2 ? statuses : null;
    });
    const upstreams = await Promise.all(([1, 2, 3] as const).map((id) => upstreamStatus(this.running, id)));
    return new Map([...servers, ...upstreams].map(({ name, pid }) => [name, pid]));
  }
}

/** Runs the attack; returns by how much each counter of the port's process went up. */
export async function counted(port: Port, attack: () => Promise<void>): Promise<Counters> {
  const before = await port.counters();
  await attack();
  const after = await port.counters();
  return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]));
}

/** Writes bytes without a handshake and waits until the port has closed. */
export async function sendAndAwaitClose(port: Port, ...chunks: readonly Uint8Array[]): Promise<void> {
  const peer = await HostilePeer.connect(port.address);
  for (const chunk of chunks) peer.write(chunk);
  await peer.closed;
}

/** A peer with a genuine session at this port. */
export function shakeHands(port: Port): Promise<HostilePeer> {
  return HostilePeer.shakeHands(port.address, port.speech);
}
