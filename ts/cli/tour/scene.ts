/** Where the rules of the tour are played: real servers, and the sessions that one rule opened. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { type ConnectOptions, connect } from "../../client/connect.js";
import type { Handle } from "../../client/handle.js";
import type { AccessOptions, Item, Session } from "../../client/session.js";
import { FIRM_CODE } from "../demo/licenses.js";
import type { Plant } from "../demo/plant.js";
import type { Processes } from "../demo/processes.js";

/** Servers that are running. */
export interface Stage {
  readonly name: string;
  /** for whatever a rule writes */
  readonly dir: string;
  /** the public key of the firm that issued all licenses, base64url */
  readonly firmKey: string;
  /** state folders of all servers that write license tracking */
  readonly stateFolders: readonly string[];
  /** what clients know them by */
  readonly systemFile: string;
  /** configuration of the server that is active now: where an administrator asks */
  activeConfig(): Promise<string>;
  /** of a TMR system */
  readonly plant: Plant | null;
  readonly processes: Processes;
  /** Kills the server that is active now and starts it again; resolves when clients are served. */
  restart(): Promise<void>;
}

/** What is added to the configuration of a server that writes license tracking. */
export const trackingToml = "\n[tracking]\nenabled = true\n";

/** The public key of the firm that issued the licenses of a stage. */
export function firmKeyOf({ firms }: { readonly firms: readonly { readonly key: Buffer }[] }): string {
  return firms[0]?.key.toString("base64url") ?? "";
}

const PATIENCE_MS = 30_000;
const POLL_MS = 20;

/** Asks until there is an answer; throws when there is none for too long. */
export async function awaited<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > endMs) throw new Error(`${what}: not within ${PATIENCE_MS / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export class Scene {
  readonly stage: Stage;
  readonly #sessions: Session[] = [];

  constructor(stage: Stage) {
    this.stage = stage;
  }

  /** A session of its own; every person of the tour has one. */
  async session(options: Partial<Omit<ConnectOptions, "system" | "servers" | "serverKey">> = {}): Promise<Session> {
    const defaults = { program: "tour", host: "pc-1", user: "anna", suspectMs: 300 };
    const session = await connect({ system: this.stage.systemFile, ...defaults, ...options });
    this.#sessions.push(session);
    return session;
  }

  /** An access in the session of this person. */
  async access(productCode: number, options: Partial<AccessOptions> = {}, session?: Session): Promise<Handle> {
    return (session ?? (await this.session())).access({ firmCode: FIRM_CODE, productCode, ...options });
  }

  /** The license with this code as lists show it; undefined when none does. */
  async item(productCode: number): Promise<Item | undefined> {
    const session = this.#sessions[0] ?? (await this.session());
    return (await session.items()).find((item) => item.productCode === productCode);
  }

  /** The license with this code as lists show it, in words. */
  async useText(productCode: number): Promise<string> {
    const item = await this.item(productCode);
    return item === undefined ? "absent" : `${item.used} taken, ${item.free} free`;
  }

  /** A path for a file that no other rule uses. */
  newFile(): string {
    return join(mkdtempSync(join(this.stage.dir, "files-")), "file");
  }

  /** Asks until the answer is there: whether it comes is the rule, not when. */
  eventually<T>(ask: () => Promise<T | null>): Promise<T> {
    return awaited("this rule", ask);
  }

  /** Ends what the rule opened, so that the next one finds all seats free. */
  async close(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.close()));
  }
}
