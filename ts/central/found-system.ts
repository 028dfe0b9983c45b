/** Founding a TMR system: the files of five servers, with fresh keys, in one folder. */
import { randomBytes } from "node:crypto";
import { appendFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { LogLevel } from "../config/fields.js";
import {
  ed25519PublicKey,
  newServerKeys,
  newUpstreamKeys,
  serverKeyText,
  upstreamKeyText,
  x25519PublicKey,
} from "../config/key-files.js";
import type { ServerConfig } from "../config/server.js";
import { type FirmEntry, loadSystem, type System } from "../config/system.js";
import { makeFolder, refuseExisting, writeFileDurably } from "../config/write-file.js";
import type { OrderingLimits } from "../engine/types.js";
import { TmrError } from "../errors.js";

/** A port on the system's host, or a whole `host:port`. */
export type Endpoint = number | string;

/** What {@link createSystem} needs to know; everything has a default. */
export interface CreateSystemOptions {
  /** default "tmr" */
  readonly name?: string;
  /** host for endpoints that are given as a port; default 127.0.0.1 */
  readonly host?: string;
  /** default `131-` and a random serial */
  readonly virtualContainer?: string;
  /** where clients reach the two TMR servers; default 7101, 7102 */
  readonly clients?: readonly [Endpoint, Endpoint];
  /** where the twins reach each other; default 7111, 7112 */
  readonly twins?: readonly [Endpoint, Endpoint];
  /** where the TMR servers reach the upstreams; default 7201, 7202, 7203 */
  readonly upstreams?: readonly [Endpoint, Endpoint, Endpoint];
  /** default tmr-a, tmr-b */
  readonly serverNames?: readonly [string, string];
  /** default upstream-1 to upstream-3 */
  readonly upstreamNames?: readonly [string, string, string];
  /** firms whose containers are trusted; more can follow by {@link addFirm} */
  readonly firms?: readonly FirmEntry[];
  /** written into both tmr.toml where given */
  readonly timing?: Partial<ServerConfig["timing"]>;
  readonly session?: Partial<ServerConfig["session"]>;
  readonly limits?: Partial<OrderingLimits>;
  /** default info */
  readonly logLevel?: LogLevel;
}

/** Where the files of a new system are; absolute paths. */
export interface CreatedSystem {
  readonly dir: string;
  readonly systemFile: string;
  readonly upstreamFiles: readonly [string, string, string];
  readonly serverFiles: readonly [string, string];
  /** where container files of upstream 1, 2, 3 belong */
  readonly containerDirs: readonly [string, string, string];
  readonly system: System;
}

/**
 * Writes a whole system into `dir`: system.toml, one folder per upstream (upstream.toml, key.json, containers/) and
 * one per TMR server (tmr.toml, key.json). Nothing is overwritten. Throws ERR_TMR_FILE, or ERR_TMR_CONFIG for options
 * that make no valid system.
 */
export function createSystem(dir: string, options: CreateSystemOptions = {}): CreatedSystem {
  const root = resolve(dir);
  const systemFile = join(root, "system.toml");
  refuseExisting(systemFile, "a system is founded once; choose another folder");
  makeFolder(root);
  const founded = foundSystem(options);
  writeFileDurably(systemFile, founded.system);

  const log = section("[log]", { level: options.logLevel ?? "info" });
  const upstreamDirs = founded.upstreamKeys.map((keys, i) => {
    const folder = join(root, `upstream-${i + 1}`);
    makeFolder(join(folder, "containers"));
    writeFileDurably(join(folder, "key.json"), keys, { mode: 0o600 });
    const own = { id: i + 1, state: "state", containers: "containers", key: "key.json", system: "../system.toml" };
    writeFileDurably(join(folder, "upstream.toml"), [section("[upstream]", own), log].join("\n"));
    return folder;
  });
  const serverDirs = founded.serverKeys.map((keys, i) => {
    const folder = join(root, `server-${"ab"[i]}`);
    makeFolder(folder);
    writeFileDurably(join(folder, "key.json"), keys, { mode: 0o600 });
    const own = { name: founded.serverNames[i], state: "state", key: "key.json", system: "../system.toml" };
    const tables = [
      section("[server]", own),
      ...(options.timing === undefined ? [] : [section("[timing]", options.timing)]),
      ...(options.session === undefined ? [] : [section("[session]", options.session)]),
      ...(options.limits === undefined ? [] : [section("[limits]", options.limits)]),
      log,
    ];
    writeFileDurably(join(folder, "tmr.toml"), tables.join("\n"));
    return folder;
  });

  const inEach = (folders: readonly string[], name: string): string[] => folders.map((folder) => join(folder, name));
  return {
    dir: root,
    systemFile,
    upstreamFiles: inEach(upstreamDirs, "upstream.toml") as [string, string, string],
    serverFiles: inEach(serverDirs, "tmr.toml") as [string, string],
    containerDirs: inEach(upstreamDirs, "containers") as [string, string, string],
    system: loadSystem(systemFile),
  };
}

/** A new system as texts: system.toml, and the key files, which are secret. */
export interface FoundedSystem {
  readonly system: string;
  readonly virtualContainer: string;
  readonly serverNames: readonly [string, string];
  readonly upstreamNames: readonly [string, string, string];
  readonly serverKeys: readonly [string, string];
  readonly upstreamKeys: readonly [string, string, string];
}

/** Founds a system with fresh keys, without writing anything. */
export function foundSystem(options: CreateSystemOptions): FoundedSystem {
  const serverNames = options.serverNames ?? (["tmr-a", "tmr-b"] as const);
  const upstreamNames = options.upstreamNames ?? (["upstream-1", "upstream-2", "upstream-3"] as const);
  const first = newServerKeys();
  const serverKeys = [first, newServerKeys(first)] as const;
  const upstreamKeys = [newUpstreamKeys(), newUpstreamKeys(), newUpstreamKeys()] as const;
  const at = (endpoint: Endpoint): string =>
    typeof endpoint === "number" ? `${options.host ?? "127.0.0.1"}:${endpoint}` : endpoint;
  const [clients, twins, upstreams] = endpoints(options);
  const virtualContainer = options.virtualContainer ?? `131-${randomBytes(4).readUInt32LE()}`;
  const tables = [
    "# One TMR system. The same file on all five servers and on clients; it holds no secret.",
    toml({
      name: options.name ?? "tmr",
      id: randomBytes(16),
      virtualContainer,
      clientKey: x25519PublicKey(first.client),
    }),
    ...serverKeys.map((keys, i) =>
      section("[[server]]", {
        name: serverNames[i],
        clients: at(clients[i] as Endpoint),
        twin: at(twins[i] as Endpoint),
        key: x25519PublicKey(keys.noise),
      }),
    ),
    ...upstreamKeys.map((keys, i) =>
      section("[[upstream]]", {
        id: i + 1,
        name: upstreamNames[i],
        address: at(upstreams[i] as Endpoint),
        key: x25519PublicKey(keys.noise),
        signingKey: ed25519PublicKey(keys.signing),
        sealingKey: keys.sealing && x25519PublicKey(keys.sealing),
      }),
    ),
    ...(options.firms ?? []).map(firmToml),
  ];
  return {
    system: tables.join("\n"),
    virtualContainer,
    serverNames,
    upstreamNames,
    serverKeys: serverKeys.map(serverKeyText) as [string, string],
    upstreamKeys: upstreamKeys.map(upstreamKeyText) as [string, string, string],
  };
}

function endpoints(options: CreateSystemOptions) {
  return [
    options.clients ?? [7101, 7102],
    options.twins ?? [7111, 7112],
    options.upstreams ?? [7201, 7202, 7203],
  ] as const;
}

/** A firm as system.toml wants it. */
export function firmToml(firm: FirmEntry): string {
  return section("[[firm]]", { firmCode: firm.firmCode, name: firm.name, key: firm.key });
}

/** Adds a firm to system.toml and returns the system as it is now. Throws ERR_TMR_CONFIG when the firm is there already. */
export function addFirm(systemFile: string, firm: FirmEntry): System {
  const system = loadSystem(systemFile);
  if (system.firms.some((known) => known.firmCode === firm.firmCode)) {
    throw new TmrError("ERR_TMR_CONFIG", `${systemFile} already names Firm Code ${firm.firmCode}`);
  }
  try {
    appendFileSync(systemFile, `\n${firmToml(firm)}`);
  } catch (error) {
    throw new TmrError("ERR_TMR_FILE", `cannot write ${systemFile}`, { cause: error });
  }
  return loadSystem(systemFile);
}

type TomlValue = string | number | Uint8Array | undefined;

/** A TOML table with its heading. */
export function section(heading: string, values: Readonly<Record<string, TomlValue>>): string {
  return `${heading}\n${toml(values)}`;
}

/** Keys and values as TOML. */
export function toml(values: Readonly<Record<string, TomlValue>>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} = ${tomlValue(value as Exclude<TomlValue, undefined>)}\n`)
    .join("");
}

function tomlValue(value: Exclude<TomlValue, undefined>): string {
  if (typeof value === "number") return String(value);
  const text = typeof value === "string" ? value : Buffer.from(value).toString("base64url");
  // A JSON string is a TOML basic string, except that TOML wants DEL escaped too.
  return JSON.stringify(text).replaceAll("\u007f", "\\u007f");
}
