/**
 * Issuing in triplicate: one description becomes three container files, one per upstream, with the same actId and
 * TMR-IDs. In the order of work: check everything, make the numbers durable, sign, write.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadSystem, type System, type UpstreamId } from "../config/system.js";
import { makeFolder, refuseExisting, writeFileDurably } from "../config/write-file.js";
import { signCertificates } from "../container/certificate.js";
import {
  ACTIVATION_MASK,
  CONTAINER_SUFFIX,
  type Container,
  encodeContainerFile,
  readContainerFile,
  trustOf,
  verifyContainer,
} from "../container/container-file.js";
import { signFirmItem } from "../container/firm-item.js";
import { type Terms, termsDigest } from "../container/terms.js";
import { TmrError } from "../errors.js";
import { type LicenseDescription, loadDescription } from "./description.js";
import { type Firm, loadFirm } from "./firm.js";
import { type Allocation, Ledger } from "./ledger.js";

/** What to issue, and where to. */
export interface IssueOptions {
  /** folder of the Central */
  readonly dir: string;
  /** path of the system's system.toml; it must name the firm */
  readonly system: string;
  /** path of a licenses.toml, or its checked content */
  readonly licenses: string | readonly LicenseDescription[];
  /** folder for the three files */
  readonly folder: string;
  /** `new`: a new group of three containers. `update`: the group whose files are in the folder. */
  readonly as: "new" | "update";
  /**
   * What one upstream's copy should be instead, or null for none. Only to show and test how unequal copies are voted
   * on: an issuer wants three equal ones.
   */
  readonly copy?: (terms: Terms, upstream: UpstreamId) => Terms | null;
}

/** One license as it was issued. */
export interface IssuedLicense {
  readonly id: string;
  readonly terms: Terms;
  readonly change: "new" | "changed" | "unchanged";
}

/** What was issued. */
export interface Issued {
  readonly firmCode: number;
  readonly actId: number;
  readonly updateCounter: number;
  readonly licenses: readonly IssuedLicense[];
  /** licenses that the group had and has no longer */
  readonly removed: readonly { readonly id: string; readonly tmrId: number }[];
  /** upstream 1, 2, 3 */
  readonly containers: readonly {
    readonly upstream: UpstreamId;
    readonly name: string;
    readonly container: string;
    readonly file: string;
  }[];
}

const upstreamIds = [1, 2, 3] as const;

/**
 * Issues licenses. Throws ERR_TMR_LICENSE_DESCRIPTION, ERR_TMR_CONFIG, ERR_TMR_KEY, ERR_TMR_CONTAINER (files to be
 * updated are not sound), ERR_TMR_FILE, ERR_TMR_STATE; then no file was changed, unless writing itself failed.
 */
export async function issue(options: IssueOptions): Promise<Issued> {
  const firm = loadFirm(options.dir);
  const system = loadSystem(options.system);
  checkFirmIsTrusted(firm, system);
  const { licenses } = options;
  const descriptions = typeof licenses === "string" ? loadDescription(licenses) : licenses;
  const ids = descriptions.map((license) => license.id);
  if (new Set(ids).size < ids.length) {
    throw new TmrError("ERR_TMR_LICENSE_DESCRIPTION", "every license needs an id of its own");
  }
  const files = upstreamIds.map((id) => join(options.folder, `upstream-${id}${CONTAINER_SUFFIX}`));
  const existing = options.as === "update" ? await readGroup(files, system, firm) : undefined;
  if (existing === undefined) for (const file of files) refuseExisting(file, "update it instead (--into)");

  const ledger = Ledger.open(options.dir);
  try {
    if (existing !== undefined) checkAgainstLedger(existing, ledger, files);
    const given = existing === undefined ? ledger.allocateGroup(ids) : ledger.allocateUpdate(existing.actId, ids);
    const terms = descriptions.map((license) => termsFor(license, firm, given));
    makeFolder(options.folder);
    const contents = await Promise.all(upstreamIds.map((id) => sealed(id, terms, given, firm, system, options.copy)));
    for (const [i, content] of contents.entries()) {
      writeFileDurably(files[i] as string, content, { replace: existing !== undefined });
    }
    return report(descriptions, terms, given, existing, firm, system, files);
  } finally {
    ledger.close();
  }
}

/** Refuses to issue what its server would not trust. Throws ERR_TMR_KEY. */
export function checkFirmIsTrusted(firm: Firm, system: Pick<System, "file" | "firms">): void {
  const known = system.firms.find((entry) => entry.firmCode === firm.firmCode);
  if (known === undefined) {
    const advice = "add the [[firm]] table that `tmr central init` printed, on every server";
    throw new TmrError("ERR_TMR_KEY", `${system.file} does not name Firm Code ${firm.firmCode}; ${advice}`);
  }
  if (!known.key.equals(firm.key)) {
    throw new TmrError("ERR_TMR_KEY", `${system.file} names another key for Firm Code ${firm.firmCode}`);
  }
}

interface ExistingGroup {
  readonly actId: number;
  /** what is in each file; undefined where the file is missing */
  readonly containers: readonly (Container | undefined)[];
}

/** The group that is to be updated. A missing file is written anew; with all three missing there is no group. */
async function readGroup(files: readonly string[], system: System, firm: Firm): Promise<ExistingGroup> {
  const containers: (Container | undefined)[] = [];
  for (const id of upstreamIds) {
    const file = files[id - 1] as string;
    const container = existsSync(file) ? await readContainerFile(file, trustOf(system, id)) : undefined;
    if (container?.firmItems.some((item) => item.firmCode !== firm.firmCode)) {
      throw new TmrError("ERR_TMR_CONTAINER", `${file} also holds items of another firm`);
    }
    containers.push(container);
  }
  const actIds = new Set(containers.flatMap((container) => container?.actId ?? []));
  const [actId] = actIds;
  if (actId === undefined) {
    throw new TmrError("ERR_TMR_FILE", `none of ${files.join(", ")} is there; issue a new group instead (--out)`);
  }
  if (actIds.size > 1) {
    const list = [...actIds].join(", ");
    throw new TmrError("ERR_TMR_CONTAINER", `the files are of different groups: their actIds are ${list}`);
  }
  return { actId, containers };
}

/** A ledger that knows less than the files is an old copy: going on with it would give numbers a second time. */
function checkAgainstLedger(existing: ExistingGroup, ledger: Ledger, files: readonly string[]): void {
  const group = ledger.group(existing.actId);
  existing.containers.forEach((container, i) => {
    if (container === undefined) return;
    if (group === undefined || container.container !== `${ACTIVATION_MASK}-${group.serials[i]}`) {
      throw new TmrError("ERR_TMR_CONTAINER", `${files[i]}: ${container.container} was not issued by this Central`);
    }
    const counter = container.firmItems[0]?.updateCounter ?? 0;
    if (counter > group.updateCounter) {
      const known = `the ledger knows update ${group.updateCounter}, ${files[i]} has ${counter}`;
      throw new TmrError("ERR_TMR_STATE", `${known}: this ledger is an old copy; restore the newest`);
    }
  });
}

function termsFor(license: LicenseDescription, firm: Firm, given: Allocation): Terms {
  const { id, ...options } = license;
  const tmrId = given.tmrIds.get(id);
  if (tmrId === undefined) throw new TmrError("ERR_TMR_STATE", `no TMR-ID was given to ${id}`);
  return { actId: given.actId, firmCode: firm.firmCode, tmrId, ...options };
}

async function sealed(
  id: UpstreamId,
  terms: readonly Terms[],
  given: Allocation,
  firm: Firm,
  system: System,
  copy: IssueOptions["copy"],
): Promise<string> {
  const outer = {
    container: `${ACTIVATION_MASK}-${given.serials[id - 1]}`,
    actId: given.actId,
    holder: system.upstreams[id - 1]?.signingKey.toString("base64url") ?? "",
  };
  const items = copy === undefined ? terms : terms.flatMap((item) => copy(item, id) ?? []);
  const { firmCode, name: firmName } = firm;
  const firmItem = { ...outer, firmCode, firmName, updateCounter: given.updateCounter, items };
  const signed = await signFirmItem(firmItem, firm.privateKey, firm.key);
  const certificates = await signCertificates(firmItem, firm.privateKey, firm.key);
  const content = encodeContainerFile({ ...outer, firmItems: [signed], certificates });
  // What an upstream would refuse is never written.
  await verifyContainer(Buffer.from(content), `container for ${system.upstreams[id - 1]?.name}`, trustOf(system, id));
  return content;
}

function report(
  descriptions: readonly LicenseDescription[],
  terms: readonly Terms[],
  given: Allocation,
  existing: ExistingGroup | undefined,
  firm: Firm,
  system: System,
  files: readonly string[],
): Issued {
  const copies = existing?.containers.map((container) => container?.items ?? []) ?? [];
  const changeOf = (item: Terms): IssuedLicense["change"] => {
    const before = copies.map((items) => items.find((known) => known.tmrId === item.tmrId));
    if (before.every((known) => known === undefined)) return "new";
    const same = (known: Terms | undefined) => known !== undefined && termsDigest(known).equals(termsDigest(item));
    return before.every(same) ? "unchanged" : "changed";
  };
  return {
    firmCode: firm.firmCode,
    actId: given.actId,
    updateCounter: given.updateCounter,
    licenses: terms.map((item, i) => ({ id: descriptions[i]?.id ?? "", terms: item, change: changeOf(item) })),
    removed: [...given.removed].map(([id, tmrId]) => ({ id, tmrId })),
    containers: upstreamIds.map((upstream) => ({
      upstream,
      name: system.upstreams[upstream - 1]?.name ?? "",
      container: `${ACTIVATION_MASK}-${given.serials[upstream - 1]}`,
      file: files[upstream - 1] ?? "",
    })),
  };
}
