/** From facts to findings: what is well, what is not, and what to do about it. Pure: a table tests it. */
import type { Facts, ServerFacts } from "./facts.js";
import { type Finding, type Level, well } from "./finding.js";
import { judgeClocks } from "./judge-clocks.js";
import { judgeLocal } from "./judge-local.js";

/** Days before the end of a license at which it is said. */
const SOON_DAYS = 30;
const DAY_MS = 86_400_000;
const MOST_LICENSES = 10;

/** All findings, in the order in which they are worth reading. */
export function judge(facts: Facts): Finding[] {
  return [
    ...judgeService(facts),
    ...judgeVirtual(facts),
    ...facts.servers.map(judgeReach),
    ...judgeLinks(facts),
    ...judgeStores(facts),
    ...judgeAgreement(facts),
    ...judgeVersions(facts),
    ...judgeClocks(facts),
    ...judgeHosts(facts),
    ...judgeLicenses(facts),
    ...judgeDescriptors(facts),
    ...judgeLocal(facts.local),
  ];
}

function judgeService({ kind, system, servers }: Facts): Finding[] {
  if (kind === "standalone") return [];
  const tmr = servers.flatMap(({ name, tmr: answer }) => (answer === null ? [] : [{ name, ...answer }]));
  const active = tmr.filter(({ role }) => role === "active");
  const [first, second] = active;
  const bad = (found: string, advice: string, see: string): Finding[] => {
    return [{ check: "service", where: system, level: "problem", found, advice, see }];
  };
  if (first === undefined) {
    const stopped = tmr.find(({ role }) => role === "stopped");
    if (stopped !== undefined) {
      const advice = `Read the alarm in the log of ${stopped.name} before anything is restarted.`;
      return bad(`${stopped.name} has stopped and nobody leads`, advice, "alarms-in-the-log-of-a-tmr-server");
    }
    const found = tmr.length === 0 ? "no TMR server answers" : "no TMR server is active";
    return bad(found, "See which of the two cannot reach two upstreams, and bring that back.", "both-twins-passive");
  }
  if (second !== undefined) {
    const found = `${first.name} (epoch ${first.epoch}) and ${second.name} (epoch ${second.epoch}) both say that they are active`;
    const advice = "Ask again in a second; if it stays, repair the network between the two.";
    return [{ check: "service", where: system, level: "warning", found, advice, see: "both-twins-passive" }];
  }
  if (!first.quorum) {
    return bad(`${first.name} is active without a quorum`, "Bring any one of the missing upstreams back.", "no-quorum");
  }
  return [well("service", system, `${first.name} serves, epoch ${first.epoch}`)];
}

/** Clients go where the virtual address leads: that has to be the active server. */
function judgeVirtual({ virtual, servers }: Facts): Finding[] {
  if (virtual === null) return [];
  const { address, answeredBy, fault } = virtual;
  const at = { check: "virtual address", where: address, level: "problem", see: "virtual-address" } as const;
  const active = servers.find(({ tmr }) => tmr?.role === "active")?.name;
  if (answeredBy === null) {
    const advice =
      "See on both TMR servers whether keepalived runs and what it logs; clients with both addresses are served.";
    return [{ ...at, found: `nobody answers there: ${fault ?? "no reason known"}`, advice }];
  }
  if (active !== undefined && answeredBy !== active) {
    const advice = "Ask again in a second; if it stays, hand the address over to the active server.";
    return [{ ...at, found: `${answeredBy} answers there, and ${active} is active`, advice }];
  }
  return [
    well("virtual address", address, `${answeredBy} answers there${active === undefined ? "" : " and is active"}`),
  ];
}

function judgeReach({ name, kind, address, listens, fault }: ServerFacts): Finding {
  if (fault === null)
    return well("reachability", name, `${kind} at ${address} answers, with the key of the description`);
  if (listens) {
    return {
      check: "keys",
      where: name,
      level: "problem",
      found: `something listens at ${address} and does not answer by the key of the description: ${fault}`,
      advice: "See that system.toml is the same here and there, and that the address is that of this server.",
      see: kind === "TMR server" ? "a-tmr-server-is-down" : "an-upstream-is-down",
    };
  }
  return {
    check: "reachability",
    where: name,
    level: "problem",
    found: `${kind} at ${address} cannot be reached: ${fault}`,
    advice: "See whether its process runs there, and whether a firewall lets this host through.",
    see: kind === "TMR server" ? "a-tmr-server-is-down" : "an-upstream-is-down",
  };
}

/** How the servers see each other: a key that is wrong between two of them shows here. */
function judgeLinks({ servers }: Facts): Finding[] {
  const answered = new Set(servers.filter(({ fault }) => fault === null).map(({ name }) => name));
  return servers.flatMap(({ name, tmr }) => {
    if (tmr === null) return [];
    const faulty = tmr.upstreams.flatMap((upstream): Finding[] => {
      const finding = (level: "warning" | "problem", found: string, advice: string, see: string): Finding[] => {
        return [{ check: "links", where: `${name} > ${upstream.name}`, level, found, advice, see }];
      };
      if (!upstream.connected) {
        const reason = upstream.lastFault === "" ? "no connection yet" : upstream.lastFault;
        if (reason.includes("no common version")) {
          return finding("problem", reason, "Bring both to neighbouring releases.", "upgrade");
        }
        const advice = answered.has(upstream.name)
          ? "It answers here: compare system.toml on both machines, and the firewall between them."
          : "Start it, or repair what is between the two.";
        return finding("problem", `not connected: ${reason}`, advice, "an-upstream-is-down");
      }
      if (upstream.state === "quarantined") {
        return finding(
          "problem",
          "quarantined: it differed from the two others",
          "Do not trust it; keep its log.",
          "diverged",
        );
      }
      if (tmr.role !== "active" || upstream.state === "streaming") return [];
      const advice = "Ask again in a minute; if it stays so, go by its state.";
      return finding("warning", `is ${upstream.state}, it does not count now`, advice, "how-to-read-tmr-status");
    });
    const alone: Finding[] =
      tmr.peer.connected || !answered.has(tmr.peer.name)
        ? []
        : [
            {
              check: "links",
              where: `${name} > ${tmr.peer.name}`,
              level: "problem",
              found: "hears no heartbeat of the other TMR server, which runs",
              advice: "Let the twin port through the firewall in both directions, and compare system.toml on both.",
              see: "firewall",
            },
          ];
    if (faulty.length + alone.length > 0) return [...faulty, ...alone];
    return [well("links", name, "is connected with all upstreams and with its twin")];
  });
}

function judgeStores({ servers }: Facts): Finding[] {
  return servers.flatMap(({ name, store }) => {
    if (store === null) return [];
    const findings: Finding[] = [];
    const add = (check: string, level: Level, found: string, advice: string, see: string): void => {
      findings.push({ check, where: name, level, found, advice, see });
    };
    if (store.blank)
      add("store", "warning", "its store is blank", "Wait, or see why it is not admitted.", "a-disk-is-lost");
    if (!store.durable) {
      const advice = "Remove [store] durable = false from its upstream.toml and start it again.";
      add("store", "problem", "it does not wait for its disk", advice, "an-upstream-that-does-not-wait-for-its-disk");
    }
    for (const { file, fault } of store.containers) {
      if (fault === null) continue;
      add("containers", "problem", `${file}: ${fault}`, "Copy the file again from where it was issued.", "containers");
    }
    if (store.containers.length === 0) {
      add(
        "containers",
        "warning",
        "it has no container",
        "Put the container that was issued for it there.",
        "containers",
      );
    }
    if (findings.length === 0) findings.push(well("store", name, `sound, ${store.containers.length} containers`));
    return findings;
  });
}

function judgeAgreement({ servers }: Facts): Finding[] {
  const active = servers.find(({ tmr }) => tmr?.role === "active")?.tmr;
  if (active === undefined || active === null) return [];
  if (active.oddLicenses === 0) return [well("agreement", "licenses", "all upstreams hold all licenses alike")];
  const shown = active.licenses
    .slice(0, MOST_LICENSES)
    .map(({ firmCode, productCode, tmrId, verdict, holders, odd }): Finding => {
      const alone = verdict === "alone" || verdict === "split";
      const whose = odd === 0 ? "" : `, that of upstream ${odd} differs`;
      return {
        check: "agreement",
        where: `${firmCode}:${productCode} TMR-ID ${tmrId}`,
        level: alone ? "problem" : "warning",
        found: `${alone ? "not served" : "served by two"}: held by upstream ${holders.join(", ")}${whose}`,
        advice: "Put the three containers of one issue into the three upstreams.",
        see: "containers",
      };
    });
  const more = active.oddLicenses - shown.length;
  if (more <= 0) return shown;
  const found = `${more} more are not held alike`;
  const advice = "See all of them by tmr content.";
  return [...shown, { check: "agreement", where: "licenses", level: "warning", found, advice, see: "containers" }];
}

function judgeVersions({ servers }: Facts): Finding[] {
  const said = servers.flatMap(({ name, release, versions }) => {
    if (release === null) return [];
    const rules = versions === null ? "" : `, rules up to ${versions.rules.max}`;
    return [{ name, text: `${release}${rules}` }];
  });
  const texts = [...new Set(said.map(({ text }) => text))];
  if (texts.length === 0) return [];
  if (texts.length === 1) return [well("versions", "all that answer", texts[0] ?? "")];
  const found = texts
    .map(
      (text) =>
        `${text}: ${said
          .filter((one) => one.text === text)
          .map(({ name }) => name)
          .join(", ")}`,
    )
    .join("; ");
  const advice = "Finish the upgrade, one server at a time.";
  return [{ check: "versions", where: "servers", level: "warning", found, advice, see: "upgrade" }];
}

function judgeHosts({ servers }: Facts): Finding[] {
  const byHost = new Map<string, string[]>();
  for (const { name, address } of servers) {
    const host = address.slice(0, address.lastIndexOf(":")).toLowerCase();
    byHost.set(host, [...(byHost.get(host) ?? []), name]);
  }
  const shared = [...byHost].filter(([, names]) => names.length > 1);
  if (shared.length === 0)
    return servers.length < 2 ? [] : [well("hosts", "servers", "each has an address of its own")];
  return shared.map(([host, names]) => ({
    check: "hosts",
    where: host,
    level: "warning",
    found: `${names.join(", ")} have one address: when that host fails, they fail together`,
    advice: "Move them to hosts of their own.",
    see: "replace-a-machine",
  }));
}

function judgeLicenses({ licenses, licensesFault, nowMs }: Facts): Finding[] {
  if (licenses === null) {
    const found = `they cannot be listed: ${licensesFault ?? "nobody serves"}`;
    const advice = "First make the system serve, then ask again.";
    return [{ check: "licenses", where: "licenses", level: "problem", found, advice, see: "in-a-hurry" }];
  }
  const findings = licenses.flatMap(({ firmCode, productCode, text, expirationMs }): Finding[] => {
    if (expirationMs === null) return [];
    const days = Math.floor((expirationMs - nowMs) / DAY_MS);
    if (days > SOON_DAYS) return [];
    const day = new Date(expirationMs).toISOString().slice(0, 10);
    const where = `${firmCode}:${productCode}${text === "" ? "" : ` ${text}`}`;
    const found = expirationMs <= nowMs ? `expired on ${day}` : `expires on ${day}, in ${days} days`;
    const advice = "Have it issued again with a later date, or ask its users to do without it.";
    return [{ check: "licenses", where, level: "warning", found, advice, see: "containers" }];
  });
  if (findings.length > 0) return findings;
  return [well("licenses", "licenses", `${licenses.length}, none expires within ${SOON_DAYS} days`)];
}

/** Of a TMR server with default limits: 10,000 clients and what the process itself needs. */
const FEW_DESCRIPTORS = 10_240;

function judgeDescriptors({ servers }: Facts): Finding[] {
  return servers.flatMap(({ name, kind, descriptors }) => {
    if (descriptors === null) return [];
    const { open, limit } = descriptors;
    const found = `${open} of ${limit} open files`;
    const advice = "Raise LimitNOFILE in its unit, or ulimit -n, and start it again.";
    if (open > limit * 0.8) {
      return [{ check: "descriptors", where: name, level: "problem" as const, found, advice, see: "limits" }];
    }
    if (kind !== "upstream" && limit < FEW_DESCRIPTORS) {
      const few = `${found}: fewer than the 10000 clients that it would take`;
      return [{ check: "descriptors", where: name, level: "warning" as const, found: few, advice, see: "limits" }];
    }
    return [well("descriptors", name, found)];
  });
}
