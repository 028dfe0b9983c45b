/** Three ZooKeeper on loopback, with forced syncs or without. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { freePorts } from "../../../ts/cli/demo/processes.js";
import { findProgram, programPath } from "../commands.js";
import type { Party } from "../party.js";
import { type Launch, ServerParty } from "../server-party.js";

const JAR = "/usr/share/java/zookeeper.jar";
const LACKS =
  "one word decides, no vote over answers; nothing encrypted here; a retry after a lost answer may find its own seat taken";

function configOf(ports: readonly number[], i: number, folder: string): string {
  const servers = [0, 1, 2].map((id) => `server.${id + 1}=127.0.0.1:${ports[3 + id]}:${ports[6 + id]}`);
  return [
    "tickTime=2000",
    "initLimit=10",
    "syncLimit=5",
    `dataDir=${folder}`,
    `clientPort=${ports[i]}`,
    "clientPortAddress=127.0.0.1",
    "maxClientCnxns=0",
    "admin.enableServer=false",
    "4lw.commands.whitelist=srvr",
    ...servers,
    "",
  ].join("\n");
}

async function launch({ dir, memoryDir, group }: Launch, durable: boolean): Promise<number[]> {
  const ports = await freePorts(9);
  for (const i of [0, 1, 2]) {
    const folder = `${durable ? dir : memoryDir}/zk-${i}`;
    mkdirSync(folder);
    writeFileSync(`${folder}/myid`, `${i + 1}\n`);
    const config = `${dir}/zk-${i}.cfg`;
    writeFileSync(config, configOf(ports, i, folder));
    group.start({
      name: `zookeeper-${i}`,
      program: programPath("java"),
      args: [
        "-Xmx512m",
        `-Dzookeeper.forceSync=${durable ? "yes" : "no"}`,
        "-cp",
        JAR,
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        config,
      ],
    });
  }
  return ports.slice(0, 3);
}

export function zookeeperParties(generator: string): Party[] {
  const shared = {
    driver: "zookeeper",
    generator,
    lacks: LACKS,
    missing: () => [
      ...(existsSync(JAR) ? [] : ["zookeeper"]),
      ...(findProgram("java") === null ? ["default-jre-headless"] : []),
    ],
  } as const;
  return [
    new ServerParty({
      ...shared,
      id: "zookeeper-disk",
      name: "ZooKeeper, 3 nodes",
      persistence: "durable",
      persists: "synced by 2 of 3",
      launch: (given) => launch(given, true),
    }),
    new ServerParty({
      ...shared,
      id: "zookeeper-memory",
      name: "ZooKeeper, 3 nodes, in memory",
      persistence: "volatile",
      persists: "in memory of 2 of 3",
      launch: (given) => launch(given, false),
    }),
  ];
}
