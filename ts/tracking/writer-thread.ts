/**
 * The thread that writes tracking files: it waits for the disk, so that the thread that serves clients does not. Whatever
 * fails here is told, and the folder is read anew before anything else is written.
 */
import { createHmac } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { TmrError } from "../errors.js";
import { FolderDisk } from "./disk.js";
import { openTrackingKey } from "./signatures.js";
import { TrackingWriter } from "./writer.js";
import type { ThreadAnswer, ThreadOptions, ThreadRequest } from "./writer-client.js";

const PSEUDONYM_CHARACTERS = 16;

const options = workerData as ThreadOptions;
let writer: TrackingWriter | null = null;

function open(): TrackingWriter {
  const { keyFile, pseudonymKey, folder, ...rest } = options;
  const disk = new FolderDisk(folder);
  const key = keyFile === null ? null : openTrackingKey(keyFile);
  return new TrackingWriter(disk, {
    ...rest,
    key: key?.publicKey ?? "",
    sign: key === null ? null : (bytes) => key.sign(bytes),
    pseudonym: pseudonymKey === null ? null : (name) => pseudonymOf(pseudonymKey, name),
  });
}

function pseudonymOf(key: Uint8Array, name: string): string {
  return `~${createHmac("sha256", key).update(name).digest("base64url").slice(0, PSEUDONYM_CHARACTERS)}`;
}

function answer({ id, call, text, nowMs }: ThreadRequest): ThreadAnswer {
  try {
    writer ??= open();
    switch (call) {
      case "begin":
        writer.begin(text, nowMs);
        return { id, acknowledgement: null };
      case "take":
        return { id, acknowledgement: writer.take(text, nowMs) };
      case "tick":
        writer.tick(nowMs);
        return { id, acknowledgement: null };
      case "stopped":
      case "passive":
        writer.end(call, nowMs);
        return { id, acknowledgement: null };
      default:
        return call satisfies never;
    }
  } catch (error) {
    writer = null;
    const code = error instanceof TmrError ? error.code : "ERR_TMR_FILE";
    return { id, code, message: error instanceof Error ? error.message : String(error) };
  }
}

parentPort?.on("message", (request: ThreadRequest) => parentPort?.postMessage(answer(request)));
