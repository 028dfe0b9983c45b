/** An upstream vouches for the machine that takes another's place: because its own system.toml names that machine. */
import { sign } from "node:crypto";
import type { UpstreamConfig } from "../config/index.js";
import { ed25519PrivateKey } from "../config/key-files.js";
import { TmrError } from "../errors.js";
import { successionMessage } from "../license/succession.js";
import type { LicenseState } from "./license-state.js";
import type { UpstreamNumber } from "./types.js";

/** The signature. Throws ERR_TMR_STATE with the reason why it is not given. */
export function vouchFor(
  upstream: number,
  key: Uint8Array,
  { id, system, keys }: Pick<UpstreamConfig, "id" | "system" | "keys">,
  genesisDigest: Uint8Array,
  state: Pick<LicenseState, "signingKey">,
): Uint8Array {
  const named = system.upstreams[upstream - 1];
  const from = named === undefined ? null : state.signingKey(upstream as UpstreamNumber);
  if (named === undefined || from === null || upstream === id) {
    throw new TmrError("ERR_TMR_STATE", `upstream ${id} cannot vouch for upstream ${upstream}`);
  }
  if (!named.signingKey.equals(key)) {
    const advice = "put the new system.toml there and start it again";
    throw new TmrError(
      "ERR_TMR_STATE",
      `the system.toml of upstream ${id} names another machine for ${named.name}: ${advice}`,
    );
  }
  const succession = { genesisDigest, upstream, from, to: key };
  return sign(null, successionMessage(succession), ed25519PrivateKey(keys.signing));
}
