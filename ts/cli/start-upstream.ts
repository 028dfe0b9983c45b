/** Wires one upstream license server: configuration, engine, log. */
import { loadUpstreamConfig, type UpstreamConfig } from "../config/index.js";
import { loadEngine } from "../engine/index.js";
import { runUpstream } from "../upstream/server.js";
import { packageVersion } from "../version.js";
import { readContainers, reloadConfig } from "./reload.js";
import type { Running } from "./serve.js";
import { fatalExit, serverLog } from "./server-log.js";

/** Starts the upstream that `file` describes. */
export async function startUpstream(file: string): Promise<Running> {
  const config = loadUpstreamConfig(file);
  const log = serverLog(config.name, config.log.level);
  const upstream = await runUpstream(config, {
    engine: loadEngine(),
    log,
    version: packageVersion(),
    fatal: fatalExit(log),
  });
  const reloadable = {
    config,
    load: () => loadUpstreamConfig(file),
    names: { table: "upstream", atRuntime: ["log"] },
    apply: (next: UpstreamConfig) => {
      log.level = next.log.level;
    },
  };
  return {
    log,
    summary: () => {
      const { blank, position, promised, links, containers } = upstream.status();
      const linked = new Set(links).size;
      return `${blank ? "BLANK" : `position ${position}`}, epoch ${promised}, ${linked} of 2 TMR servers, ${containers.length} containers`;
    },
    // An upstream that cannot write ends by itself: that it can say how it is, is all there is to see.
    fault: () => {
      upstream.status();
      return null;
    },
    reload: async () => {
      await reloadConfig(reloadable, log);
      await readContainers(upstream, log);
    },
    stop: () => upstream.stop(),
  };
}
