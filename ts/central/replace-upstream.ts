/** A new machine for an upstream that is lost: fresh keys, its files, and the system.toml that names it. */
import { join, resolve } from "node:path";
import { ed25519PublicKey, newUpstreamKeys, upstreamKeyText, x25519PublicKey } from "../config/key-files.js";
import { loadSystem, type System, type UpstreamId } from "../config/system.js";
import { readText } from "../config/toml-file.js";
import { makeFolder, refuseExisting, writeFileDurably } from "../config/write-file.js";
import { TmrError } from "../errors.js";
import { section, toml } from "./found-system.js";

/** Where the files of the new machine are; absolute paths. */
export interface ReplacedUpstream {
  /** the new description, for all five machines and the clients */
  readonly systemFile: string;
  /** upstream.toml of the new machine */
  readonly upstreamFile: string;
  readonly containerDir: string;
  readonly system: System;
}

/**
 * Writes into `dir`: the new system.toml, and a folder for the new machine with upstream.toml, key.json and containers/. The
 * old system.toml stays as it is. Throws ERR_TMR_FILE, ERR_TMR_CONFIG.
 */
export function replaceUpstream(
  dir: string,
  options: { readonly systemFile: string; readonly upstream: UpstreamId; readonly address?: string },
): ReplacedUpstream {
  const { upstream } = options;
  const old = loadSystem(options.systemFile);
  const entry = old.upstreams[upstream - 1];
  if (entry === undefined) throw new TmrError("ERR_TMR_CONFIG", `${options.systemFile} has no upstream ${upstream}`);
  const root = resolve(dir);
  const systemFile = join(root, "system.toml");
  refuseExisting(systemFile, "choose a new folder for the files of the new machine");
  const folder = join(root, `upstream-${upstream}`);
  const keys = newUpstreamKeys();
  const values = {
    id: upstream,
    name: entry.name,
    address: options.address ?? entry.address,
    key: x25519PublicKey(keys.noise),
    signingKey: ed25519PublicKey(keys.signing),
    sealingKey: keys.sealing && x25519PublicKey(keys.sealing),
    foundedWith: entry.foundedWith ?? entry.signingKey,
  };
  const text = withTable(readText(options.systemFile), upstream, `[[upstream]]\n${toml(values)}`);
  makeFolder(join(folder, "containers"));
  writeFileDurably(join(folder, "key.json"), upstreamKeyText(keys), { mode: 0o600 });
  const own = { id: upstream, state: "state", containers: "containers", key: "key.json", system: "../system.toml" };
  const upstreamFile = join(folder, "upstream.toml");
  writeFileDurably(upstreamFile, section("[upstream]", own));
  writeFileDurably(systemFile, text);
  return { systemFile, upstreamFile, containerDir: join(folder, "containers"), system: loadSystem(systemFile) };
}

/** The text with one `[[upstream]]` table replaced; comments and everything else stay as a person wrote them. */
function withTable(text: string, upstream: UpstreamId, table: string): string {
  const parts = text.split(/^(?=\s*\[)/m);
  const isIt = (part: string): boolean =>
    /^\s*\[\[\s*upstream\s*\]\]/.test(part) && new RegExp(`^\\s*id\\s*=\\s*${upstream}\\s*(?:#.*)?$`, "m").test(part);
  const at = parts.findIndex(isIt);
  if (at < 0) {
    throw new TmrError("ERR_TMR_CONFIG", `system.toml: expected a table [[upstream]] with a line "id = ${upstream}"`);
  }
  return parts.with(at, `${table}\n`).join("");
}
