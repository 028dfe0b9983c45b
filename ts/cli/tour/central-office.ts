/** The firm at its Central, over HTTP: products, orders, and what became of them. */
import { TmrError } from "../../errors.js";

export class CentralOffice {
  readonly url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.#token = token;
  }

  /** Whether Central answers yet. */
  async isThere(): Promise<boolean> {
    return this.#ask("GET", "products").then(
      () => true,
      () => false,
    );
  }

  async putProduct(id: string, options: object): Promise<void> {
    await this.#ask("PUT", `products/${id}`, { options });
  }

  /** Orders a product for a TMR system, one of whose machines may be replaced. */
  async order(product: string): Promise<{ readonly order: number; readonly ticket: string }> {
    const replacements = { times: 1, by: "customer" };
    const answer = await this.#ask("POST", "orders", {
      customer: "plant",
      kind: "group",
      lines: [{ product }],
      replacements,
    });
    const { order, ticket } = answer as { readonly order: { readonly order: number }; readonly ticket: string };
    return { order: order.order, ticket };
  }

  async change(order: number, product: string, quantity: number): Promise<void> {
    await this.#ask("PUT", `orders/${order}`, { lines: [{ product, quantity }] });
  }

  /** What became of an order, in short words. */
  async events(order: number): Promise<string[]> {
    const { activations } = (await this.#ask("GET", `activations?order=${order}`)) as {
      readonly activations: readonly { readonly what: string }[];
    };
    return activations.map(({ what }) => what);
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.url}/api/v1/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    if (response.ok) return JSON.parse(text) as unknown;
    throw new TmrError("ERR_TMR_STATE", `Central refuses ${method} ${path}: HTTP ${response.status} ${text}`);
  }
}
