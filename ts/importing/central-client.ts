/** Central over HTTP, for whoever has a ticket: the ticket itself is what lets him in. */
import { z } from "zod";
import type { ActivationDesk } from "../activation/run.js";
import { TmrError } from "../errors.js";

const DEFAULT_TIMEOUT_MS = 30_000;
/** Longer answers are not Central's. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

const activated = z.object({ updates: z.array(z.string()).min(1).max(3), more: z.boolean().default(false) });
const fault = z.object({ error: z.object({ message: z.string() }) }).or(z.object({ message: z.string() }));

/** The desk of one ticket. `url` is Central's, with or without a path behind the host. Throws ERR_TMR_CONFIG. */
export function centralDesk(url: string, ticket: string, timeoutMs = DEFAULT_TIMEOUT_MS): ActivationDesk {
  const base = baseOf(url);
  const post = (what: string, contexts: readonly string[]) =>
    posted(new URL(`api/v1/tickets/${encodeURIComponent(ticket)}/${what}`, base), { contexts }, timeoutMs);
  return {
    activate: async (contexts) => {
      const answer = activated.safeParse(await post("activate", contexts));
      if (answer.success) return answer.data;
      throw new TmrError(
        "ERR_TMR_PROTOCOL",
        `${base.host}: expected {updates}, received another answer; is it a Central?`,
      );
    },
    receipts: async (contexts) => {
      await post("receipts", contexts);
    },
  };
}

function baseOf(url: string): URL {
  let base: URL;
  try {
    base = new URL(url);
  } catch (cause) {
    throw new TmrError("ERR_TMR_CONFIG", `--central: expected https://HOST[:PORT], received ${JSON.stringify(url)}`, {
      cause,
    });
  }
  if (base.protocol !== "https:" && base.protocol !== "http:") {
    throw new TmrError("ERR_TMR_CONFIG", `--central: expected http:// or https://, received ${base.protocol}//`);
  }
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  return base;
}

async function posted(url: URL, body: unknown, timeoutMs: number): Promise<unknown> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
    text = await response.text();
  } catch (cause) {
    throw unreachable(url, timeoutMs, cause);
  }
  const answer = text.length <= MAX_ANSWER_BYTES ? parsed(text) : undefined;
  if (response.ok) return answer;
  throw refusal(url, response.status, answer);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The ticket is in the path: no message names more of the URL than its host. */
function unreachable(url: URL, timeoutMs: number, cause: unknown): TmrError {
  if (cause instanceof DOMException && cause.name === "TimeoutError") {
    return new TmrError("ERR_TMR_TIMEOUT", `Central at ${url.host}: no answer within ${timeoutMs / 1_000} s`, {
      cause,
    });
  }
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const reason = inner instanceof Error ? inner.message || (inner as NodeJS.ErrnoException).code : String(inner);
  return new TmrError("ERR_TMR_CONNECT", `Central at ${url.host} cannot be reached: ${reason}`, { cause });
}

function refusal(url: URL, status: number, answer: unknown): TmrError {
  const said = fault.safeParse(answer);
  if (!said.success) {
    return new TmrError(
      "ERR_TMR_PROTOCOL",
      `Central at ${url.host}: expected an answer of Central, received HTTP ${status}`,
    );
  }
  const message = "error" in said.data ? said.data.error.message : said.data.message;
  const code = status >= 500 ? "ERR_TMR_STATE" : "ERR_TMR_ACTIVATION";
  return new TmrError(code, `Central at ${url.host} refuses: ${message}`);
}
