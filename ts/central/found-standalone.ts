/** Founding a standalone license server: its files, with fresh keys, in one folder. */
import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import type { LogLevel } from "../config/fields.js";
import { ed25519PublicKey, newUpstreamKeys, upstreamKeyText, x25519PublicKey } from "../config/key-files.js";
import { loadStandalone, type Standalone, type StandaloneConfig } from "../config/standalone.js";
import type { FirmEntry } from "../config/system.js";
import { makeFolder, refuseExisting, writeFileDurably } from "../config/write-file.js";
import { firmToml, section, toml } from "./found-system.js";

/** What {@link createStandalone} needs to know; everything has a default. */
export interface CreateStandaloneOptions {
  /** default "license-server" */
  readonly name?: string;
  /** `host:port` where clients connect; default 127.0.0.1:7101 */
  readonly address?: string;
  /** firms whose containers are trusted */
  readonly firms?: readonly FirmEntry[];
  /** written into upstream.toml where given */
  readonly session?: Partial<StandaloneConfig["session"]>;
  readonly limits?: Partial<StandaloneConfig["limits"]>;
  /** default info */
  readonly logLevel?: LogLevel;
}

/** Where the files of a new server are; absolute paths. */
export interface CreatedStandalone {
  readonly dir: string;
  /** its description, for clients too */
  readonly systemFile: string;
  /** upstream.toml */
  readonly serverFile: string;
  /** where container files belong */
  readonly containerDir: string;
  readonly standalone: Standalone;
}

/**
 * Writes a standalone license server into `dir`: system.toml, which clients have too, and a folder `server` with
 * upstream.toml, key.json and containers/. Nothing is overwritten. Throws ERR_TMR_FILE, or ERR_TMR_CONFIG for options that
 * make no valid server.
 */
export function createStandalone(dir: string, options: CreateStandaloneOptions = {}): CreatedStandalone {
  const root = resolve(dir);
  const systemFile = join(root, "system.toml");
  refuseExisting(systemFile, "a license server is founded once; choose another folder");
  const folder = join(root, "server");
  makeFolder(join(folder, "containers"));
  const keys = newUpstreamKeys();
  const text = [
    "# One standalone license server. The same file on the server and on clients; it holds no secret.",
    toml({
      mode: "standalone",
      name: options.name ?? "license-server",
      id: randomBytes(16),
      address: options.address ?? "127.0.0.1:7101",
      key: x25519PublicKey(keys.noise),
      signingKey: ed25519PublicKey(keys.signing),
      sealingKey: keys.sealing && x25519PublicKey(keys.sealing),
    }),
    ...(options.firms ?? []).map(firmToml),
  ].join("\n");
  writeFileDurably(systemFile, text);
  writeFileDurably(join(folder, "key.json"), upstreamKeyText(keys), { mode: 0o600 });
  const own = {
    mode: "standalone",
    state: "state",
    containers: "containers",
    key: "key.json",
    system: "../system.toml",
  };
  const tables = [
    section("[upstream]", own),
    ...(options.session === undefined ? [] : [section("[session]", options.session)]),
    ...(options.limits === undefined ? [] : [section("[limits]", options.limits)]),
    section("[log]", { level: options.logLevel ?? "info" }),
  ];
  const serverFile = join(folder, "upstream.toml");
  writeFileDurably(serverFile, tables.join("\n"));
  const containerDir = join(folder, "containers");
  return { dir: root, systemFile, serverFile, containerDir, standalone: loadStandalone(systemFile) };
}
