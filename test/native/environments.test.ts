/** Life and end of environments: worker threads are independent of each other, and every end is a quiet one. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { Handshake, Session } from "../../ts/engine/types.js";
import { stages } from "../support/engine-stages.js";
import { engine, handshakePair, present, prologueForTests } from "../support/native-engine.js";

const program = fileURLToPath(new URL("../support/engine-worker.js", import.meta.url));

async function received(worker: Worker): Promise<Buffer> {
  const [message] = (await once(worker, "message")) as [Uint8Array];
  return Buffer.from(message);
}

/** A worker that echoes, and a session with it. */
async function connected(): Promise<[Worker, Session]> {
  const worker = new Worker(program, { workerData: "echo" });
  const remoteStaticKey = await received(worker);
  const handshake = engine.createHandshake({
    role: "initiator",
    pattern: "NK",
    prologue: prologueForTests,
    remoteStaticKey,
  });
  worker.postMessage(present(await handshake.write()));
  present(handshake.readSync(await received(worker)));
  return [worker, handshake.split(1000)];
}

async function echoed(worker: Worker, session: Session, text: string): Promise<string | undefined> {
  worker.postMessage(present(session.seal(Buffer.from(text))));
  return present(session.open(await received(worker)))[0]?.toString();
}

describe("environments", () => {
  it("are independent: ending one leaves the sessions of the others as they were", async () => {
    const [firstWorker, first] = await connected();
    const [secondWorker, second] = await connected();
    assert.equal(await echoed(firstWorker, first, "to the first"), "to the first");
    assert.equal(await echoed(secondWorker, second, "to the second"), "to the second");
    await firstWorker.terminate();
    assert.equal(await echoed(secondWorker, second, "still there"), "still there");
    secondWorker.postMessage(null);
    const [code] = (await once(secondWorker, "exit")) as [number];
    assert.equal(code, 0);
  });

  it("that are terminated while handshakes are under way end without harm to the process", async () => {
    for (let i = 0; i < 5; i++) {
      const worker = new Worker(program, { workerData: "many writes under way" });
      const [code] = (await once(worker, "exit")) as [number];
      assert.equal(code, 0);
    }
    assert.notEqual(engine.createHandshake(handshakePair("NK").initiator).writeSync(), null);
  });

  it("finish work whose handshake is no longer referenced", async () => {
    const options = handshakePair("IK").initiator;
    const messages = await Promise.all(Array.from({ length: 100 }, () => engine.createHandshake(options).write()));
    assert.ok(messages.every((message) => message?.length === 96));
  });

  it("run handshakes of many objects at once", async () => {
    const { initiator, responder } = handshakePair("IK");
    const one = async (): Promise<[Handshake, Handshake]> => {
      const [a, b] = [engine.createHandshake(initiator), engine.createHandshake(responder)];
      present(await b.read(present(await a.write())));
      present(await a.read(present(await b.write())));
      return [a, b];
    };
    for (const [a, b] of await Promise.all(Array.from({ length: 50 }, one))) {
      assert.deepEqual(a.handshakeHash(), b.handshakeHash());
    }
  });

  for (const stage of stages) {
    it(`end with code 0 in a process and in a worker: ${stage}`, async () => {
      const child = spawn(process.execPath, [program, stage], { stdio: ["ignore", "inherit", "inherit"] });
      const worker = new Worker(program, { workerData: stage });
      const [[code, signal], [workerCode]] = await Promise.all([once(child, "exit"), once(worker, "exit")]);
      assert.deepEqual({ code, signal, workerCode }, { code: 0, signal: null, workerCode: 0 });
    });
  }
});
