/** Wires one TMR server: configuration, engine, log, and how it reads holding statements. */
import { createHash } from "node:crypto";
import { loadServerConfig } from "../config/index.js";
import { loadEngine } from "../engine/index.js";
import { readStatement, SIGNATURE_BYTES } from "../license/statement.js";
import { type RunningServer, runServer } from "../tmr/server.js";
import { fatalExit, serverLog } from "./server-log.js";
import { packageVersion } from "./version.js";

/** Starts the TMR server that `file` describes. */
export async function startServer(file: string): Promise<RunningServer> {
  const config = loadServerConfig(file);
  const log = serverLog(config.name, config.log.level);
  const server = await runServer(config, {
    engine: loadEngine(),
    log,
    version: packageVersion(),
    readStatement: readHolding,
    fatal: fatalExit(log),
  });
  log.info({ address: server.address, twin: config.twin }, "TMR server listens for clients");
  return server;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

/** A carried statement for the status: its signature was checked by the upstreams that carried it. */
function readHolding(blob: Uint8Array): { upstream: 1 | 2 | 3; entries: Uint8Array } | null {
  const payload = Buffer.from(blob.subarray(SIGNATURE_BYTES));
  for (const upstream of [1, 2, 3] as const) {
    const statement = readStatement(payload, upstream, sha256);
    if (typeof statement !== "string") return { upstream, entries: statement.entries };
  }
  return null;
}
