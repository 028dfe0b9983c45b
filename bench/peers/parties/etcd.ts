/** Three etcd on loopback, with their data on disk or in memory. */
import { spawnSync } from "node:child_process";
import { freePorts } from "../../../ts/cli/demo/processes.js";
import { findProgram, programPath } from "../commands.js";
import type { Party } from "../party.js";
import { type Launch, ServerParty } from "../server-party.js";

const LACKS =
  "one word decides, no vote over answers; nothing encrypted here; a retry after a lost answer may find its own seat taken";

function arguments_(ports: readonly number[], i: number, dataDir: string): string[] {
  const url = (port: number | undefined): string => `http://127.0.0.1:${port}`;
  const members = [0, 1, 2].map((member) => `n${member}=${url(ports[3 + member])}`).join(",");
  return [
    ["--name", `n${i}`],
    ["--data-dir", dataDir],
    ["--listen-client-urls", url(ports[i])],
    ["--advertise-client-urls", url(ports[i])],
    ["--listen-peer-urls", url(ports[3 + i])],
    ["--initial-advertise-peer-urls", url(ports[3 + i])],
    ["--initial-cluster", members],
    ["--initial-cluster-state", "new"],
    ["--logger", "zap"],
    ["--log-level", "error"],
  ].flat();
}

async function launch({ dir, memoryDir, group }: Launch, inMemory: boolean): Promise<number[]> {
  const program = programPath("etcd");
  const ports = await freePorts(6);
  // Versions before 3.5 do not have this flag; in memory a sync costs them a system call.
  const canSkip = spawnSync(program, ["--help"], { encoding: "utf8" }).stdout.includes("--unsafe-no-fsync");
  for (const i of [0, 1, 2]) {
    const args = arguments_(ports, i, `${inMemory ? memoryDir : dir}/n${i}`);
    if (inMemory && canSkip) args.push("--unsafe-no-fsync");
    group.start({ name: `etcd-${i}`, program, args });
  }
  return ports.slice(0, 3);
}

export function etcdParties(generator: string): Party[] {
  const shared = {
    driver: "etcd",
    generator,
    lacks: LACKS,
    missing: () => (findProgram("etcd") === null ? ["etcd-server"] : []),
  } as const;
  return [
    new ServerParty({
      ...shared,
      id: "etcd-disk",
      name: "etcd, 3 nodes",
      persistence: "durable",
      persists: "synced by 2 of 3",
      launch: (given) => launch(given, false),
    }),
    new ServerParty({
      ...shared,
      id: "etcd-memory",
      name: "etcd, 3 nodes, in memory",
      persistence: "volatile",
      persists: "in memory of 2 of 3",
      launch: (given) => launch(given, true),
    }),
  ];
}
