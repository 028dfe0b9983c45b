/** A Central over HTTP that knows one firm and what its tickets are worth; for tests of the customer's side alone. */
import { randomBytes, randomInt } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { hasUpdate, makeUpdate, readUpdate, ticketHash, verifyContext } from "../../ts/activation/index.js";
import { type Firm, loadFirm } from "../../ts/central/firm.js";
import type { Terms } from "../../ts/container/terms.js";
import { TmrError } from "../../ts/errors.js";

export class CentralDouble {
  /** what each ticket is worth */
  readonly tickets = new Map<string, readonly Terms[]>();
  readonly receipts: string[][] = [];
  /** answers of `activate` that are lost on their way */
  loseAnswers = 0;
  readonly #firm: Firm;
  readonly #server: Server;
  /** what each license server was given last */
  readonly #given = new Map<string, { readonly container: string; readonly ticket: string; readonly jws: string }>();

  private constructor(firm: Firm) {
    this.#firm = firm;
    this.#server = createServer((request, response) => {
      void this.#serve(request, response);
    });
  }

  static async start(dir: string): Promise<CentralDouble> {
    const double = new CentralDouble(loadFirm(dir));
    await new Promise<void>((resolve) => double.#server.listen(0, "127.0.0.1", resolve));
    return double;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body } = await this.#answer(request);
    if (body === null) response.destroy();
    else response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const [, ticket = "", what = ""] = /^\/api\/v1\/tickets\/([^/]+)\/(\w+)$/.exec(request.url ?? "") ?? [];
    const items = this.tickets.get(ticket);
    if (items === undefined) return { status: 404, body: { error: { message: "there is no such ticket" } } };
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { contexts } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as { contexts: string[] };
      if (what === "receipts") {
        this.receipts.push(contexts);
        return { status: 200, body: {} };
      }
      const updates = (await Promise.all(contexts.map((jws) => this.#update(jws, ticket, items)))).flat();
      if (this.loseAnswers-- > 0) return { status: 0, body: null };
      return { status: 200, body: { updates } };
    } catch (error) {
      return { status: 409, body: { error: { message: error instanceof TmrError ? error.message : String(error) } } };
    }
  }

  async #update(jws: string, ticket: string, items: readonly Terms[]): Promise<string[]> {
    const context = await verifyContext(jws);
    const before = this.#given.get(context.holder);
    if (before?.ticket === ticket) {
      // Given already: there, or on its way and given again.
      return hasUpdate(context, readUpdate(before.jws)) ? [] : [before.jws];
    }
    const container = before?.container ?? `130-${randomInt(1, 0xffff_ffff)}`;
    const counter = context.containers.find((each) => each.container === container)?.firmItems[0]?.updateCounter ?? 0;
    const update = await makeUpdate(context, {
      firm: this.#firm,
      updateId: randomBytes(16).toString("base64url"),
      ticket: ticketHash(ticket),
      container,
      actId: items[0]?.actId ?? 0,
      updateCounter: counter + 1,
      items,
    });
    this.#given.set(context.holder, { container, ticket, jws: update });
    return [update];
  }
}
