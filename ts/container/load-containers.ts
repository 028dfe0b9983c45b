/** The containers of one upstream: every container file of its folder, sound or not. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { TmrError } from "../errors.js";
import type { CarriedCertificate } from "./certificate.js";
import {
  CONTAINER_SUFFIX,
  type Container,
  type ContainerTrust,
  commonItem,
  readContainerFile,
} from "./container-file.js";
import { itemName, type Terms } from "./terms.js";

/** One container file. With a `fault` it is listed and serves nothing: its items are empty. */
export interface LoadedContainer {
  /** path of the file */
  readonly file: string;
  /** `130-serial`; "unknown" with a fault */
  readonly container: string;
  /** 0 with a fault */
  readonly actId: number;
  /** Firm Update Counter per Firm Code; empty with a fault */
  readonly updateCounters: Readonly<Record<number, number>>;
  readonly items: readonly Terms[];
  /** of each item that may be borrowed */
  readonly certificates: readonly CarriedCertificate[];
  /** why it is broken, in one text that names the file */
  readonly fault?: string;
}

/**
 * Reads all `*.tmrc` of a folder, in order of their names. A container or an item that is there twice serves once, from
 * the first file; the other one is listed with that fault. Throws ERR_TMR_FILE when the folder cannot be read.
 */
export async function loadContainers(dir: string, trust: ContainerTrust): Promise<LoadedContainer[]> {
  const sound: { readonly file: string; readonly content: Container }[] = [];
  const loaded: LoadedContainer[] = [];
  for (const file of containerFiles(dir)) {
    try {
      const content = await readContainerFile(file, trust);
      refuseRepeated(file, content, sound);
      sound.push({ file, content });
      const counters = content.firmItems.map((item) => [item.firmCode, item.updateCounter] as const);
      const { container, actId, items, certificates } = content;
      loaded.push({ file, container, actId, updateCounters: Object.fromEntries(counters), items, certificates });
    } catch (error) {
      if (!(error instanceof TmrError)) throw error;
      loaded.push({
        file,
        container: "unknown",
        actId: 0,
        updateCounters: {},
        items: [],
        certificates: [],
        fault: error.message,
      });
    }
  }
  return loaded;
}

function containerFiles(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => name.endsWith(CONTAINER_SUFFIX))
      .sort()
      .map((name) => join(dir, name));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TmrError("ERR_TMR_FILE", `cannot read the containers folder ${dir}: ${reason}`, { cause: error });
  }
}

function refuseRepeated(
  file: string,
  content: Container,
  sound: readonly { readonly file: string; readonly content: Container }[],
): void {
  for (const other of sound) {
    if (other.content.container === content.container) {
      throw new TmrError("ERR_TMR_CONTAINER", `${file}: container ${content.container} is already in ${other.file}`);
    }
    const item = commonItem(other.content, content);
    if (item !== undefined) {
      throw new TmrError("ERR_TMR_CONTAINER", `${file}: item ${itemName(item)} is already in ${other.file}`);
    }
  }
}
