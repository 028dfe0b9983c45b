/** One PostgreSQL with a row per seat. */
import { chownSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { freePorts } from "../../../ts/cli/demo/processes.js";
import { findNewest, findProgram, outputOf } from "../commands.js";
import type { Party } from "../party.js";
import { type Launch, ServerParty } from "../server-party.js";

const SERVER = "/usr/lib/postgresql/*/bin/postgres";
const LACKS =
  "one machine: nothing is left when it fails; seats of a client that died stay taken; nothing encrypted here, no vote, " +
  "no answer for a repeated request";

/** PostgreSQL refuses to run as root; Debian's package brings a user for it. */
async function asFittingUser(folder: string): Promise<string[]> {
  if (process.getuid?.() !== 0) return [];
  const ids = await Promise.all(["-u", "-g"].map((flag) => outputOf("id", [flag, "postgres"])));
  const [uid = 0, gid = 0] = ids.map(Number);
  chownSync(folder, uid, gid);
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--"];
}

async function launch({ dir, group }: Launch, durable: boolean): Promise<number[]> {
  const [port = 0] = await freePorts(1);
  const server = findNewest(SERVER);
  if (server === null) throw new Error("postgres is not installed");
  const folder = `${dir}/postgres`;
  mkdirSync(folder, { mode: 0o700 });
  const prefix = await asFittingUser(folder);
  const whole = (program: string, ...args: string[]): [string, string[]] => {
    const [first = program, ...rest] = [...prefix, program, ...args];
    return [first, rest];
  };
  const initdb = `${dirname(server)}/initdb`;
  const [init, initArgs] = whole(initdb, "-D", folder, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C");
  await outputOf(init, initArgs, folder);
  const settings = {
    listen_addresses: "127.0.0.1",
    port,
    unix_socket_directories: "",
    synchronous_commit: durable ? "on" : "off",
    max_wal_size: "4GB",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const [program, args] = whole(server, "-D", folder, ...options);
  // SIGINT: end connections and stop, instead of waiting for clients.
  group.start({ name: "postgres", program, args, cwd: folder, stopSignal: "SIGINT" });
  return [port];
}

export function postgresParties(generator: string): Party[] {
  const shared = {
    generator,
    lacks: LACKS,
    missing: () => [
      ...(findNewest(SERVER) === null ? ["postgresql"] : []),
      ...(process.getuid?.() === 0 && findProgram("setpriv") === null ? ["util-linux"] : []),
    ],
  } as const;
  return [
    new ServerParty({
      ...shared,
      driver: "postgres",
      id: "postgres-sync",
      name: "PostgreSQL row locks",
      persistence: "durable",
      persists: "synced by 1 of 1",
      launch: (given) => launch(given, true),
    }),
    new ServerParty({
      ...shared,
      driver: "postgres-few",
      id: "postgres-async",
      name: "PostgreSQL row locks, synchronous_commit off",
      persistence: "volatile",
      persists: "in memory of 1, on its disk within 0.6 s",
      launch: (given) => launch(given, false),
    }),
  ];
}
