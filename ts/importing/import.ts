/**
 * Importing an update: the new container file is written beside the old one, synced, and renamed over it. Whatever
 * happens in between, the folder holds the container as it was or as it is to be; a server that runs sees the change.
 */
import { basename, join } from "node:path";
import { applyUpdate, type ContainerParts, type Update } from "../activation/index.js";
import { writeFileDurably } from "../config/write-file.js";
import { CONTAINER_SUFFIX, encodeContainerFile, verifyContainer } from "../container/container-file.js";
import { TmrError } from "../errors.js";
import { type SoundContainer, soundContainers } from "./folder.js";
import type { Holder } from "./holder.js";
import { withImportLock } from "./lock.js";

/** What became of an update. */
export interface Imported {
  /** `there`: the container had it already, nothing was written */
  readonly outcome: "applied" | "there";
  readonly update: Update;
  /** the container file */
  readonly file: string;
}

/** Imports one update. Throws ERR_TMR_ACTIVATION with the reason why not, ERR_TMR_FILE, ERR_TMR_STATE: another import. */
export function importUpdate(holder: Holder, jws: string): Promise<Imported> {
  return withImportLock(holder.state, async () => {
    const sound = await soundContainers(holder);
    const find = (name: string): SoundContainer | undefined => sound.find(({ parts }) => parts.container === name);
    const server = { ...holder, firms: holder.trust.firms };
    const applied = await applyUpdate(jws, server, (name) => find(name)?.parts ?? null);
    const { container } = applied.update;
    const file = find(container)?.file ?? newFile(holder, container, sound);
    if (applied.outcome === "applied") await write(holder, file, applied.container);
    return { outcome: applied.outcome, update: applied.update, file };
  });
}

/** A file of that name that is broken is replaced; a sound one is of another container. */
function newFile({ containers }: Holder, container: string, sound: readonly SoundContainer[]): string {
  const file = join(containers, `${container}${CONTAINER_SUFFIX}`);
  const taken = sound.find((other) => basename(other.file) === basename(file));
  if (taken === undefined) return file;
  throw new TmrError("ERR_TMR_FILE", `${file} holds container ${taken.parts.container}: rename it, then import again`);
}

async function write(holder: Holder, file: string, { container, actId, firmItems }: ContainerParts): Promise<void> {
  const outer = {
    container,
    actId,
    holder: holder.holder,
    firmItems: firmItems.map(({ firmItem }) => firmItem),
    certificates: firmItems.flatMap(({ certificates }) => certificates),
  };
  const content = encodeContainerFile(outer);
  // What this server would refuse is never written.
  await verifyContainer(Buffer.from(content), `the container after the update, ${file}`, holder.trust);
  writeFileDurably(file, content, { replace: true });
}
