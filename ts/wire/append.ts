/**
 * The append message: the active TMR server's next batch for one upstream. Its body is the batch, nothing else: epoch,
 * position, previous digest and how far batches are carried stand in the batch's own header. `count` and `blobBytes`
 * of the message header are zero.
 */
import { isWellFormedBatch } from "./batch.js";
import { isWellFormedMessage, MESSAGE_HEADER_BYTES, MessageField, MessageType, newMessage } from "./message.js";

/** Builds an append message: for tests and tools. In production native code does this. */
export function appendOf(batch: Uint8Array): Buffer {
  const message = newMessage(MessageType.append, batch.length);
  message.set(batch, MESSAGE_HEADER_BYTES);
  return message;
}

/** The batch inside an append message, as a view; null when message or batch do not keep the format. */
export function batchOfAppend(message: Buffer): Buffer | null {
  if (
    !isWellFormedMessage(message) ||
    message[MessageField.type] !== MessageType.append ||
    message.readUInt32LE(MessageField.count) !== 0 ||
    message.readUInt32LE(MessageField.blobBytes) !== 0
  ) {
    return null;
  }
  const batch = message.subarray(MESSAGE_HEADER_BYTES);
  return isWellFormedBatch(batch) ? batch : null;
}
