/** All that take part, ours first. */
import type { NativePrograms } from "../native.js";
import type { Party } from "../party.js";
import { etcdParties } from "./etcd.js";
import { fastifyParties } from "./fastify.js";
import { haproxyParty } from "./haproxy.js";
import { ourParties } from "./ours.js";
import { postgresParties } from "./postgres.js";
import { redisParties } from "./redis.js";
import { zookeeperParties } from "./zookeeper.js";

export function allParties(programs: NativePrograms): Party[] {
  return [
    ...ourParties(),
    ...etcdParties(programs.load),
    ...redisParties(programs.load),
    ...zookeeperParties(programs.load),
    ...postgresParties(programs.load),
    ...fastifyParties(programs.load),
    haproxyParty(programs),
  ];
}
