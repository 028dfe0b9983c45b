/** A plain web server with SQLite below. */
import { join } from "node:path";
import { freePorts } from "../../../ts/cli/demo/processes.js";
import { installPackages, peersFolder } from "../native.js";
import type { Party } from "../party.js";
import { type Launch, ServerParty } from "../server-party.js";

const LACKS =
  "one process on one machine; seats of a client that died stay taken; nothing encrypted, no vote, no answer for a " +
  "repeated request";

async function launch({ dir, group }: Launch, synchronous: "FULL" | "NORMAL"): Promise<number[]> {
  const [port = 0] = await freePorts(1);
  await installPackages();
  const args = [join(peersFolder, "fastify-server.mjs"), String(port), join(dir, "seats.db"), synchronous];
  group.start({ name: "fastify", program: process.execPath, args });
  return [port];
}

export function fastifyParties(generator: string): Party[] {
  const shared = { driver: "http", generator, lacks: LACKS, missing: () => [] } as const;
  return [
    new ServerParty({
      ...shared,
      id: "fastify-full",
      name: "fastify + SQLite FULL",
      persistence: "durable",
      persists: "synced by 1 of 1",
      launch: (given) => launch(given, "FULL"),
    }),
    new ServerParty({
      ...shared,
      id: "fastify-normal",
      name: "fastify + SQLite NORMAL",
      persistence: "volatile",
      persists: "in the page cache of 1, synced at checkpoints",
      launch: (given) => launch(given, "NORMAL"),
    }),
  ];
}
