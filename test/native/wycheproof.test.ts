/** Project Wycheproof's vectors against the primitives that handshakes and sessions are made of. */
import assert from "node:assert/strict";
import { primitives } from "../support/native-engine.js";
import { publishedVectors, unhex, type Wycheproof } from "../support/published-vectors.js";

interface XdhTest {
  readonly public: string;
  readonly private: string;
  readonly shared: string;
}
interface AeadGroup {
  readonly keySize: number;
  readonly ivSize: number;
  readonly tagSize: number;
}
interface AeadTest {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
}
interface HkdfTest {
  readonly ikm: string;
  readonly salt: string;
  readonly info: string;
  readonly size: number;
  readonly okm: string;
}

const x25519 = publishedVectors<Wycheproof<unknown, XdhTest>>("wycheproof-x25519_test.json");
const aesGcm = publishedVectors<Wycheproof<AeadGroup, AeadTest>>("wycheproof-aes_gcm_test.json");
const hkdf = publishedVectors<Wycheproof<unknown, HkdfTest>>("wycheproof-hkdf_sha256_test.json");

describe("Wycheproof", () => {
  if (x25519 !== null) {
    it("X25519: every shared secret is the published one, and an all-zero one is refused", () => {
      let count = 0;
      for (const test of x25519.testGroups.flatMap((group) => group.tests)) {
        const shared = primitives.x25519(unhex(test.private), unhex(test.public));
        const expected = test.flags.includes("ZeroSharedSecret") ? null : unhex(test.shared);
        assert.deepEqual(shared, expected, `tcId ${test.tcId} ${test.comment}`);
        count++;
      }
      assert.ok(count >= 500);
    });
  }

  if (aesGcm !== null) {
    it("AES-256-GCM with 12-byte nonces: seals to the published bytes, opens what is valid and nothing else", () => {
      let count = 0;
      for (const group of aesGcm.testGroups) {
        if (group.keySize !== 256 || group.ivSize !== 96 || group.tagSize !== 128) continue;
        for (const test of group.tests) {
          const [key, nonce, aad] = [unhex(test.key), unhex(test.iv), unhex(test.aad)];
          const text = unhex(test.msg);
          const sealed = unhex(test.ct + test.tag);
          const valid = test.result === "valid";
          const name = `tcId ${test.tcId} ${test.comment}`;
          assert.deepEqual(primitives.gcmOpen(key, nonce, aad, sealed), valid ? text : null, name);
          assert.equal(primitives.gcmSeal(key, nonce, aad, text)?.equals(sealed), valid, name);
          count++;
        }
      }
      assert.ok(count >= 60);
    });
  }

  if (hkdf !== null) {
    it("HKDF-SHA-256: every output is the published one, and one that is too long is refused", () => {
      let count = 0;
      for (const test of hkdf.testGroups.flatMap((group) => group.tests)) {
        const derive = () => primitives.hkdfSha256(unhex(test.ikm), unhex(test.salt), unhex(test.info), test.size);
        const name = `tcId ${test.tcId} ${test.comment}`;
        if (test.result === "valid") assert.deepEqual(derive(), unhex(test.okm), name);
        else assert.throws(derive, { code: "ERR_TMR_ARGUMENT" }, name);
        count++;
      }
      assert.ok(count >= 80);
    });
  }
});
