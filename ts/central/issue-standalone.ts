/**
 * Issuing ordinary licenses, without a TMR-ID: one description becomes one container file for a standalone license
 * server. In the order of work: check everything, make the numbers durable, sign, write.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { loadStandalone, type Standalone } from "../config/standalone.js";
import { makeFolder, writeFileDurably } from "../config/write-file.js";
import { signCertificates } from "../container/certificate.js";
import {
  ACTIVATION_MASK,
  CONTAINER_SUFFIX,
  type Container,
  encodeContainerFile,
  readContainerFile,
  standaloneTrust,
  verifyContainer,
} from "../container/container-file.js";
import { signFirmItem } from "../container/firm-item.js";
import { type Terms, termsDigest } from "../container/terms.js";
import { TmrError } from "../errors.js";
import { type LicenseDescription, loadDescription } from "./description.js";
import { type Firm, loadFirm } from "./firm.js";
import { checkFirmIsTrusted, type IssuedLicense } from "./issue.js";
import { Ledger, type OrdinaryAllocation } from "./ledger.js";

/** What to issue, and where to. */
export interface IssueStandaloneOptions {
  /** folder of the Central */
  readonly dir: string;
  /** path of the server's description; it must name the firm */
  readonly system: string;
  /** path of a licenses.toml, or its checked content */
  readonly licenses: string | readonly LicenseDescription[];
  /** folder for the container file, whose name is that of the container */
  readonly folder: string;
  /** `new`: a new container. `update`: the container whose file is in the folder. */
  readonly as: "new" | "update";
  /** `130-serial`, for an update where several are in the folder */
  readonly container?: string;
}

/** What was issued. */
export interface IssuedStandalone {
  readonly firmCode: number;
  readonly actId: number;
  readonly updateCounter: number;
  readonly licenses: readonly IssuedLicense[];
  /** licenses that the container had and has no longer */
  readonly removed: readonly { readonly id: string; readonly itemRef: number }[];
  readonly container: string;
  readonly file: string;
}

/**
 * Issues ordinary licenses. Throws ERR_TMR_LICENSE_DESCRIPTION, ERR_TMR_CONFIG, ERR_TMR_KEY, ERR_TMR_CONTAINER (the file to
 * be updated is not sound), ERR_TMR_FILE, ERR_TMR_STATE; then no file was changed, unless writing itself failed.
 */
export async function issueStandalone(options: IssueStandaloneOptions): Promise<IssuedStandalone> {
  const firm = loadFirm(options.dir);
  const standalone = loadStandalone(options.system);
  checkFirmIsTrusted(firm, standalone);
  const { licenses } = options;
  const descriptions = typeof licenses === "string" ? loadDescription(licenses) : licenses;
  const ids = descriptions.map((license) => license.id);
  if (new Set(ids).size < ids.length) {
    throw new TmrError("ERR_TMR_LICENSE_DESCRIPTION", "every license needs an id of its own");
  }
  const existing = options.as === "update" ? await findContainer(options, standalone, firm) : undefined;
  const ledger = Ledger.open(options.dir);
  try {
    if (existing !== undefined) checkAgainstLedger(existing, ledger);
    const given =
      existing === undefined
        ? ledger.allocateOrdinary(ids)
        : ledger.allocateOrdinaryUpdate(existing.content.actId, ids);
    const terms = descriptions.map((license) => termsFor(license, firm, given));
    makeFolder(options.folder);
    const container = `${ACTIVATION_MASK}-${given.serial}`;
    const file = existing?.file ?? join(options.folder, `${container}${CONTAINER_SUFFIX}`);
    const content = await sealed(container, terms, given, firm, standalone);
    writeFileDurably(file, content, { replace: existing !== undefined });
    const { actId, updateCounter, removed } = given;
    return {
      firmCode: firm.firmCode,
      actId,
      updateCounter,
      licenses: terms.map((item, i) => ({ id: ids[i] ?? "", terms: item, change: changeOf(item, existing) })),
      removed: [...removed].map(([id, itemRef]) => ({ id, itemRef })),
      container,
      file,
    };
  } finally {
    ledger.close();
  }
}

interface Existing {
  readonly file: string;
  readonly content: Container;
}

/** The container that is to be updated: the one in the folder, or the one of several that is named. */
async function findContainer(
  { folder, container }: IssueStandaloneOptions,
  standalone: Standalone,
  firm: Firm,
): Promise<Existing> {
  const found: Existing[] = [];
  for (const file of containerFiles(folder)) {
    const content = await readContainerFile(file, standaloneTrust(standalone));
    const own = content.firmItems.every((item) => item.firmCode === firm.firmCode);
    if (own && (container === undefined || content.container === container)) found.push({ file, content });
  }
  const [only, ...others] = found;
  if (only === undefined) {
    const which =
      container === undefined ? "no container of this firm alone" : `no container ${container} of this firm`;
    throw new TmrError("ERR_TMR_FILE", `${folder}: ${which} is there; issue a new one instead (--out)`);
  }
  if (others.length > 0) {
    const names = found.map(({ content }) => content.container).join(", ");
    throw new TmrError("ERR_TMR_CONTAINER", `${folder} holds ${names}: say which one with --container`);
  }
  return only;
}

function containerFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(CONTAINER_SUFFIX))
      .sort()
      .map((name) => join(folder, name));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TmrError("ERR_TMR_FILE", `cannot read ${folder}: ${reason}`, { cause: error });
  }
}

/** A ledger that knows less than the file is an old copy: going on with it would give numbers a second time. */
function checkAgainstLedger({ file, content }: Existing, ledger: Ledger): void {
  const known = ledger.ordinary(content.actId);
  if (known === undefined || content.container !== `${ACTIVATION_MASK}-${known.serial}`) {
    throw new TmrError("ERR_TMR_CONTAINER", `${file}: ${content.container} was not issued by this Central`);
  }
  const counter = content.firmItems[0]?.updateCounter ?? 0;
  if (counter > known.updateCounter) {
    const seen = `the ledger knows update ${known.updateCounter}, ${file} has ${counter}`;
    throw new TmrError("ERR_TMR_STATE", `${seen}: this ledger is an old copy; restore the newest`);
  }
}

function termsFor(license: LicenseDescription, firm: Firm, given: OrdinaryAllocation): Terms {
  const { id, ...options } = license;
  const itemRef = given.itemRefs.get(id);
  if (itemRef === undefined) throw new TmrError("ERR_TMR_STATE", `no item reference was given to ${id}`);
  return { actId: given.actId, firmCode: firm.firmCode, tmrId: 0, itemRef, ...options };
}

async function sealed(
  container: string,
  items: readonly Terms[],
  given: OrdinaryAllocation,
  firm: Firm,
  standalone: Standalone,
): Promise<string> {
  const outer = { container, actId: given.actId, holder: standalone.signingKey.toString("base64url") };
  const { firmCode, name: firmName } = firm;
  const firmItem = { ...outer, firmCode, firmName, updateCounter: given.updateCounter, items };
  const signed = await signFirmItem(firmItem, firm.privateKey, firm.key);
  const certificates = await signCertificates(firmItem, firm.privateKey, firm.key);
  const content = encodeContainerFile({ ...outer, firmItems: [signed], certificates });
  // What the server would refuse is never written.
  await verifyContainer(Buffer.from(content), `container for ${standalone.name}`, standaloneTrust(standalone));
  return content;
}

function changeOf(item: Terms, existing: Existing | undefined): IssuedLicense["change"] {
  const before = existing?.content.items.find((known) => known.itemRef === item.itemRef);
  if (before === undefined) return "new";
  return termsDigest(before).equals(termsDigest(item)) ? "unchanged" : "changed";
}
