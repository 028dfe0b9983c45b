/** The client library over the license rules themselves, in one process: no upstreams, no sockets, the real records. */
import type { Dialer } from "../../ts/client/dialer.js";
import { BATCH_HEADER_BYTES, isWellFormedBatch, writeBatchHeader } from "../../ts/wire/batch.js";
import { asBuffer } from "../../ts/wire/bytes.js";
import {
  isWellFormedPacket,
  MESSAGE_HEADER_BYTES,
  MessageField,
  MessageType,
  packetOf,
} from "../../ts/wire/message.js";
import type { LicenseKit } from "./license-kit.js";

/** Connections to one server that applies each packet as one batch, at the times of the kit. */
export function machineDialer(kit: LicenseKit): Dialer {
  return async (_server, handlers) => ({
    send: (bytes) => {
      const message = asBuffer(bytes);
      if (!isWellFormedPacket(message)) throw new Error("the client sent a malformed packet");
      const answers = kit.machine.apply(batchOf(message, kit));
      handlers.message(packetOf(MessageType.results, answers.records, answers.blobs));
    },
    close: () => undefined,
  });
}

function batchOf(message: Buffer, kit: LicenseKit): Buffer {
  const { reached, logMs, calendarMs } = kit;
  const body = message.subarray(MESSAGE_HEADER_BYTES);
  const count = message.readUInt32LE(MessageField.count);
  const blobBytes = message.readUInt32LE(MessageField.blobBytes);
  const batch = Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), body]);
  const header = { epoch: 2, position: kit.machine.position + 1, logMs, calendarMs, carried: 0, reached };
  writeBatchHeader(batch, { ...header, count, blobBytes }, new Uint8Array(32));
  if (!isWellFormedBatch(batch)) throw new Error("a packet made a malformed batch");
  return batch;
}
