/** An upstream as a process of its own, for tests that kill it: `upstream-process.js CONFIG`. Says its address. */
import { writeSync } from "node:fs";
import pino from "pino";
import { loadUpstreamConfig } from "../../ts/config/index.js";
import { runUpstream } from "../../ts/upstream/server.js";
import { engine } from "./native-engine.js";

const config = { ...loadUpstreamConfig(process.argv[2] ?? ""), listen: "127.0.0.1:0" };
const fatal = (error: unknown): never => {
  writeSync(2, `tmr: ${String(error)} (${(error as { code?: string }).code})\n`);
  process.exit(1);
};
const upstream = await runUpstream(config, { engine, log: pino({ level: "silent" }), version: "0.0.0-test", fatal });
writeSync(1, `${upstream.address}\n`);
