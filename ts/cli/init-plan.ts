/** What `tmr init` was told, as a plan of five machines, or everything that is wrong with it. */
import type { InstallationPlan, PlannedServer, PlannedUpstream } from "../central/installation.js";
import { hostOf } from "../central/installation.js";
import { Faults } from "../config/faults.js";
import { address, line } from "../config/fields.js";

/** Words as they came from flags or answers: `name=host` or `name=host:port`. */
export interface InitWords {
  readonly name: string;
  readonly server: readonly string[];
  readonly upstream: readonly string[];
  /** where a TMR server listens for the other one, when that is another address */
  readonly twin: readonly string[];
}

const WHERE = "tmr init";
const CLIENT_PORT = 7101;
const TWIN_PORT = 7111;
const UPSTREAM_PORT = 7201;
/** A name is a folder's too, and stands in commands. */
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/;

interface Named {
  readonly name: string;
  readonly address: string;
}

/** Throws ERR_TMR_CONFIG with every fault. */
export function planOf({ name, server, upstream, twin }: InitWords): Omit<InstallationPlan, "firms"> {
  const faults = new Faults();
  if (!line(64).safeParse(name).success) faults.add(WHERE, "--name", "one line of 1 to 64 bytes", JSON.stringify(name));
  const servers = namedOf("--server", server, 2, CLIENT_PORT, faults);
  const upstreams = namedOf("--upstream", upstream, 3, UPSTREAM_PORT, faults);
  const twins = namedOf("--twin", twin, null, TWIN_PORT, faults);
  for (const { name: other } of twins) {
    if (!servers.some((known) => known.name === other)) {
      faults.add(WHERE, `--twin ${other}`, "the name of a --server", JSON.stringify(other));
    }
  }
  const planned = servers.map(({ name: own, address: clients }) => {
    const host = clients.slice(0, clients.lastIndexOf(":"));
    return { name: own, clients, twin: twins.find((one) => one.name === own)?.address ?? `${host}:${TWIN_PORT}` };
  });
  checkDistinct(planned, upstreams, faults);
  faults.throwIfAny("ERR_TMR_CONFIG");
  return {
    name,
    servers: planned as unknown as [PlannedServer, PlannedServer],
    upstreams: upstreams as unknown as [PlannedUpstream, PlannedUpstream, PlannedUpstream],
  };
}

function namedOf(
  flag: string,
  words: readonly string[],
  count: number | null,
  port: number,
  faults: Faults,
): readonly Named[] {
  if (count !== null && words.length !== count) {
    faults.add(WHERE, flag, `it ${count} times, as name=host or name=host:port`, `it ${words.length} times`);
  }
  return words.flatMap((word) => {
    const at = word.indexOf("=");
    const [name, place] = [word.slice(0, at), word.slice(at + 1)];
    const whole = address.safeParse(place).success ? place : `${place}:${port}`;
    if (at > 0 && !NAME.test(name)) {
      faults.add(
        WHERE,
        `${flag} ${name}`,
        "a name of letters, digits, - and ., which is a folder's too",
        JSON.stringify(name),
      );
    }
    if (at > 0 && address.safeParse(whole).success) return [{ name, address: whole }];
    faults.add(
      WHERE,
      `${flag} ${word}`,
      "name=host or name=host:port, with an IPv6 host in brackets",
      JSON.stringify(word),
    );
    return [];
  });
}

function checkDistinct(servers: readonly PlannedServer[], upstreams: readonly Named[], faults: Faults): void {
  const seen = new Map<string, string>();
  const once = (what: string, value: string, place: string): void => {
    const key = `${what} ${value.toLowerCase()}`;
    const first = seen.get(key);
    if (first === undefined) seen.set(key, place);
    else faults.add(WHERE, place, `${what} of its own`, `${JSON.stringify(value)}, the same as ${first}`);
  };
  for (const { name, clients, twin } of servers) {
    once("a name", name, `--server ${name}`);
    once("an address", clients, `--server ${name}`);
    once("an address", twin, `--twin ${name}`);
  }
  for (const { name, address: own } of upstreams) {
    once("a name", name, `--upstream ${name}`);
    once("an address", own, `--upstream ${name}`);
  }
}

/** Sentences about what works and is not what the five machines are for. */
export function warningsOf({ servers, upstreams }: Pick<InstallationPlan, "servers" | "upstreams">): string[] {
  const hosts = new Map<string, string[]>();
  for (const { name, clients } of servers) hosts.set(hostOf(clients), [...(hosts.get(hostOf(clients)) ?? []), name]);
  for (const { name, address: own } of upstreams) hosts.set(hostOf(own), [...(hosts.get(hostOf(own)) ?? []), name]);
  return [...hosts]
    .filter(([, names]) => names.length > 1)
    .map(([host, names]) => `${names.join(" and ")} are on one host, ${host}: when it fails, they fail together`);
}
