/** The ports of the license state machine from node:crypto, and a merge that is simple rather than fast. */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import type { Genesis, LicensePorts } from "../../ts/license/genesis.js";
import { HOLDING_ENTRY_BYTES, MERGED_ENTRY_BYTES, MergedField, MergeVerdict } from "../../ts/wire/merge.js";

const spkiPrefix = Buffer.from("302a300506032b6570032100", "hex");

export function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: "der", type: "spki" });
  return verify(null, message, key, signature);
}

interface Held {
  readonly order: readonly number[];
  readonly keyBytes: Buffer;
  /** per upstream: hex digest, or undefined */
  readonly digests: (string | undefined)[];
}

/** Three container snapshots by way of a Map: the oracle of the native merge. */
export function naiveMerge(...snapshots: readonly (Uint8Array | null)[]): Buffer {
  const held = new Map<string, Held>();
  snapshots.forEach((snapshot, upstream) => {
    const bytes = Buffer.from(snapshot ?? []);
    for (let at = 0; at < bytes.length; at += HOLDING_ENTRY_BYTES) {
      const keyBytes = bytes.subarray(at, at + 16);
      const name = keyBytes.toString("hex");
      const order = [0, 4, 8, 12].map((offset) => keyBytes.readUInt32LE(offset));
      const entry = held.get(name) ?? { order, keyBytes, digests: [undefined, undefined, undefined] };
      entry.digests[upstream] = bytes.toString("hex", at + 16, at + 48);
      held.set(name, entry);
    }
  });
  const ascending = [...held.values()].sort(
    (a, b) => a.order.map((value, i) => value - (b.order[i] ?? 0)).find((difference) => difference !== 0) ?? 0,
  );
  return Buffer.concat(ascending.map(mergedEntry));
}

function mergedEntry({ keyBytes, digests }: Held): Buffer {
  const out = Buffer.alloc(MERGED_ENTRY_BYTES);
  keyBytes.copy(out);
  const present = digests.flatMap((digest, i) => (digest === undefined ? [] : [i]));
  const winner = digests.find((digest) => digest !== undefined && digests.filter((d) => d === digest).length >= 2);
  const agree = winner === undefined ? [] : present.filter((i) => digests[i] === winner);
  const odd = winner === undefined ? undefined : present.find((i) => digests[i] !== winner);
  if (winner !== undefined) out.write(winner, MergedField.digest, "hex");
  out[MergedField.present] = present.reduce((mask, i) => mask | (1 << i), 0);
  out[MergedField.agree] = agree.reduce((mask, i) => mask | (1 << i), 0);
  out[MergedField.odd] = odd === undefined ? 0 : odd + 1;
  if (agree.length === 3) out[MergedField.verdict] = MergeVerdict.unanimous;
  else if (odd !== undefined) out[MergedField.verdict] = MergeVerdict.majorityOdd;
  else if (agree.length === 2) out[MergedField.verdict] = MergeVerdict.majorityMissing;
  else out[MergedField.verdict] = present.length === 1 ? MergeVerdict.alone : MergeVerdict.split;
  return out;
}

export const licensePorts: LicensePorts = { sha256, mergeContainers: naiveMerge, verifyEd25519 };

/** Signing keys of three upstreams, one set per test process. */
export const upstreamKeys: readonly { readonly privateKey: KeyObject; readonly publicKey: string }[] = [1, 2, 3].map(
  () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const raw = publicKey.export({ format: "der", type: "spki" }).subarray(spkiPrefix.length);
    return { privateKey, publicKey: raw.toString("base64url") };
  },
);

export function signAs(upstream: number, message: Uint8Array): Buffer {
  const keys = upstreamKeys[upstream - 1];
  if (keys === undefined) throw new RangeError(`no upstream ${upstream}`);
  return sign(null, message, keys.privateKey);
}

export const testGenesis: Genesis = {
  id: "AAECAwQFBgcICQoLDA0ODw",
  virtualContainer: "131-729831162",
  upstreams: [keyText(1), keyText(2), keyText(3)],
};

function keyText(upstream: number): string {
  return upstreamKeys[upstream - 1]?.publicKey ?? "";
}
