import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { ControlClient } from "../../ts/admin/control-client.js";
import { controlSocketPath, MAX_REQUEST_BYTES } from "../../ts/admin/control-protocol.js";
import { ControlSocket } from "../../ts/admin/control-socket.js";
import { TmrError } from "../../ts/errors.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { answerOf, FakeControlTarget, leaveStaleSocket } from "../support/control-kit.js";
import { present } from "../support/native-engine.js";
import { scratchFolder } from "../support/scratch.js";
import { rejectedBy, thrownBy } from "../support/throws.js";

describe("the control socket", () => {
  const scratch = scratchFolder();
  const target = new FakeControlTarget();
  let opened: ControlSocket[] = [];
  let others: Server[] = [];

  const folder = (): string => join(scratch(), "state");
  const path = (): string => join(folder(), "control.sock");
  const client = (): ControlClient => new ControlClient(folder(), 5_000);

  beforeEach(() => target.reset());
  afterEach(async () => {
    await Promise.all(opened.map((socket) => socket.close()));
    await Promise.all(others.map((server) => new Promise((resolve) => server.close(resolve))));
    opened = [];
    others = [];
  });

  async function open(connectionMs?: number): Promise<ControlSocket> {
    const socket = await ControlSocket.open(folder(), connectionMs);
    opened.push(socket);
    socket.attach(target);
    return socket;
  }

  /** What comes back for these bytes until the server ends the connection. */
  function answerTo(bytes: string | Buffer, halfClose = false): Promise<unknown> {
    return new Promise((resolve, reject) => {
      let text = "";
      const socket: Socket = connect({ path: path(), allowHalfOpen: true });
      socket.setEncoding("utf8");
      socket.on("data", (chunk: string) => {
        text += chunk;
      });
      // A request of which the server left something unread ends in a reset, behind its answer.
      socket.on("error", (error: NodeJS.ErrnoException) => error.code !== "ECONNRESET" && reject(error));
      socket.on("end", () => socket.destroy());
      socket.on("close", () => {
        assert.match(text, /^[^\n]+\n$/, "one line");
        resolve(JSON.parse(text));
      });
      socket.write(bytes);
      if (halfClose) socket.end();
    });
  }

  async function assertNotUnderstood(bytes: string | Buffer, received: RegExp, halfClose = false): Promise<void> {
    const { error } = (await answerTo(bytes, halfClose)) as { error: { code: string; message: string } };
    assert.equal(error.code, "ERR_TMR_PROTOCOL");
    assert.match(error.message, /^expected one line \{"command":"health"\}/);
    assert.match(error.message, received);
  }

  it("is a file for its owner only, in a folder for its owner only", async () => {
    await open();
    const stat = statSync(path());
    assert.ok(stat.isSocket());
    assert.equal(stat.mode & 0o777, 0o600);
    assert.equal(statSync(folder()).mode & 0o777, 0o700);
  });

  it("says role, phase, quorum and upstreams, and that only an active server with a quorum serves", async () => {
    await open();
    assert.deepEqual(await answerTo('{"command":"health"}\n'), {
      role: "passive",
      phase: "idle",
      quorum: false,
      answers: false,
      peer: "passive",
      upstreams: ["streaming", "blank", "down"],
    });
    target.say("active", "active", false);
    assert.equal((await client().health()).answers, false);
    target.say("passive", "active", true);
    assert.equal((await client().health()).answers, false);
    target.say("active", "active", true);
    assert.deepEqual(await client().health(), {
      role: "active",
      phase: "active",
      quorum: true,
      answers: true,
      peer: "passive",
      upstreams: ["streaming", "streaming", "down"],
    });
  });

  it("passes take-over, admissions and resume on, and says why one is refused", async () => {
    await open();
    assert.deepEqual(await answerTo('{"command":"take-over"}\n'), { begun: true });
    for (const upstream of [1, 2, 3, "all"] as const) await client().admit(upstream);
    await client().resume();
    assert.deepEqual(target.calls, ["take-over", "admit 1", "admit 2", "admit 3", "admit all", "resume"]);
    target.refusal = "upstream 2 is not blank";
    const refused = await rejectedBy("ERR_TMR_STATE", () => client().admit(2));
    assert.equal(refused.message, "upstream 2 is not blank");
    await rejectedBy("ERR_TMR_STATE", () => client().resume());
    for (const role of ["stopping", "stopped"] as const) {
      target.say(role, "stopped", false);
      await rejectedBy("ERR_TMR_STATE", () => client().takeOver());
    }
  });

  it("has a record ordered, and answers with its result and blob, a refusal's sentence included", async () => {
    await open();
    const cancelled = await client().propose({ kind: "cancelHandle", handle: 2 ** 40 });
    assert.deepEqual([cancelled.status, cancelled.result.handle, cancelled.blob], ["ok", 2 ** 40, ""]);
    target.answer = (record) => Promise.resolve(answerOf(record, Status["handle-unknown"], "No handle 7.", 3));
    const unknown = await client().propose({ kind: "readAccessList", cursor: 9 });
    assert.deepEqual([unknown.status, unknown.result.nextCursor], ["handle-unknown", 3]);
    assert.equal(Buffer.from(unknown.blob, "base64url").toString(), "No handle 7.");
    const list = Buffer.alloc(256 * 1024, "ä");
    await client().propose({ kind: "setAccessList", blob: list.toString("base64url") });
    assert.deepEqual(
      target.records.map(({ kind, handle, cursor, blob }) => [kind, handle, cursor, blob?.length]),
      [
        [Kind.cancelHandle, 2 ** 40, undefined, undefined],
        [Kind.readAccessList, undefined, 9, undefined],
        [Kind.setAccessList, undefined, undefined, list.length],
      ],
    );
    assert.ok(list.equals(present(target.records[2]?.blob)));
  });

  it("reads the series of tracking, and acknowledges nothing for whoever asks", async () => {
    await open();
    await client().propose({ kind: "readSeries", cursor: 7, handle: 5, quantity: 1, blob: "AAAA" });
    assert.deepEqual(target.records, [{ kind: Kind.events, mode: 1, cursor: 7 }]);
  });

  it("says why a record was not ordered", async () => {
    await open();
    target.answer = () => Promise.reject(new TmrError("ERR_TMR_STATE", "this server is passive, not active"));
    const refused = await rejectedBy("ERR_TMR_STATE", () => client().propose({ kind: "cancelHandle", handle: 1 }));
    assert.equal(refused.message, "this server is passive, not active");
  });

  it("refuses everything while its server starts or stops", async () => {
    const socket = await open();
    socket.attach(null);
    for (const ask of [() => client().health(), () => client().takeOver(), () => client().admit("all")]) {
      assert.match((await rejectedBy("ERR_TMR_STATE", ask)).message, /starting or stopping/);
    }
    assert.deepEqual(target.calls, []);
  });

  it("says what it expected when it gets anything else, and does nothing", async () => {
    await open();
    const lines = [
      "",
      " ",
      "health",
      "{",
      "null",
      "7",
      "[]",
      '"health"',
      "{}",
      '{"command":"halt"}',
      '{"command":["health"]}',
      '{"command":"health","verbose":true}',
      '{"command":"take-over","force":true}',
      '{"command":"resume","upstream":1}',
      '{"command":"admit"}',
      '{"command":"admit","upstream":0}',
      '{"command":"admit","upstream":4}',
      '{"command":"admit","upstream":"2"}',
      '{"command":"admit","upstream":1.5}',
      '{"command":"admit","upstream":"ALL"}',
      '{"command":"admit","upstream":null}',
      '{"command":"admit","upstream":[1,2]}',
      '{"command":"propose"}',
      '{"command":"propose","kind":"expire"}',
      '{"command":"propose","kind":"statement"}',
      '{"command":"propose","kind":131}',
      '{"command":"propose","kind":"cancelHandle","handle":-1}',
      '{"command":"propose","kind":"cancelHandle","handle":1.5}',
      '{"command":"propose","kind":"cancelHandle","handle":"7"}',
      '{"command":"propose","kind":"cancelHandle","handle":9007199254740992}',
      '{"command":"propose","kind":"cancelHandle","session":"x"}',
      '{"command":"propose","kind":"readAccessList","cursor":4294967296}',
      '{"command":"propose","kind":"setNamedUser","mode":256}',
      '{"command":"propose","kind":"setAccessList","blob":"not base64!"}',
    ];
    for (const line of lines) await assertNotUnderstood(`${line}\n`, /received something else$/);
    await assertNotUnderstood(Buffer.of(0xff, 0xfe, 0x00, 0x0a), /received something else$/);
    await assertNotUnderstood('{"command":"take-over"}', /received no whole line$/, true);
    await assertNotUnderstood("", /received no whole line$/, true);
    assert.deepEqual([target.calls, target.records], [[], []]);
  });

  it("takes a line of 8 MiB and refuses a longer one without waiting for its end", async () => {
    await open();
    const padded = (bytes: number): string => `${'{"command":"health"}'.padEnd(bytes - 1, " ")}\n`;
    assert.ok("role" in ((await answerTo(padded(MAX_REQUEST_BYTES))) as object));
    await assertNotUnderstood(padded(MAX_REQUEST_BYTES + 1), /received more than 8388608 bytes$/);
    await assertNotUnderstood("x".repeat(8_400_000), /received more than 8388608 bytes$/);
  });

  it("answers a request that comes byte by byte, and one line per connection", async () => {
    await open();
    const socket = connect({ path: path() });
    for (const byte of '{"command":"take-over"}') {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.write('\n{"command":"take-over"}\n');
    const chunks: Buffer[] = [];
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    await new Promise((resolve) => socket.on("close", resolve));
    assert.equal(Buffer.concat(chunks).toString(), '{"begun":true}\n');
    assert.deepEqual(target.calls, ["take-over"]);
  });

  it("keeps 16 connections, closes any more at once, and closes those that ask nothing in time", async () => {
    await open(500);
    const closed = Array.from({ length: 16 }, () => {
      const socket = connect({ path: path() });
      socket.on("error", () => {});
      return new Promise((resolve) => socket.resume().on("close", resolve));
    });
    // Connected in the same turn, and accepted in this order.
    const more = await rejectedBy("ERR_TMR_CONNECT", () => client().health());
    assert.match(more.message, /closed the connection without an answer|EPIPE|ECONNRESET/);
    await Promise.all(closed);
    assert.equal((await client().health()).role, "passive");
  });

  it("replaces the socket file of a process that was killed", async () => {
    mkdirSync(folder());
    await leaveStaleSocket(path());
    assert.ok(statSync(path()).isSocket());
    await rejectedBy("ERR_TMR_CONNECT", () => client().health());
    await open();
    assert.equal((await client().health()).role, "passive");
    assert.equal(statSync(path()).mode & 0o777, 0o600);
  });

  it("leaves a living process its socket, and what is no socket where it is", async () => {
    await open();
    const second = await rejectedBy("ERR_TMR_LISTEN", () => ControlSocket.open(folder()));
    assert.ok(second.message.includes(`${path()}: another process answers on it`), second.message);
    assert.equal((await client().health()).role, "passive", "the first one goes on");
    await opened.pop()?.close();
    writeFileSync(path(), "a file");
    const file = await rejectedBy("ERR_TMR_LISTEN", () => ControlSocket.open(folder()));
    assert.ok(file.message.includes(`${path()}: it is not a socket`), file.message);
    assert.equal(readFileSync(path(), "utf8"), "a file");
  });

  it("is removed when it is closed, with connections open", async () => {
    const socket = await open();
    const idle = connect({ path: path() });
    idle.on("error", () => {});
    await new Promise((resolve) => idle.on("connect", resolve));
    await socket.close();
    assert.ok(!existsSync(path()));
    assert.match((await rejectedBy("ERR_TMR_CONNECT", () => client().health())).message, /no TMR server answers here/);
  });

  it("says when its path is longer than a Unix socket's can be, and when its folder cannot be made", async () => {
    const most = 107 - "/control.sock".length;
    const fits = `/${"x".repeat(most - 1)}`;
    assert.equal(Buffer.byteLength(controlSocketPath(fits, "ERR_TMR_LISTEN")), 107);
    const long = join(scratch(), "x".repeat(100));
    const refused = await rejectedBy("ERR_TMR_LISTEN", () => ControlSocket.open(long));
    assert.match(refused.message, /control\.sock: expected a path of at most 107 bytes.*received 1\d\d;/);
    assert.ok(refused.message.startsWith(long));
    assert.ok(!existsSync(long));
    // Bytes count, not characters.
    thrownBy("ERR_TMR_CONNECT", () => new ControlClient(`/${"ü".repeat(60)}`, 1_000));
    writeFileSync(folder(), "a file");
    const noFolder = await rejectedBy("ERR_TMR_FILE", () => ControlSocket.open(folder()));
    assert.ok(noFolder.message.includes(folder()), noFolder.message);
  });

  describe("asked by a client", () => {
    /** A process at the socket's place that says this, or nothing. */
    async function other(text: string | null): Promise<void> {
      mkdirSync(folder(), { recursive: true });
      const server = createServer((socket) => {
        socket.resume();
        socket.on("error", () => {});
        if (text !== null) socket.end(text);
      });
      others.push(server);
      await new Promise<void>((resolve) => server.listen({ path: path() }, resolve));
    }

    it("that gets no answer, gives up at its deadline", async () => {
      await other(null);
      const late = await rejectedBy("ERR_TMR_TIMEOUT", () => new ControlClient(folder(), 100).health());
      assert.ok(late.message.includes(`${path()}: no answer within 0.1 s`), late.message);
    });

    for (const text of [
      "hello\n",
      "null\n",
      "[]\n",
      '{"role":"active"}\n',
      '{"role":"active","phase":"active","quorum":1,"answers":true,"upstreams":[]}\n',
      '{"error":{"code":"EVIL","message":"x"}}\n',
      '{"error":null}\n',
      "x".repeat(1_100_000),
    ]) {
      it(`takes ${JSON.stringify(text.slice(0, 60))} for no answer of a TMR server`, async () => {
        await other(text);
        await rejectedBy("ERR_TMR_PROTOCOL", () => client().health());
      });
    }

    it("that gets half a line, says so", async () => {
      await other('{"role"');
      await rejectedBy("ERR_TMR_CONNECT", () => client().health());
    });
  });
});
