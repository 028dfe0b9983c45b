/** HAProxy in TCP mode before a bare echo: what one hop more costs when it does nothing. */
import { writeFileSync } from "node:fs";
import { freePorts } from "../../../ts/cli/demo/processes.js";
import { findProgram, programPath } from "../commands.js";
import type { NativePrograms } from "../native.js";
import type { Party } from "../party.js";
import { type Launch, ServerParty } from "../server-party.js";

function configOf(listen: number, echo: number): string {
  return `global
  maxconn 4096
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend clients
  bind 127.0.0.1:${listen}
  default_backend echo
backend echo
  server echo 127.0.0.1:${echo}
`;
}

async function launch({ dir, group }: Launch, echoProgram: string): Promise<number[]> {
  const [listen = 0, echo = 0] = await freePorts(2);
  const config = `${dir}/haproxy.cfg`;
  writeFileSync(config, configOf(listen, echo));
  group.start({ name: "echo", program: echoProgram, args: [String(echo)] });
  group.start({ name: "haproxy", program: programPath("haproxy"), args: ["-db", "-f", config] });
  return [listen];
}

export function haproxyParty(programs: NativePrograms): Party {
  return new ServerParty({
    id: "haproxy",
    name: "HAProxy TCP before a bare echo",
    persistence: "none",
    persists: "nothing",
    lacks: "licenses: it passes 128 bytes on and back, twice per checkout, and grants everything",
    driver: "echo",
    generator: programs.load,
    hop: "haproxy",
    missing: () => (findProgram("haproxy") === null ? ["haproxy"] : []),
    launch: (given) => launch(given, programs.echo),
  });
}
