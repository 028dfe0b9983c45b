/** A TMR server and keepalived: what the server says of itself, what keepalived says of the address, and what follows. */
import type { ServerConfig } from "../config/index.js";
import { type AddressDecision, AddressMachine, type AddressState, type AddressView } from "./address.js";
import { openNotifyFifo } from "./notify-fifo.js";
import { ServingFile } from "./serving-file.js";

/** What it asks of its server, and tells it. */
export interface VirtualIpPorts {
  /** What the server sees now, apart from the address. */
  view(nowMs: number): Omit<AddressView, "address">;
  takeOver(): void;
  /** For whoever reads the log. */
  say(level: "info" | "warn" | "error", text: string): void;
}

export interface VirtualIpOptions extends VirtualIpPorts {
  readonly trackFile: string;
  readonly notifyFifo: string;
  readonly suspectMs: number;
}

/** Null where no virtual address is configured. Throws ERR_TMR_FILE when the FIFO cannot be opened. */
export function startVirtualIp(
  { virtualIp, timing }: Pick<ServerConfig, "virtualIp" | "timing">,
  ports: VirtualIpPorts,
): VirtualIp | null {
  if (virtualIp === null) return null;
  const { trackFile, notifyFifo } = virtualIp;
  return new VirtualIp({ ...ports, trackFile, notifyFifo, suspectMs: timing.suspectMs });
}

export class VirtualIp {
  readonly #options: VirtualIpOptions;
  readonly #machine: AddressMachine;
  readonly #serving: ServingFile;
  readonly #fifo: { close(): void };
  #address: AddressState | null = null;
  #mayHold: boolean | null = null;
  #closed = false;

  /** Throws ERR_TMR_FILE when the FIFO cannot be opened. */
  constructor(options: VirtualIpOptions) {
    this.#options = options;
    this.#machine = new AddressMachine(options);
    this.#fifo = openNotifyFifo(options.notifyFifo, (state) => this.#heard(state));
    this.#serving = new ServingFile({
      file: options.trackFile,
      silentMs: options.suspectMs,
      ended: (reason) => options.say("error", `the process that writes ${options.trackFile} ended: ${reason}`),
    });
  }

  get address(): AddressState | null {
    return this.#address;
  }

  /** To be called at every tick and after every change of role. */
  step(nowMs: number): void {
    if (this.#closed) return;
    const decision = this.#machine.step({ ...this.#options.view(nowMs), address: this.#address }, nowMs);
    this.#say(decision);
    if (decision.takeOver) this.#options.takeOver();
  }

  /** Gives the address up; resolves when the file says so. */
  close(): Promise<void> {
    this.#closed = true;
    this.#fifo.close();
    return this.#serving.close();
  }

  #heard(state: AddressState): void {
    if (this.#closed) return;
    if (state !== this.#address) this.#options.say("info", `keepalived: ${state}`);
    this.#address = state;
    this.step(performance.now());
  }

  #say({ mayHold }: AddressDecision): void {
    this.#serving.say(mayHold);
    if (mayHold === this.#mayHold) return;
    this.#mayHold = mayHold;
    this.#options.say("info", mayHold ? "may hold the virtual address" : "gives the virtual address up");
  }
}
