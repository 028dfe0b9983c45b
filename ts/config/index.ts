/** Configuration: files in, frozen and checked objects out, or every fault at once. Afterwards nobody checks again. */
export { type ConfigChanges, type ConfigNames, configChanges } from "./changes.js";
export { type Fault, FaultsError } from "./faults.js";
export type { LogLevel } from "./fields.js";
export type { ServerKeys, UpstreamKeys } from "./key-files.js";
export { loadServerConfig, type ServerConfig } from "./server.js";
export type { SessionTimeouts } from "./serving.js";
export {
  isStandalone,
  isStandaloneConfig,
  loadService,
  loadStandalone,
  loadStandaloneConfig,
  type Service,
  type Standalone,
  type StandaloneConfig,
  standaloneGenesisOf,
} from "./standalone.js";
export {
  type FirmEntry,
  genesisOf,
  loadSystem,
  type ServerEntry,
  type System,
  type SystemGenesis,
  type Twin,
  type UpstreamEntry,
  type UpstreamId,
} from "./system.js";
export type { TrackingConfig } from "./tracking.js";
export { loadUpstreamConfig, type UpstreamConfig } from "./upstream.js";
export type { VirtualIpConfig } from "./virtual-ip.js";
