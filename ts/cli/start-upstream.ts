/** Wires one upstream license server: configuration, engine, log, and SIGHUP to read the containers again. */
import { loadUpstreamConfig } from "../config/index.js";
import { loadEngine } from "../engine/index.js";
import { type RunningUpstream, runUpstream } from "../upstream/server.js";
import { packageVersion } from "../version.js";
import { fatalExit, serverLog } from "./server-log.js";

/** Starts the upstream that `file` describes. */
export async function startUpstream(file: string): Promise<RunningUpstream> {
  const config = loadUpstreamConfig(file);
  const log = serverLog(config.name, config.log.level);
  const upstream = await runUpstream(config, {
    engine: loadEngine(),
    log,
    version: packageVersion(),
    fatal: fatalExit(log),
  });
  process.on("SIGHUP", () => {
    upstream.reload().catch((error: unknown) => log.error({ err: error }, "the containers could not be read again"));
  });
  return upstream;
}
