/**
 * Sealing and opening one packet of 256 bytes. Keys are expanded once per connection and direction; per packet only the
 * nonce changes, and frames are made where they are sent from and opened where they lie.
 */
import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";
import type { Bench, Prepared } from "./support/bench.js";
import { compare } from "./support/compare.js";
import { prepareNative } from "./support/native.js";

const MESSAGE_BYTES = 256;
const TAG_BYTES = 16;
/** u16 length, u8 more */
const HEAD_BYTES = 3;
const FRAME_BYTES = HEAD_BYTES + MESSAGE_BYTES + TAG_BYTES;
/** Packets of one run, as many as a busy socket delivers at once. */
const COUNT = 64;

/** The texts of bench/native/addon/packets.cpp. */
function texts(): Buffer {
  return Buffer.from(
    Array.from({ length: COUNT * MESSAGE_BYTES }, (_, i) => (i * 7 + Math.floor(i / MESSAGE_BYTES)) % 256),
  );
}

/** The same frames by node:crypto: a cipher object for each packet and direction. */
class NodeCrypto implements Prepared {
  /** A key object, which node:crypto takes several times faster than the same key as bytes. */
  readonly #key = createSecretKey(Buffer.concat([Buffer.of(0x5e, 0xa1), Buffer.alloc(30)]));
  readonly #texts = texts();
  readonly #opened = Buffer.alloc(COUNT * FRAME_BYTES);
  readonly #body = Buffer.alloc(1 + MESSAGE_BYTES);
  #counter = 0;

  run(): void {
    for (let i = 0; i < COUNT; i++, this.#counter++) this.#packet(i);
  }

  output(): Uint8Array {
    return this.#opened;
  }

  #packet(i: number): void {
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32BE(this.#counter, 8);
    this.#body.set(this.#texts.subarray(i * MESSAGE_BYTES, (i + 1) * MESSAGE_BYTES), 1);
    const sealing = createCipheriv("aes-256-gcm", this.#key, nonce);
    const sealed = sealing.update(this.#body);
    sealing.final();
    const tag = sealing.getAuthTag();

    const opening = createDecipheriv("aes-256-gcm", this.#key, nonce);
    opening.setAuthTag(tag);
    const frame = i * FRAME_BYTES;
    this.#opened.writeUInt16BE(FRAME_BYTES - 2, frame);
    this.#opened.set(opening.update(sealed), frame + 2);
    opening.final();
    this.#opened.set(tag, frame + FRAME_BYTES - TAG_BYTES);
  }
}

/** The texts alone out of `head ‖ text ‖ tag`, for what is not framed alike. */
function textsOf(prepared: Prepared, headBytes: number): Prepared {
  const bytes = headBytes + MESSAGE_BYTES + TAG_BYTES;
  return {
    run: () => prepared.run(),
    output: () => {
      const all = prepared.output();
      const each = Array.from({ length: COUNT }, (_, i) =>
        all.subarray(i * bytes + headBytes, (i + 1) * bytes - TAG_BYTES),
      );
      return Buffer.concat(each);
    },
  };
}

const session = (): Prepared => prepareNative("session-packets", COUNT, MESSAGE_BYTES);
const bare = (framed: boolean): Prepared => prepareNative("bare-packets", COUNT, MESSAGE_BYTES, framed ? 1 : 0);
const atMost = { kind: "cost", atMost: 1.5, words: "≤ 1.5 × bare EVP" } as const;

export const packet: Bench = {
  name: "packet",
  claim: "the packet path adds little to what AES-256-GCM itself costs, and node:crypto per packet a multiple of it",
  control:
    "OpenSSL's EVP with a reused context, sealing our frames and the messages alone; node:crypto, one cipher per packet",
  disproof: "more than 1.5 times bare EVP; or node:crypto less than 15 times as costly",
  measure: (effort) =>
    compare(
      [
        {
          work: "seal + open 256 bytes",
          subject: { name: "packet path", operations: COUNT, prepare: session },
          controls: [
            { name: "bare EVP, same frames", operations: COUNT, prepare: () => bare(true), goal: atMost },
            {
              name: "node:crypto per packet",
              operations: COUNT,
              prepare: () => new NodeCrypto(),
              goal: { kind: "speed", atLeast: 15, words: "≥ 15 × cheaper" },
            },
          ],
        },
        {
          work: "seal + open 256 bytes, no frame in the control",
          subject: { name: "packet path", operations: COUNT, prepare: () => textsOf(session(), HEAD_BYTES) },
          controls: [{ name: "bare EVP", operations: COUNT, prepare: () => textsOf(bare(false), 0), goal: atMost }],
        },
      ],
      effort,
    ),
};
