/** Requests whose session is not open: opening it, and the last answer of one that has ended. */
import { Status } from "../wire/kinds.js";
import type { Call } from "./call.js";
import { DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS, RESULT_WINDOW } from "./limits.js";
import { areNames, identityOf } from "./party.js";
import { NONE } from "./records.js";
import { RequestWord, u64At } from "./words.js";

/** The answer that ended the session, when it is that request again; else `session-unknown`. */
export function repeatEnded(call: Call): void {
  const { state, out } = call;
  const { records } = state.ended;
  const slot = state.ended.find(call.words, call.at + RequestWord.session);
  if (slot !== NONE && records.request(slot) === call.request) {
    out.repeat(records, slot);
    return;
  }
  out.refuse(
    Status["session-unknown"],
    `No such session in container ${state.container.name}: never opened, closed, or timed out.`,
  );
}

/** Opens a session; a refusal is kept for a repeat like an answer of a session. */
export function openSession(call: Call): void {
  const { state, out, words, at, request } = call;
  const key = at + RequestWord.session;
  const ended = state.ended.find(words, key);
  // A late copy of a request from before the end must not open the session again.
  if (ended !== NONE && state.ended.records.request(ended) >= request) {
    repeatEnded(call);
    return;
  }
  const names = blobOf(call);
  const timeoutMs = u64At(words, at + RequestWord.durationMs) || DEFAULT_TIMEOUT_MS;
  const answeredBelow = Math.max(1, u64At(words, at + RequestWord.answeredBelow));
  const fault = faultInOpening(call, names, timeoutMs, answeredBelow);
  if (fault !== null) {
    out.refuse(Status["bad-request"], fault);
    state.refuseOpen(out.words, out.at, out.text());
    return;
  }
  if (state.results.size >= state.limits.maxStoredResults) {
    out.refuse(Status.busy, "Too many answers wait to be acknowledged by their clients; ask again.");
    return;
  }
  const identity = identityOf(words, at + RequestWord.address, names);
  const slot = state.openSession(words, key, identity, timeoutMs, answeredBelow);
  out.lease(timeoutMs);
  state.storeResult(slot, out.words, out.at, null);
}

function faultInOpening(call: Call, names: Buffer, timeoutMs: number, answeredBelow: number): string | null {
  const { state, request } = call;
  const { maxSessions } = state.limits;
  if (request < answeredBelow || request >= answeredBelow + RESULT_WINDOW) {
    return `Request ${request} does not fit answeredBelow ${answeredBelow}.`;
  }
  if (timeoutMs > MAX_TIMEOUT_MS) return `A session time-out is at most ${MAX_TIMEOUT_MS} ms, ${timeoutMs} asked for.`;
  if (!areNames(names)) return "The names of a session are five UTF-8 strings, each behind its length.";
  return state.sessions.size >= maxSessions ? `All ${maxSessions} sessions of this system are in use.` : null;
}

/** A copy of the blob of the request. */
export function blobOf(call: Call): Buffer {
  const { words, at } = call;
  const from = call.blobArea + (words[at + RequestWord.blobOffset] as number);
  return Buffer.from(call.batch.subarray(from, from + (words[at + RequestWord.blobLength] as number)));
}
