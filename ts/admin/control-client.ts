/** Asking a server on this machine over its control socket. Loads little, because a health check runs often. */
import { connect, type Socket } from "node:net";
import { type ErrorCode, errorCodes, TmrError } from "../errors.js";
import {
  type Admitted,
  type ControlRequest,
  controlSocketPath,
  type Health,
  MAX_ANSWER_BYTES,
  type ProposedAnswer,
  type ProposeRequest,
  type ShownContext,
} from "./control-protocol.js";

/** One TMR server on this machine. Every call throws ERR_TMR_CONNECT, ERR_TMR_TIMEOUT or what the server answers. */
export class ControlClient {
  readonly #path: string;
  readonly #timeoutMs: number;

  /** Throws ERR_TMR_CONNECT when the path of the socket is too long. */
  constructor(stateFolder: string, timeoutMs: number) {
    this.#path = controlSocketPath(stateFolder, "ERR_TMR_CONNECT");
    this.#timeoutMs = timeoutMs;
  }

  async health(): Promise<Health> {
    const answer = await this.#ask({ command: "health" });
    if (!isHealth(answer)) throw this.#notUnderstood();
    return answer;
  }

  /** Asks the server to become active; {@link health} says whether it did. */
  async takeOver(): Promise<void> {
    await this.#begin({ command: "take-over" });
  }

  /** Hands over to the twin and resolves when that is active; ERR_TMR_STATE says why it is not. */
  async switchOver(): Promise<void> {
    const answer = await this.#ask({ command: "switch-over" });
    if (answer["done"] !== true) throw this.#notUnderstood();
  }

  /** Asks the server to admit a blank upstream by force; ERR_TMR_STATE says why it does not. */
  async admit(upstream: Admitted): Promise<void> {
    await this.#begin({ command: "admit", upstream });
  }

  /** Has a server that stopped take part again; ERR_TMR_STATE says why it does not. */
  async resume(): Promise<void> {
    await this.#begin({ command: "resume" });
  }

  /** Has a record ordered by the server; its result, which may be a refusal, says what came of it. */
  async propose(record: Omit<ProposeRequest, "command">): Promise<ProposedAnswer> {
    const answer = await this.#ask({ command: "propose", ...record });
    if (!isProposedAnswer(answer)) throw this.#notUnderstood();
    return answer;
  }

  /** What the upstreams say of their containers; ERR_TMR_STATE when the server is not the active one. */
  async contexts(): Promise<readonly ShownContext[]> {
    const answer = await this.#ask({ command: "contexts" });
    if (!Array.isArray(answer["contexts"])) throw this.#notUnderstood();
    return answer["contexts"] as readonly ShownContext[];
  }

  /** Has one upstream import an update; throws with the reason why it does not. */
  async applyUpdate(upstream: 1 | 2 | 3, update: string): Promise<"applied" | "there"> {
    const { outcome } = await this.#ask({ command: "apply-update", upstream, update });
    if (outcome !== "applied" && outcome !== "there") throw this.#notUnderstood();
    return outcome;
  }

  /** The machine with this base64url signing key takes the place of an upstream; both others have to vouch for it. */
  async replace(upstream: 1 | 2 | 3, key: string): Promise<ProposedAnswer> {
    const answer = await this.#ask({ command: "replace", upstream, key });
    if (!isProposedAnswer(answer)) throw this.#notUnderstood();
    return answer;
  }

  async #begin(request: ControlRequest): Promise<void> {
    const answer = await this.#ask(request);
    if (answer["begun"] !== true) throw this.#notUnderstood();
  }

  async #ask(request: ControlRequest): Promise<Readonly<Record<string, unknown>>> {
    const answer = parseAnswer(await this.#askForLine(request));
    if (answer === null) throw this.#notUnderstood();
    const { error } = answer;
    if (typeof error !== "object" || error === null) return answer;
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
    if (typeof code !== "string" || !Object.hasOwn(errorCodes, code)) throw this.#notUnderstood();
    throw new TmrError(code as ErrorCode, String(message));
  }

  #notUnderstood(): TmrError {
    return new TmrError("ERR_TMR_PROTOCOL", `${this.#path}: expected the answer of a TMR server, received other text`);
  }

  #askForLine(request: ControlRequest): Promise<string> {
    const path = this.#path;
    const timeoutMs = this.#timeoutMs;
    return new Promise((resolve, reject) => {
      const socket: Socket = connect({ path });
      const settle = (outcome: string | TmrError): void => {
        clearTimeout(timer);
        socket.destroy();
        if (typeof outcome === "string") resolve(outcome);
        else reject(outcome);
      };
      const timer = setTimeout(
        () => settle(new TmrError("ERR_TMR_TIMEOUT", `${path}: no answer within ${timeoutMs / 1_000} s`)),
        timeoutMs,
      );
      let text = "";
      socket.setEncoding("utf8");
      socket.on("data", (chunk: string) => {
        text += chunk;
        const end = text.indexOf("\n");
        if (end >= 0) settle(text.slice(0, end));
        else if (text.length > MAX_ANSWER_BYTES) settle(this.#notUnderstood());
      });
      socket.on("end", () =>
        settle(new TmrError("ERR_TMR_CONNECT", `${path}: the server closed the connection without an answer`)),
      );
      socket.on("error", (cause: NodeJS.ErrnoException) =>
        settle(new TmrError("ERR_TMR_CONNECT", `${path}: ${reasonOf(cause)}`, { cause })),
      );
      socket.write(`${JSON.stringify(request)}\n`);
    });
  }
}

function reasonOf(cause: NodeJS.ErrnoException): string {
  switch (cause.code) {
    case "ENOENT":
    case "ECONNREFUSED":
      return "no TMR server answers here; is it running on this machine, with this configuration?";
    case "EACCES":
    case "EPERM":
      return "permission denied; run this as the user of the TMR server";
    default:
      return cause.message;
  }
}

function parseAnswer(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const answer: unknown = JSON.parse(line);
    return typeof answer === "object" && answer !== null ? (answer as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function isHealth(answer: unknown): answer is Health {
  const { role, phase, quorum, answers, peer, upstreams } = answer as Partial<Health>;
  return (
    typeof role === "string" &&
    typeof phase === "string" &&
    typeof quorum === "boolean" &&
    typeof answers === "boolean" &&
    typeof peer === "string" &&
    Array.isArray(upstreams) &&
    upstreams.every((state) => typeof state === "string")
  );
}

function isProposedAnswer(answer: unknown): answer is ProposedAnswer {
  const { status, result, blob } = answer as Partial<ProposedAnswer>;
  return typeof status === "string" && typeof blob === "string" && typeof result === "object" && result !== null;
}
