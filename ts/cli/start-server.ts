/** Wires one TMR server: configuration, engine, log, control socket, and how it reads holding statements. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { ControlSocket, type ControlTarget } from "../admin/control-socket.js";
import { loadServerConfig, type ServerConfig, type System } from "../config/index.js";
import { faultInAttestation } from "../container/index.js";
import { loadEngine } from "../engine/index.js";
import { TmrError } from "../errors.js";
import { readStatement, SIGNATURE_BYTES } from "../license/statement.js";
import { atWork } from "../service/at-work.js";
import type { RunningServer, ServerDependencies } from "../tmr/running-server.js";
import { runServer } from "../tmr/server.js";
import type { TrackedServer } from "../tracking/service.js";
import { packageVersion } from "../version.js";
import type { ServerStatus } from "../wire/server-status.js";
import { reloadConfig } from "./reload.js";
import type { Running } from "./serve.js";
import { fatalExit, serverLog } from "./server-log.js";
import { Tracking } from "./start-tracking.js";

/**
 * Starts the TMR server that `file` describes, with its control socket: that comes first and goes last, because it keeps
 * another server out of the state folder.
 */
export async function startServer(file: string): Promise<Running> {
  const config = loadServerConfig(file);
  const log = serverLog(config.name, config.log.level);
  const control = await ControlSocket.open(config.state);
  let server: RunningServer;
  try {
    server = await runServer(config, {
      engine: loadEngine(),
      log,
      version: packageVersion(),
      readStatement: readHolding,
      checkAttestation: attestationCheck(config.system, log),
      fatal: fatalExit(log),
    });
  } catch (error) {
    await control.close();
    throw error;
  }
  control.attach(controlled(server, config.system, log));
  const { name, listen, state, keys, system } = config;
  const owner = { name, address: listen, system: system.virtualContainer, stateFolder: state, secret: keys.twinKey };
  const tracking = new Tracking(owner, tracked(server), log);
  tracking.start(config.tracking);
  log.info({ address: server.address, twin: config.twin, control: control.path }, "TMR server listens for clients");
  const reloadable = {
    config,
    load: () => loadServerConfig(file),
    names: { table: "server", atRuntime: ["log", "session", "tracking"] },
    apply: async (next: ServerConfig) => {
      log.level = next.log.level;
      server.setSession(next.session);
      await tracking.change(next.tracking);
    },
  };
  return {
    log,
    summary: () => summaryOf(server.status()),
    fault: atWork(
      () => server.status(),
      config.timing.suspectMs,
      () => performance.now(),
    ),
    reload: () => reloadConfig(reloadable, log),
    stop: async () => {
      control.attach(null);
      await tracking.stop();
      await handOver(server, log);
      await server.stop();
      await control.close();
    },
  };
}

/** How long a server that stops waits for its twin to be active. */
const HAND_OVER_MS = 3_000;

/** The last thing that an active server does: what is under way is answered, then its twin leads, and clients find it at once. */
async function handOver(server: RunningServer, log: Logger): Promise<void> {
  if (server.status().role !== "active") return;
  const late = new AbortController();
  const outcome = await Promise.race([
    server.switchOver().then(
      () => null,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    ),
    sleep(HAND_OVER_MS, "the other TMR server takes too long", { signal: late.signal }).catch(() => null),
  ]);
  late.abort();
  if (outcome === null) log.info("handed over to the other TMR server before the end");
  else log.warn({ reason: outcome }, "not handed over before the end: the other TMR server has to notice by itself");
}

/** The line of `systemctl status`. */
function summaryOf({ role, epoch, quorum, upstreams, clients }: ServerStatus): string {
  const inStep = upstreams.filter(({ state }) => state === "streaming").length;
  const serving = role === "active" ? `, ${quorum ? "serving" : "NO QUORUM"}, ${inStep} of 3 upstreams in step` : "";
  return `${role}, epoch ${epoch}${serving}, ${clients} clients`;
}

/** The server as license tracking sees it. */
function tracked(server: RunningServer): TrackedServer {
  return {
    propose: (record) => server.propose(record),
    get epoch() {
      const { role, epoch } = server.status();
      return role === "active" ? epoch : 0;
    },
    get carried() {
      return server.status().carried;
    },
  };
}

/** The server as its control socket sees it; what an operator forces stays in the log. */
function controlled(server: RunningServer, system: System, log: Logger): ControlTarget {
  return {
    status: () => server.status(),
    takeOver: () => server.takeOver(),
    switchOver: () => server.switchOver(),
    admit: (which) => {
      const refusal = server.admit(which);
      log.warn({ upstream: which, refusal }, "the operator forces the admission of a blank upstream");
      return refusal;
    },
    resume: () => {
      const refusal = server.resume();
      log.warn({ refusal }, "the operator accepts that what stopped this server is lost");
      return refusal;
    },
    propose: (record) => server.propose(record),
    updates: {
      contexts: () => server.updates.contexts(performance.now()),
      apply: (upstream, update) => {
        log.info({ upstream }, "an update is brought to an upstream");
        return server.updates.apply(upstream, update, performance.now());
      },
      replace: async (upstream, wanted) => {
        const key = Buffer.from(wanted, "base64url");
        if (system.upstreams[upstream - 1]?.signingKey.equals(key) !== true) {
          throw new TmrError(
            "ERR_TMR_STATE",
            "this server runs with another system.toml: start it again with the new one",
          );
        }
        log.warn({ upstream }, "the operator has a new machine take the place of an upstream");
        return server.propose(await server.updates.succession(upstream, key, performance.now()));
      },
    },
  };
}

/** Says in the log, once per reason, why an upstream's signature of a borrowed license does not count. */
function attestationCheck(system: System, log: Logger): ServerDependencies["checkAttestation"] {
  const said = new Map<number, string>();
  return async (upstream, given) => {
    const holder = system.upstreams[upstream - 1]?.signingKey ?? new Uint8Array(0);
    const fault = await faultInAttestation(given, { firms: system.firms, holder });
    if (fault !== null && said.get(upstream) !== fault) {
      said.set(upstream, fault);
      log.warn({ upstream, fault }, "an upstream's signature of a borrowed license does not count");
    }
    return fault === null;
  };
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

/** A carried statement for the status: its signature was checked by the upstreams that carried it. */
function readHolding(blob: Uint8Array): { upstream: 1 | 2 | 3; entries: Uint8Array } | null {
  const payload = Buffer.from(blob.subarray(SIGNATURE_BYTES));
  for (const upstream of [1, 2, 3] as const) {
    const statement = readStatement(payload, upstream, sha256);
    if (typeof statement !== "string") return { upstream, entries: statement.entries };
  }
  return null;
}
