/**
 * Succession: a new machine takes the place of an upstream whose keys are gone (protocol.md rule 9). Whose statements count
 * is part of the state, so the new signing key comes by a record, and both others vouch for it: a TMR server alone cannot
 * make itself an upstream, nor can one upstream that lies.
 */

import { canonicalJson } from "../wire/canonical.js";
import { Status } from "../wire/kinds.js";
import type { Call } from "./call.js";
import { blobOf } from "./open-session.js";
import { settleAll } from "./queue.js";
import { SIGNATURE_BYTES } from "./statement.js";
import type { UpstreamNumber } from "./virtual-container.js";
import { RequestWord, u64At } from "./words.js";

const KEY_BYTES = 32;
const VOUCHER_BYTES = 1 + SIGNATURE_BYTES;
const domain = Buffer.from("tmr-succession/1\n");

/** What another upstream signs to vouch for a new key. */
export interface Succession {
  /** 32 bytes: of this system and no other */
  readonly genesisDigest: Uint8Array;
  readonly upstream: number;
  /** 32 bytes: the key that counts now, so that a voucher is good for one succession only */
  readonly from: Uint8Array;
  /** 32 bytes */
  readonly to: Uint8Array;
}

/** A signature of {@link successionMessage} by another upstream. */
export interface Voucher {
  readonly upstream: number;
  readonly signature: Uint8Array;
}

/** The bytes that an upstream signs. */
export function successionMessage({ genesisDigest, upstream, from, to }: Succession): Buffer {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
  const content = { from: text(from), system: text(genesisDigest), to: text(to), upstream };
  return Buffer.concat([domain, Buffer.from(canonicalJson(content))]);
}

/** The blob of a succession record. */
export function successionBlob(to: Uint8Array, vouchers: readonly Voucher[]): Buffer {
  return Buffer.concat([to, ...vouchers.flatMap(({ upstream, signature }) => [Buffer.of(upstream), signature])]);
}

/** Executes a succession record: the new key counts, and what the old machine stated does not any more. */
export function succeed(call: Call): void {
  const { state, out, words, at } = call;
  const upstream = u64At(words, at + RequestWord.durationMs);
  const blob = blobOf(call);
  const from = state.signingKeys[upstream - 1];
  const refuse = (why: string): void => out.refuse(Status["bad-request"], `The succession is refused: ${why}.`);
  if (from === undefined || state.container.standalone) return refuse(`there is no upstream ${upstream} to succeed`);
  if (blob.length !== KEY_BYTES + 2 * VOUCHER_BYTES) return refuse("it is not a key with two vouchers");
  const to = Buffer.from(blob.subarray(0, KEY_BYTES));
  if (to.equals(from)) return;
  if (state.signingKeys.some((key) => key.equals(to))) return refuse("the key is of another upstream");
  const message = successionMessage({ genesisDigest: state.genesisDigest, upstream, from, to });
  const seen = new Set<number>([upstream]);
  for (let start = KEY_BYTES; start < blob.length; start += VOUCHER_BYTES) {
    const by = blob.readUInt8(start);
    const key = state.signingKeys[by - 1];
    const signature = blob.subarray(start + 1, start + VOUCHER_BYTES);
    if (seen.has(by) || key === undefined || !state.verifyEd25519(key, message, signature)) {
      return refuse("it takes genuine vouchers of both other upstreams");
    }
    seen.add(by);
  }
  state.succeed(upstream as UpstreamNumber, to);
  settleAll(state, call.reached);
}
