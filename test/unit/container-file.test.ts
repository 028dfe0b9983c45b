import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { CompactSign } from "jose";
import type { FirmEntry } from "../../ts/config/index.js";
import {
  type Container,
  type ContainerTrust,
  encodeContainerFile,
  firmKeyId,
  type Terms,
  verifyContainer,
} from "../../ts/container/index.js";
import { canonicalJson } from "../../ts/wire/canonical.js";
import { rejectedBy } from "../support/throws.js";

interface SigningFirm extends FirmEntry {
  readonly privateKey: KeyObject;
}

function newFirm(firmCode: number, name = "Firm"): SigningFirm {
  const { privateKey } = generateKeyPairSync("ed25519");
  const key = Buffer.from(privateKey.export({ format: "jwk" }).x ?? "", "base64url");
  return { firmCode, name, key, privateKey };
}

const firm = newFirm(6_000_010);
const otherFirm = newFirm(6_000_011);
const holders = ["A", "B", "C"].map((letter) => letter.repeat(43)) as [string, string, string];
const trust: ContainerTrust = {
  firms: [firm, otherFirm],
  holder: holders[0],
  nameOf: (holder) => `upstream-${holders.indexOf(holder) + 1}`,
};

const outer = { container: "130-5", actId: 7, holder: holders[0] };

function terms(productCode: number, tmrId: number, more: Partial<Terms> = {}): Terms {
  return { actId: 7, firmCode: 6_000_010, productCode, tmrId, text: "Größe", quantity: 3, featureMap: 5, ...more };
}

interface SignOptions {
  readonly by?: SigningFirm;
  readonly kid?: string;
  readonly header?: Record<string, string>;
  readonly text?: string;
}

/** Signs any payload, also one that the issuing side would never sign. */
async function signed(payload: Record<string, unknown>, options: SignOptions = {}): Promise<string> {
  const by = options.by ?? firm;
  const whole = { ...outer, firmCode: by.firmCode, firmName: by.name, updateCounter: 1, items: [], ...payload };
  return new CompactSign(Buffer.from(options.text ?? canonicalJson(whole)))
    .setProtectedHeader({
      alg: "Ed25519",
      kid: options.kid ?? firmKeyId(by.key),
      typ: "tmr-firm-item+jws",
      ...options.header,
    })
    .sign(by.privateKey);
}

async function fileWith(...firmItems: readonly string[]): Promise<Buffer> {
  const items = firmItems.length > 0 ? firmItems : [await signed({ items: [terms(13, 1), terms(14, 2)] })];
  return Buffer.from(encodeContainerFile({ ...outer, firmItems: items }));
}

const verify = (bytes: Uint8Array): Promise<Container> => verifyContainer(bytes, "x.tmrc", trust);

async function reason(bytes: Uint8Array): Promise<string> {
  const { message } = await rejectedBy("ERR_TMR_CONTAINER", () => verify(bytes));
  assert.match(message, /^(?:\d+ faults:\n {2})?x\.tmrc: /, "the message names the file");
  return message;
}

describe("a container file", () => {
  it("is read with every item of every firm", async () => {
    const first = await signed({
      items: [terms(13, 1), terms(13, 2), terms(14, 3, { activationMs: 1, expirationMs: 2 })],
    });
    const second = await signed(
      { items: [terms(1, 9, { firmCode: 6_000_011, ownerInformation: "o" })] },
      { by: otherFirm },
    );
    const container = await verify(await fileWith(first, second));
    assert.deepEqual({ container: container.container, actId: container.actId, holder: container.holder }, outer);
    assert.deepEqual(
      container.items.map((item) => [item.firmCode, item.productCode, item.tmrId]),
      [
        [6_000_010, 13, 1],
        [6_000_010, 13, 2],
        [6_000_010, 14, 3],
        [6_000_011, 1, 9],
      ],
    );
    assert.equal("activationMs" in (container.items[0] ?? {}), false);
  });

  it("is refused with any single bit flipped", async () => {
    const good = await fileWith();
    await verify(good);
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bytes = Buffer.from(good);
      bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      await reason(bytes);
    }
  });

  it("is refused when truncated anywhere, or followed by anything", async () => {
    const good = await fileWith();
    for (let length = 0; length < good.length; length++) await reason(good.subarray(0, length));
    assert.match(await reason(good.subarray(0, 100)), /truncated or damaged/);
    for (const tail of [" ", "\n", "{}", "\0"]) await reason(Buffer.concat([good, Buffer.from(tail)]));
  });

  it("is refused in another spelling of the same content", async () => {
    const good = await fileWith();
    const value = JSON.parse(good.toString()) as Record<string, unknown>;
    assert.match(await reason(Buffer.from(`${JSON.stringify(value, null, 2)}\n`)), /not in canonical form/);
    await reason(Buffer.concat([Buffer.from("\ufeff"), good]));
  });

  it("for another upstream is refused, naming both", async () => {
    const bytes = await fileWith();
    const error = await rejectedBy("ERR_TMR_CONTAINER", () =>
      verifyContainer(bytes, "x.tmrc", { ...trust, holder: holders[2] }),
    );
    assert.equal(error.message, "x.tmrc: the container is for upstream-1, this is upstream-3");
    assert.equal((await verifyContainer(bytes, "x.tmrc", { ...trust, holder: null })).actId, 7);
  });

  const impostor = newFirm(6_000_010);
  const stranger = newFirm(6_000_099);
  const item = terms(13, 1);
  const cases: readonly (readonly [what: string, build: () => Promise<Buffer>, reason: RegExp])[] = [
    [
      "signed with another key",
      async () => fileWith(await signed({}, { by: impostor })),
      /Firm Code 6000010 is signed with another key/,
    ],
    [
      "signed with another key under the right key id",
      async () => fileWith(await signed({}, { by: impostor, kid: firmKeyId(firm.key) })),
      /signature does not fit/,
    ],
    [
      "of a firm that the system does not name",
      async () => fileWith(await signed({}, { by: stranger })),
      /\(Firm Code 6000099\) that system.toml does not name/,
    ],
    [
      "in which one firm signs for another",
      async () => fileWith(await signed({ firmCode: 6_000_011 })),
      /key of Firm Code 6000010 signed for Firm Code 6000011/,
    ],
    [
      "with another actId outside",
      async () => Buffer.from(encodeContainerFile({ ...outer, actId: 8, firmItems: [await signed({})] })),
      /actId is 8 outside, Firm Code 6000010 signed 7/,
    ],
    [
      "with another serial outside",
      async () => Buffer.from(encodeContainerFile({ ...outer, container: "130-6", firmItems: [await signed({})] })),
      /container is 130-6 outside/,
    ],
    [
      "with another holder outside",
      async () => Buffer.from(encodeContainerFile({ ...outer, holder: holders[1], firmItems: [await signed({})] })),
      /holder is B+ outside/,
    ],
    [
      "with an item of another actId",
      async () => fileWith(await signed({ items: [terms(13, 1, { actId: 8 })] })),
      /has actId 8, its container has 7/,
    ],
    [
      "with an item of another Firm Code",
      async () => fileWith(await signed({ items: [terms(13, 1, { firmCode: 6_000_011 })] })),
      /inside the firm item of Firm Code 6000010/,
    ],
    [
      "with an item twice",
      async () => fileWith(await signed({ items: [item, item] })),
      /item 6000010:13 \(TMR-ID 1\) is there twice/,
    ],
    [
      "with an item twice in unequal terms",
      async () => fileWith(await signed({ items: [item, terms(13, 1, { quantity: 9 })] })),
      /is there twice/,
    ],
    ["with items out of order", async () => fileWith(await signed({ items: [terms(14, 1), item] })), /out of order/],
    ["with a firm twice", async () => fileWith(await signed({}), await signed({})), /Firm Code 6000010 is there twice/],
    [
      "with firms out of order",
      async () => fileWith(await signed({}, { by: otherFirm }), await signed({})),
      /Firm Code 6000010 is out of order/,
    ],
    [
      "with a usage period of no time",
      async () => fileWith(await signed({ items: [{ ...item, usagePeriodSeconds: 0 }] })),
      /items\[0\]\.usagePeriodSeconds: expected an integer from 1/,
    ],
    [
      "with one end of a maintenance period",
      async () => fileWith(await signed({ items: [{ ...item, maintenanceFromMs: 0 }] })),
      /has one end of a maintenance period without the other/,
    ],
    [
      "with secret data that is none, and does not show it",
      async () => fileWith(await signed({ items: [{ ...item, protectedData: "c2VjcmV0!" }] })),
      /items\[0\]\.protectedData: expected 1 to 256 bytes as base64url, received 9 characters/,
    ],
    [
      "with an unknown option",
      async () => fileWith(await signed({ items: [{ ...item, colour: 3 }] })),
      /unknown key "colour"/,
    ],
    [
      "with a quantity of 0",
      async () => fileWith(await signed({ items: [{ ...item, quantity: 0 }] })),
      /items\[0\]\.quantity: expected an integer from 1/,
    ],
    [
      "with text that is too long",
      async () => fileWith(await signed({ items: [{ ...item, text: "ä".repeat(129) }] })),
      /items\[0\]\.text/,
    ],
    [
      "that expires before it is activated",
      async () => fileWith(await signed({ items: [terms(13, 1, { activationMs: 2, expirationMs: 1 })] })),
      /expires before it is activated/,
    ],
    [
      "whose payload is not canonical",
      async () =>
        fileWith(
          await signed(
            {},
            { text: JSON.stringify({ updateCounter: 1, items: [], firmName: "Firm", firmCode: 6_000_010, ...outer }) },
          ),
        ),
      /payload is not in canonical form/,
    ],
    ["whose payload is not JSON", async () => fileWith(await signed({}, { text: "hello" })), /payload is not JSON/],
    ["with another typ", async () => fileWith(await signed({}, { header: { typ: "JWT" } })), /needs the header/],
    [
      "with a header that means more",
      async () => fileWith(await signed({}, { header: { cty: "x" } })),
      /needs the header/,
    ],
    [
      "without a firm item",
      async () => Buffer.from(encodeContainerFile({ ...outer, firmItems: [] })),
      /at least one signed firm item/,
    ],
    [
      "of another format",
      async () => Buffer.from((await fileWith()).toString().replace("tmr-container/1", "tmr-container/2")),
      /format: expected "tmr-container\/1"/,
    ],
    [
      "of another kind",
      async () => Buffer.from((await fileWith()).toString().replace("130-5", "131-5")),
      /container: expected 130-serial, received "131-5"/,
    ],
    ["that is something else", async () => Buffer.from('"hello"'), /expected a table/],
  ];
  for (const [what, build, expected] of cases) {
    it(`${what} is refused`, async () => assert.match(await reason(await build()), expected));
  }

  it("signed by algorithm none or a second spelling of a signature is refused", async () => {
    const jws = await signed({ items: [item] });
    const [header = "", payload = "", signature = ""] = jws.split(".");
    const none = Buffer.from(JSON.stringify({ alg: "none", kid: firmKeyId(firm.key), typ: "tmr-firm-item+jws" }));
    await reason(await fileWith(`${none.toString("base64url")}.${payload}.`));
    await reason(await fileWith(`${header}.${payload}.`));
    await reason(await fileWith(`${header}..${signature}`));
    // The last character of 64 bytes in base64url has four bits that mean nothing.
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const last = alphabet[alphabet.indexOf(signature.at(-1) ?? "") + 1] ?? "";
    await reason(await fileWith(`${header}.${payload}.${signature.slice(0, -1)}${last}`));
    await reason(await fileWith(`${jws}=`));
    await reason(await fileWith(`${jws}.${signature}`));
  });
});
