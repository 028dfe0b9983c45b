/**
 * The border between JavaScript and the engine. A crossing costs little, a Buffer for each thing that crosses costs more
 * than the work on it: so whole chunks and whole packets cross, not requests.
 */

import { engine, sessionPair } from "../test/support/native-engine.js";
import { orderingOptions, requestsPacket, sessionOf } from "../test/support/ordering-kit.js";
import { Kind, Status } from "../ts/wire/kinds.js";
import type { Bench, Prepared } from "./support/bench.js";
import { compare } from "./support/compare.js";
import { prepareNative } from "./support/native.js";

const COUNT = 64;
const MESSAGE_BYTES = 256;
const CALLS = 1_000;

/** Packets to the orderer, each answered at once, because nothing orders them: what came back, as bytes. */
function asking(packets: readonly Buffer[]): Prepared {
  const orderer = engine.createOrderer(orderingOptions({ maxPendingRequests: COUNT }));
  const client = orderer.addClient();
  let answers: Buffer[] = [];
  return {
    run: () => {
      for (const packet of packets) orderer.clientMessage(client, packet);
      orderer.refusePending(Status.busy);
      answers = [];
      for (
        let packet = orderer.takeClientMessage(client);
        packet !== null;
        packet = orderer.takeClientMessage(client)
      ) {
        answers.push(packet);
      }
    },
    output: () => Buffer.concat(answers),
  };
}

const requests = Array.from({ length: COUNT }, (_, i) => ({
  kind: Kind.access,
  request: i + 1,
  session: sessionOf(1),
}));

/** One call and one Buffer for each packet that is sealed and that is opened. */
function sealingOneByOne(): Prepared {
  const { a, b } = sessionPair();
  const texts = Array.from({ length: COUNT }, (_, i) => {
    const first = i * MESSAGE_BYTES;
    return Buffer.from(Array.from({ length: MESSAGE_BYTES }, (_, at) => ((first + at) * 7 + i) % 256));
  });
  let opened: Buffer[] = [];
  return {
    run: () => {
      opened = texts.flatMap((text) => b.open(a.seal(text) ?? Buffer.alloc(0)) ?? []);
    },
    output: () => Buffer.concat(opened),
  };
}

/** The same packets without leaving the engine. */
function sealingInside(): Prepared {
  const prepared = prepareNative("session-packets", COUNT, MESSAGE_BYTES);
  const frameBytes = 3 + MESSAGE_BYTES + 16;
  return {
    run: () => prepared.run(),
    output: () => {
      const frames = prepared.output();
      const each = Array.from({ length: COUNT }, (_, i) =>
        frames.subarray(i * frameBytes + 3, (i + 1) * frameBytes - 16),
      );
      return Buffer.concat(each);
    },
  };
}

/** The sum of a number that is read many times. */
function reading(from: { readonly pending: number }): Prepared {
  let sum = -1;
  return {
    run: () => {
      sum = 0;
      for (let i = 0; i < CALLS; i++) sum += from.pending + 1;
    },
    output: () => Buffer.from(String(sum)),
  };
}

class Plain {
  readonly #waiting = 0;
  get pending(): number {
    return this.#waiting;
  }
}

export const boundary: Bench = {
  name: "boundary",
  claim:
    "a call into the engine costs many times one within JavaScript, and with a Buffer for each more than the work itself",
  control:
    "one call per request in place of one per packet; one per sealed packet in place of none; a getter in JavaScript",
  disproof: "one call per request as cheap as one per packet",
  measure: (effort) =>
    compare(
      [
        {
          work: "a request in and its refusal out",
          subject: {
            name: "64 in one packet",
            operations: COUNT,
            prepare: () => asking([requestsPacket(...requests)]),
          },
          controls: [
            {
              name: "64 packets",
              operations: COUNT,
              prepare: () => asking(requests.map((request) => requestsPacket(request))),
            },
          ],
        },
        {
          work: "seal + open 256 bytes",
          subject: { name: "inside the engine", operations: COUNT, prepare: sealingInside },
          controls: [{ name: "a call and a Buffer each", operations: COUNT, prepare: sealingOneByOne }],
        },
        {
          work: "reading one number",
          subject: {
            name: "of the engine",
            operations: CALLS,
            prepare: () => reading(engine.createOrderer(orderingOptions())),
          },
          controls: [
            { name: "of a JavaScript object", operations: CALLS, prepare: () => reading(new Plain()), told: "cost" },
          ],
        },
      ],
      effort,
    ),
};
