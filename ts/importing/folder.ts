/** The containers folder as activation needs it: the signed parts of each sound container, and the context of all. */
import { randomBytes } from "node:crypto";
import { type ContainerParts, type FirmPart, makeContext } from "../activation/index.js";
import { ed25519PrivateKey } from "../config/key-files.js";
import { type Container, readContainerFile } from "../container/container-file.js";
import { loadContainers } from "../container/load-containers.js";
import type { Holder } from "./holder.js";

/** A sound container and where it lies. */
export interface SoundContainer {
  readonly file: string;
  readonly parts: ContainerParts;
}

/** The sound containers of a server. Broken ones are none: an update that starts anew replaces them. */
export async function soundContainers({ containers, trust }: Holder): Promise<SoundContainer[]> {
  const sound: SoundContainer[] = [];
  for (const { file, fault } of await loadContainers(containers, trust)) {
    if (fault === undefined) sound.push({ file, parts: partsOf(await readContainerFile(file, trust)) });
  }
  return sound;
}

/** The signed context of a server: a compact JWS. `madeMs` is the wall clock. */
export async function contextOf(holder: Holder, madeMs: number): Promise<string> {
  const containers = (await soundContainers(holder)).map(({ parts }) => ({
    container: parts.container,
    actId: parts.actId,
    firmItems: parts.firmItems.map(({ firmCode, updateCounter, updateId }) => ({
      firmCode,
      updateCounter,
      ...(updateId === undefined ? {} : { updateId }),
    })),
  }));
  const { holder: key, sealingKey, name, kind, mask } = holder;
  const nonce = randomBytes(16).toString("base64url");
  const content = { holder: key, sealingKey, name, kind, mask, containers, madeMs, nonce };
  return makeContext(content, ed25519PrivateKey(holder.signing));
}

function partsOf({ container, actId, firmItems, signed, certificates }: Container): ContainerParts {
  const parts = firmItems.map(({ firmCode, updateCounter, updateId }, i): FirmPart => {
    const own = certificates.filter(({ jws }) => certifiedFirm(jws) === firmCode).map(({ jws }) => jws);
    return { firmCode, updateCounter, updateId, firmItem: signed[i] ?? "", certificates: own };
  });
  return { container, actId, firmItems: parts };
}

/** The Firm Code of a certificate that was verified before. */
function certifiedFirm(jws: string): number {
  const payload = Buffer.from(jws.split(".")[1] ?? "", "base64url").toString("utf8");
  return (JSON.parse(payload) as { readonly firmCode: number }).firmCode;
}
