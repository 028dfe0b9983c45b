/** What a program can do with a license that it holds, from its own call down to the license rules. */
import assert from "node:assert/strict";
import { createHmac, hkdfSync } from "node:crypto";
import { openSession } from "../../ts/client/connect.js";
import type { Handle } from "../../ts/client/handle.js";
import { afterQueue } from "../../ts/client/queue-wait.js";
import type { AccessOptions, Session } from "../../ts/client/session.js";
import type { CallFields } from "../../ts/client/types.js";
import { RefusedError } from "../../ts/index.js";
import type { Terms } from "../../ts/license/terms.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import type { Result } from "../../ts/wire/result.js";
import { LicenseKit, terms } from "../support/license-kit.js";
import { machineDialer } from "../support/machine-dialer.js";

const codes = { firmCode: 6000010, productCode: 13 };
const base64url = (text: string): string => Buffer.from(text).toString("base64url");
const full: Partial<Terms> = {
  unitCounter: 10,
  ownerInformation: "plant 1",
  userData: true,
  protectedData: base64url("protected"),
  extendedProtectedData: [{ index: 9, data: base64url("nine") }],
  hiddenData: [{ index: 3, data: base64url("hidden"), accessCode: 0xffff_fffe }],
  secretData: [{ index: 5, data: base64url("secret") }],
};

function open(options: Partial<Terms>, names: { user?: string } = {}): Promise<Session> {
  const kit = new LicenseKit();
  kit.holdAll(terms({ tmrId: 1, quantity: 5, ...options }));
  return openSession({ host: "h", user: "ada", station: "s", program: "p", ...names }, ["one:1"], machineDialer(kit));
}

async function held(options: Partial<Terms> = full): Promise<Handle> {
  return (await open(options)).access(codes);
}

function refused(reason: string): (error: unknown) => boolean {
  return (error) => error instanceof RefusedError && error.reason === reason;
}

describe("a program that holds a license", () => {
  it("consumes units, sees how many are left, and is refused more than there are", async () => {
    const handle = await held();
    assert.deepEqual([handle.units, handle.granted.units], [10, 10]);
    assert.equal((await handle.consume(7)).units, 3);
    await assert.rejects(handle.consume(4), refused("units-used-up"));
    assert.equal((await handle.info()).units, 3);
  });

  it("consumes in one turn as if one after the other", async () => {
    const handle = await held();
    const told = await Promise.allSettled([4, 4, 4].map((units) => handle.consume(units)));
    assert.deepEqual(
      told.map(({ status }) => status),
      ["fulfilled", "fulfilled", "rejected"],
    );
    assert.equal((await handle.info()).units, 2);
  });

  it("reads every sort of data", async () => {
    const handle = await held();
    const read = async (...asked: Parameters<Handle["readData"]>): Promise<string> =>
      (await handle.readData(...asked)).toString();
    assert.equal(await read("ownerInformation"), "plant 1");
    assert.equal(await read("userData"), "");
    assert.equal(await read("protectedData"), "protected");
    assert.equal(await read("extendedProtectedData", { index: 9 }), "nine");
    assert.equal(await read("hiddenData", { index: 3, accessCode: 0xffff_fffe }), "hidden");
    await assert.rejects(read("extendedProtectedData"), refused("not-found"));
    await assert.rejects(read("hiddenData", { index: 3, accessCode: 1 }), refused("bad-request"));
  });

  it("writes user data as bytes and as a text", async () => {
    const handle = await held();
    await handle.writeUserData("Größe");
    assert.equal((await handle.readData("userData")).toString(), "Größe");
    const bytes = Buffer.of(1, 2, 3);
    const written = handle.writeUserData(bytes);
    bytes.fill(9);
    await written;
    assert.deepEqual(await handle.readData("userData"), Buffer.of(1, 2, 3));
  });

  it("has the servers compute with a secret", async () => {
    const handle = await held();
    const expected = createHmac("sha256", "secret").update("challenge").digest();
    assert.deepEqual(await handle.crypt("challenge", { index: 5 }), expected);
    const key = Buffer.from(hkdfSync("sha256", "secret", "", "context", 48));
    assert.deepEqual(await handle.crypt("context", { index: 5, method: "hkdf", length: 48 }), key);
  });

  it("states the release date of the program, and the version of this library by itself", async () => {
    const period = { maintenanceFromMs: Date.UTC(2030, 0, 1), maintenanceUntilMs: Date.UTC(2030, 11, 31) };
    const session = await open({ ...period, minimumRuntimeVersion: "0.1.0", namedUser: "ada" });
    await assert.rejects(session.access(codes), refused("maintenance"));
    const handle = await session.access({ ...codes, releaseDate: new Date("2030-06-01T00:00:00Z") });
    assert.equal(handle.valid, true);
    const newer = await open({ minimumRuntimeVersion: "999.0.0" });
    await assert.rejects(newer.access(codes), refused("runtime-too-old"));
  });

  it("asks for one item of several", async () => {
    const kit = new LicenseKit();
    kit.holdAll(terms({ tmrId: 1 }), terms({ tmrId: 2 }));
    const session = await openSession({}, ["one:1"], machineDialer(kit));
    assert.equal((await session.access({ ...codes, itemRef: 2 })).item, 2);
  });

  it("sees in the list of items what was used", async () => {
    const session = await open({ ...full, usagePeriodSeconds: 60, namedUser: "" });
    const handle = await session.access(codes);
    await handle.consume(3);
    const [item] = await session.items();
    assert.deepEqual(
      [item?.unitCounter, item?.unitsUsed, item?.firstUseMs, item?.namedUser, item?.hiddenData],
      [10, 3, Date.UTC(2030, 0, 1), "ada", [3]],
    );
  });

  const wrong: readonly (readonly [says: string, call: (handle: Handle) => Promise<unknown>, message: RegExp])[] = [
    ["no units", (handle) => handle.consume(0), /^units: expected an integer from 1 to 4294967295, received 0$/],
    ["half a unit", (handle) => handle.consume(1.5), /^units: /],
    ["more units than 32 bits", (handle) => handle.consume(2 ** 32), /^units: /],
    [
      "an unknown sort of data",
      (handle) => handle.readData("secretData" as "userData"),
      /^which: expected one of ownerI/,
    ],
    ["a name that every object has", (handle) => handle.readData("toString" as "userData"), /^which: /],
    ["an index of 128", (handle) => handle.readData("extendedProtectedData", { index: 128 }), /^index: /],
    ["hidden data without a code", (handle) => handle.readData("hiddenData"), /^accessCode: .* received undefined$/],
    ["a code beyond 32 bits", (handle) => handle.readData("hiddenData", { accessCode: 2 ** 32 }), /^accessCode: /],
    [
      "257 bytes of user data",
      (handle) => handle.writeUserData(Buffer.alloc(257)),
      /^data: expected at most 256 bytes or a text, received 257 bytes$/,
    ],
    ["user data that are no bytes", (handle) => handle.writeUserData(7 as unknown as string), /^data: .* received 7$/],
    ["257 bytes to compute with", (handle) => handle.crypt("x".repeat(257)), /^input: /],
    [
      "an unknown method",
      (handle) => handle.crypt("x", { method: "md5" as "hmac" }),
      /^method: expected one of hmac, hkdf/,
    ],
    ["a key of 257 bytes", (handle) => handle.crypt("x", { method: "hkdf", length: 257 }), /^length: /],
  ];
  for (const [says, call, message] of wrong) {
    it(`is told at once that it asks with ${says}`, async () => {
      const handle = await held();
      await assert.rejects(call(handle), { code: "ERR_TMR_ARGUMENT", message });
    });
  }

  for (const [says, options, message] of [
    ["a wait of half a ms", { waitMs: 0.5 }, /^waitMs: /],
    ["a wait of 25 days", { waitMs: 2 ** 31 }, /^waitMs: /],
    ["a release date that is none", { releaseDate: new Date("x") }, /^releaseDate: expected a Date after 1970/],
    ["a release date as a text", { releaseDate: "2030-01-01" as unknown as Date }, /^releaseDate: /],
    ["a negative item reference", { itemRef: -1 }, /^itemRef: /],
  ] satisfies [string, Partial<AccessOptions>, RegExp][]) {
    it(`is told at once that it asks for a license with ${says}`, async () => {
      const session = await open({});
      await assert.rejects(session.access({ ...codes, ...options }), { code: "ERR_TMR_ARGUMENT", message });
    });
  }
});

describe("waiting in a queue", () => {
  const result = (status: number, free = 0): Result => ({ status, handle: 7, free }) as Result;
  interface Driver {
    readonly asked: CallFields[];
    call(fields: CallFields): Promise<{ result: Result; blob: Buffer }>;
  }
  function driver(...answers: (Result | Error)[]): Driver {
    const asked: CallFields[] = [];
    return {
      asked,
      call: (fields) => {
        asked.push(fields);
        const answer = fields.kind === Kind.release ? result(Status.ok) : (answers.shift() ?? result(Status.queued, 1));
        return answer instanceof Error
          ? Promise.reject(answer)
          : Promise.resolve({ result: answer, blob: Buffer.alloc(0) });
      },
    };
  }
  const options = { timeoutMs: 1_000 };

  it("asks nothing when the license was granted at once", async () => {
    const { asked, call } = driver();
    assert.equal((await afterQueue({ call }, result(Status.ok), 1_000, options)).status, Status.ok);
    assert.deepEqual(asked, []);
  });

  it("asks how the handle stands until it has its seat", async () => {
    const { asked, call } = driver(result(Status.queued, 1), result(Status.ok));
    const told = await afterQueue({ call }, result(Status.queued, 2), 5_000, options);
    assert.equal(told.status, Status.ok);
    assert.deepEqual(asked, [
      { kind: Kind.info, handle: 7 },
      { kind: Kind.info, handle: 7 },
    ]);
  });

  it("ends with the servers' refusal", async () => {
    const { asked, call } = driver(new RefusedError("no-free-license", "too late"));
    await assert.rejects(afterQueue({ call }, result(Status.queued, 2), 5_000, options), refused("no-free-license"));
    assert.deepEqual(
      asked.map(({ kind }) => kind),
      [Kind.info],
    );
  });

  it("leaves the queue when the time is over", async () => {
    const { asked, call } = driver();
    await assert.rejects(afterQueue({ call }, result(Status.queued, 2), 50, options), {
      code: "ERR_TMR_TIMEOUT",
      message: "no seat within 50 ms: number 1 in the queue",
    });
    assert.equal(asked.at(-1)?.kind, Kind.release);
  });

  it("leaves the queue when its caller does not want any more, with the caller's reason", async () => {
    const { asked, call } = driver();
    const giveUp = new AbortController();
    const waiting = afterQueue({ call }, result(Status.queued, 2), 5_000, { ...options, signal: giveUp.signal });
    giveUp.abort(new Error("enough"));
    await assert.rejects(waiting, { message: "enough" });
    assert.deepEqual(asked, [{ kind: Kind.release, handle: 7 }]);
  });
});
