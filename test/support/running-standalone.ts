/** A standalone license server as a real process for tests, in a folder of its own. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ControlClient } from "../../ts/admin/control-client.js";
import type { LicenseDescription } from "../../ts/central/description.js";
import { createFirm } from "../../ts/central/firm.js";
import {
  type CreatedStandalone,
  type CreateStandaloneOptions,
  createStandalone,
} from "../../ts/central/found-standalone.js";
import { issueStandalone } from "../../ts/central/issue-standalone.js";
import { freePorts, Processes } from "../../ts/cli/demo/processes.js";
import { parseStandaloneStatus } from "../../ts/cli/standalone-text.js";
import { connect } from "../../ts/client/connect.js";
import { probeServer } from "../../ts/client/query-status.js";
import type { Session } from "../../ts/client/session.js";
import type { StandaloneStatus } from "../../ts/wire/server-status.js";
import { HostilePeer } from "./hostile-peer.js";
import { programFile, until } from "./running-plant.js";

const NAME = "license-server";

export class RunningStandalone {
  readonly server: CreatedStandalone;
  readonly #folder: string;
  readonly #central: string;
  readonly #processes: Processes;
  #pid = 0;

  private constructor(folder: string, server: CreatedStandalone, central: string) {
    this.#folder = folder;
    this.server = server;
    this.#central = central;
    this.#processes = new Processes(programFile, folder);
  }

  /** Founds a server, issues these licenses into it, and starts it. */
  static async start(
    licenses: readonly LicenseDescription[],
    options: CreateStandaloneOptions = {},
  ): Promise<RunningStandalone> {
    const folder = mkdtempSync(join(tmpdir(), "tmr-test-"));
    const central = join(folder, "central");
    const firm = createFirm(central, { firmCode: 6_000_010, name: "Test firm" });
    const [port] = await freePorts(1);
    const address = `127.0.0.1:${port}`;
    const running = new RunningStandalone(
      folder,
      createStandalone(join(folder, "srv"), { address, firms: [firm], name: NAME, ...options }),
      central,
    );
    await running.issue(licenses);
    await running.startAgain();
    return running;
  }

  get address(): string {
    return this.server.standalone.address;
  }

  get pid(): number {
    return this.#pid;
  }

  /** A new container of these licenses in the server's folder. */
  async issue(licenses: readonly LicenseDescription[]): Promise<string> {
    const { systemFile: system, containerDir: folder } = this.server;
    return (await issueStandalone({ dir: this.#central, system, licenses, folder, as: "new" })).container;
  }

  async startAgain(): Promise<void> {
    this.#pid = this.#processes.start({ name: NAME, role: "upstream", config: this.server.serverFile });
    await until("the server answers", () => this.status(), 60_000);
  }

  /** kill -9 */
  kill(): Promise<void> {
    return this.#processes.kill(NAME);
  }

  get isRunning(): boolean {
    return this.#processes.isRunning(NAME);
  }

  async status(): Promise<StandaloneStatus> {
    const { document } = await probeServer(this.address, this.server.standalone.key, 2_000);
    return parseStandaloneStatus(document, this.address);
  }

  connect(user = "user"): Promise<Session> {
    return connect({ system: this.server.systemFile, user, suspectMs: 5_000, requestTimeoutMs: 60_000 });
  }

  /** A peer that has shaken hands and then does what it likes. */
  peer(): Promise<HostilePeer> {
    const remoteStaticKey = this.server.standalone.key;
    return HostilePeer.shakeHands(this.address, { pattern: "NK", purpose: "client", remoteStaticKey });
  }

  /** The server's control socket. */
  control(): ControlClient {
    return new ControlClient(join(this.server.dir, "server", "state"), 10_000);
  }

  /** What the process logged, for the message of a failed test. */
  log(): string {
    return readFileSync(join(this.#folder, `${NAME}.log`), "utf8").slice(-4000);
  }

  async stop(): Promise<void> {
    await this.#processes.stopAll();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
