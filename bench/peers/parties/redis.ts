/** Three independent Redis and clients that lock a seat on the majority of them. */
import { mkdirSync } from "node:fs";
import { freePorts } from "../../../ts/cli/demo/processes.js";
import { findProgram, programPath } from "../commands.js";
import type { Party } from "../party.js";
import { type Launch, ServerParty } from "../server-party.js";

const LACKS =
  "no common order and no log: which seats exist is what clients agree on; locks end by three clocks; no vote over " +
  "what was decided, nothing encrypted, no answer for a repeated request";

async function launch({ dir, group }: Launch, durable: boolean): Promise<number[]> {
  const ports = await freePorts(3);
  for (const [i, port] of ports.entries()) {
    const folder = `${dir}/redis-${i}`;
    mkdirSync(folder);
    const options = [
      ["--port", String(port)],
      ["--bind", "127.0.0.1"],
      ["--dir", folder],
      ["--save", ""],
      ["--appendonly", durable ? "yes" : "no"],
      ["--appendfsync", "always"],
      // Rewriting the file in between would fork in the middle of a round.
      ["--auto-aof-rewrite-percentage", "0"],
      ["--daemonize", "no"],
    ];
    group.start({ name: `redis-${i}`, program: programPath("redis-server"), args: options.flat() });
  }
  return ports;
}

export function redisParties(generator: string): Party[] {
  const shared = {
    driver: "redis",
    generator,
    lacks: LACKS,
    missing: () => (findProgram("redis-server") === null ? ["redis-server"] : []),
  } as const;
  return [
    new ServerParty({
      ...shared,
      id: "redis-fsync",
      name: "Redis × 3, majority, fsync always",
      persistence: "durable",
      persists: "synced by 2 of 3",
      launch: (given) => launch(given, true),
    }),
    new ServerParty({
      ...shared,
      id: "redis-memory",
      name: "Redis × 3, majority, in memory",
      persistence: "volatile",
      persists: "in memory of 2 of 3",
      launch: (given) => launch(given, false),
    }),
  ];
}
