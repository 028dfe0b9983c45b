/** Wires one standalone license server: configuration, engine, log, control socket. */
import { ControlSocket, type ControlTarget } from "../admin/control-socket.js";
import { loadStandaloneConfig, type StandaloneConfig } from "../config/index.js";
import { loadEngine } from "../engine/index.js";
import { TmrError } from "../errors.js";
import { atWork } from "../service/at-work.js";
import { type RunningStandalone, runStandalone } from "../standalone/server.js";
import type { TrackedServer } from "../tracking/service.js";
import { packageVersion } from "../version.js";
import { readContainers, reloadConfig } from "./reload.js";
import type { Running } from "./serve.js";
import { fatalExit, serverLog } from "./server-log.js";
import { Tracking } from "./start-tracking.js";

/**
 * Starts the standalone license server that `file` describes, with its control socket: that comes first and goes last,
 * because it keeps another server out of the state folder.
 */
export async function startStandalone(file: string): Promise<Running> {
  const config = loadStandaloneConfig(file);
  const log = serverLog(config.name, config.log.level);
  const control = await ControlSocket.open(config.state);
  let server: RunningStandalone;
  try {
    const version = packageVersion();
    server = await runStandalone(config, { engine: loadEngine(), log, version, fatal: fatalExit(log) });
  } catch (error) {
    await control.close();
    throw error;
  }
  control.attach(controlled(server));
  const { name, listen, state, keys } = config;
  const owner = { name, address: listen, system: name, stateFolder: state, secret: keys.noise };
  const tracking = new Tracking(owner, tracked(server), log);
  tracking.start(config.tracking);
  const reloadable = {
    config,
    load: () => loadStandaloneConfig(file),
    names: { table: "upstream", atRuntime: ["log", "session", "tracking"] },
    apply: async (next: StandaloneConfig) => {
      log.level = next.log.level;
      server.setSession(next.session);
      await tracking.change(next.tracking);
    },
  };
  return {
    log,
    summary: () => {
      const { position, clients } = server.status();
      return `serving, position ${position}, ${clients} clients`;
    },
    fault: atWork(
      () => server.status(),
      0,
      () => performance.now(),
    ),
    reload: async () => {
      await reloadConfig(reloadable, log);
      await readContainers(server, log);
    },
    stop: async () => {
      control.attach(null);
      await tracking.stop();
      await server.stop();
      await control.close();
    },
  };
}

/** The server as license tracking sees it: it leads as long as it runs. */
function tracked(server: RunningStandalone): TrackedServer {
  return {
    propose: (record) => server.propose(record),
    epoch: 1,
    get carried() {
      return server.status().carried;
    },
  };
}

/** The server as its control socket sees it. What is about twins and upstreams is not for it. */
function controlled(server: RunningStandalone): ControlTarget {
  return {
    status: () => server.status(),
    takeOver: () => {},
    switchOver: () =>
      Promise.reject(new TmrError("ERR_TMR_STATE", "this is a standalone license server: it has no twin")),
    admit: () => "this is a standalone license server: it has no upstreams",
    resume: () => "this is a standalone license server: it serves as long as it runs",
    propose: (record) => server.propose(record),
  };
}
