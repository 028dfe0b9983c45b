/** Loading, key pairs, and the MAC of a batch. */
import assert from "node:assert/strict";
import { createHmac, hkdfSync } from "node:crypto";
import { loadEngine, unsupportedRuntime } from "../../ts/engine/index.js";
import { BATCH_HEADER_BYTES, BatchField, writeBatchHeader } from "../../ts/wire/batch.js";
import { Kind } from "../../ts/wire/kinds.js";
import { REQUEST_BYTES, writeRequest } from "../../ts/wire/request.js";
import { engine } from "../support/native-engine.js";
import { oraclePublicKey } from "../support/noise-oracle.js";

/** A batch of one heartbeat with the MAC that the twins would give it. */
function macedBatch(twinKey: Uint8Array): Buffer {
  const batch = Buffer.alloc(BATCH_HEADER_BYTES + REQUEST_BYTES);
  const header = { reached: 7, epoch: 2, position: 9, logMs: 5, calendarMs: 6, count: 1, blobBytes: 0, carried: 8 };
  writeBatchHeader(batch, header, Buffer.alloc(32, 4));
  writeRequest(batch, BATCH_HEADER_BYTES, { kind: Kind.heartbeat, request: 1, session: Buffer.alloc(16, 1) });
  const key = Buffer.from(hkdfSync("sha256", twinKey, Buffer.alloc(0), "tmr batch mac", 32));
  createHmac("sha256", key).update(batch).digest().copy(batch, BatchField.mac);
  return batch;
}

describe("engine", () => {
  it("is loaded once and names the crypto library of this node", () => {
    assert.equal(loadEngine(), loadEngine());
    assert.equal(engine.cryptoVersion, `OpenSSL ${process.versions["openssl"]?.replace(/\+.*/, "")}`);
  });

  it("refuses runtimes without OpenSSL 3 and says what it needs", () => {
    assert.equal(unsupportedRuntime(process.versions), null);
    assert.equal(unsupportedRuntime({ openssl: "3.0.15+quic" }), null);
    for (const versions of [
      {},
      { openssl: "1.1.1w" },
      { openssl: "4.0.0" },
      { openssl: "0.0.0", electron: "35.0.0" },
    ]) {
      assert.match(unsupportedRuntime(versions) ?? "", /needs Node\.js with OpenSSL 3$/);
    }
    assert.match(unsupportedRuntime({ openssl: "3.0.0", electron: "35.0.0" }) ?? "", /^Electron 35\.0\.0/);
  });

  it("makes key pairs whose halves belong together, and never the same twice", () => {
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const { publicKey, privateKey } = engine.generateKeyPair();
      assert.deepEqual(oraclePublicKey(privateKey), publicKey);
      assert.deepEqual(engine.publicKey(privateKey), publicKey);
      seen.add(privateKey.toString("hex"));
    }
    assert.equal(seen.size, 20);
  });

  it("verifies the MAC of a batch, and refuses every single-bit flip, every truncation and another key", () => {
    const twinKey = Buffer.alloc(32, 7);
    const batch = macedBatch(twinKey);
    assert.equal(engine.verifyBatchMac(batch, twinKey), true);
    assert.equal(engine.verifyBatchMac(batch, Buffer.alloc(32, 8)), false);
    for (let size = 0; size < batch.length; size++) {
      assert.equal(engine.verifyBatchMac(batch.subarray(0, size), twinKey), false);
    }
    for (let bit = 0; bit < batch.length * 8; bit++) {
      const altered = Buffer.from(batch);
      altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      assert.equal(engine.verifyBatchMac(altered, twinKey), false, `bit ${bit}`);
    }
  });
});
