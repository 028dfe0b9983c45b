/** A container file, `NAME.tmrc`: one line of canonical JSON around the signed firm items of one container. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { checkDocument } from "../config/document.js";
import { Faults } from "../config/faults.js";
import { integer, isContainerName, table, U32_MAX } from "../config/fields.js";
import type { Standalone } from "../config/standalone.js";
import type { FirmEntry, System, UpstreamId } from "../config/system.js";
import { TmrError } from "../errors.js";
import { canonicalJson } from "../wire/canonical.js";
import { type CarriedCertificate, checkCertificates } from "./certificate.js";
import { type FirmItem, FirmItemFault, verifyFirmItem } from "./firm-item.js";
import { compareTerms, type Terms } from "./terms.js";

export const CONTAINER_FORMAT = "tmr-container/1";
/** Mask byte of an activation container with Universal Firm Codes. */
export const ACTIVATION_MASK = 130;
/** How the name of a container file ends. */
export const CONTAINER_SUFFIX = ".tmrc";

/** A container whose every part was verified. */
export interface Container {
  /** `130-serial` */
  readonly container: string;
  readonly actId: number;
  /** base64url signing key of the upstream that it is for */
  readonly holder: string;
  readonly firmItems: readonly FirmItem[];
  /** compact JWS of each firm item */
  readonly signed: readonly string[];
  /** the items of all firms, strictly ascending by join key */
  readonly items: readonly Terms[];
  /** of each item that may be borrowed */
  readonly certificates: readonly CarriedCertificate[];
}

/** Whose signatures count, and for which upstream the container must be. */
export interface ContainerTrust {
  readonly firms: readonly FirmEntry[];
  /** base64url signing key of the upstream that reads, or null: any holder will do */
  readonly holder: string | null;
  /** name of a holder, for messages */
  readonly nameOf: (holder: string) => string;
}

/** What an upstream of a system trusts; `upstream` null: any of its three is a right holder. */
export function trustOf(system: System, upstream: UpstreamId | null): ContainerTrust {
  const keys = system.upstreams.map((entry) => entry.signingKey.toString("base64url"));
  return {
    firms: system.firms,
    holder: upstream === null ? null : (keys[upstream - 1] ?? null),
    nameOf: (holder) => system.upstreams[keys.indexOf(holder)]?.name ?? "an upstream of another system",
  };
}

/** What a standalone license server trusts. */
export function standaloneTrust({ firms, signingKey, name }: Standalone): ContainerTrust {
  const own = signingKey.toString("base64url");
  return { firms, holder: own, nameOf: (holder) => (holder === own ? name : "another license server") };
}

const outerSchema = table({
  format: z.literal(CONTAINER_FORMAT, { error: `"${CONTAINER_FORMAT}"` }),
  container: z
    .string({ error: "130-serial" })
    .refine((name) => isContainerName(name, ACTIVATION_MASK), { error: "130-serial" }),
  actId: integer(0, U32_MAX),
  holder: z.string({ error: "the signing key of an upstream" }),
  firmItems: z.array(z.string({ error: "a compact JWS" }), { error: "an array of signed firm items" }).min(1, {
    error: "at least one signed firm item",
  }),
  certificates: z
    .array(z.string({ error: "a compact JWS" }), { error: "an array of certificates" })
    .min(1)
    .optional(),
});

/**
 * The bytes of a container file. `firmItems` are compact JWS in ascending order of Firm Code, `certificates` those of
 * their items that may be borrowed, in the same order; left out when there are none.
 */
export function encodeContainerFile(outer: {
  readonly container: string;
  readonly actId: number;
  readonly holder: string;
  readonly firmItems: readonly string[];
  readonly certificates?: readonly string[] | undefined;
}): string {
  const { certificates = [], ...rest } = outer;
  const more = certificates.length === 0 ? {} : { certificates };
  return `${canonicalJson({ format: CONTAINER_FORMAT, ...rest, ...more })}\n`;
}

/** Reads and verifies a container file. Throws ERR_TMR_CONTAINER with file and reason, ERR_TMR_FILE when unreadable. */
export async function readContainerFile(file: string, trust: ContainerTrust): Promise<Container> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TmrError("ERR_TMR_FILE", `cannot read ${file}: ${reason}`, { cause: error });
  }
  return verifyContainer(bytes, file, trust);
}

/** Verifies the bytes of a container file; `file` names it in messages. Throws ERR_TMR_CONTAINER. */
export async function verifyContainer(bytes: Uint8Array, file: string, trust: ContainerTrust): Promise<Container> {
  const outer = readOuter(bytes, file);
  try {
    const firmItems: FirmItem[] = [];
    for (const jws of outer.firmItems) {
      const item = await verifyFirmItem(jws, trust.firms, file);
      checkInside(item, outer, firmItems.at(-1));
      firmItems.push(item);
    }
    if (trust.holder !== null && outer.holder !== trust.holder) {
      const [is, reader] = [trust.nameOf(outer.holder), trust.nameOf(trust.holder)];
      throw new FirmItemFault(`the container is for ${is}, this is ${reader}`);
    }
    const { container, actId, holder } = outer;
    const certificates = await checkCertificates(outer.certificates ?? [], firmItems, trust.firms);
    // Firm items ascend by Firm Code and each ascends inside, so the whole ascends.
    const signed = outer.firmItems;
    return {
      container,
      actId,
      holder,
      firmItems,
      signed,
      items: firmItems.flatMap((item) => item.items),
      certificates,
    };
  } catch (error) {
    if (error instanceof FirmItemFault) throw new TmrError("ERR_TMR_CONTAINER", `${file}: ${error.message}`);
    throw error;
  }
}

type Outer = z.output<typeof outerSchema>;

function readOuter(bytes: Uint8Array, file: string): Outer {
  let text: string;
  let raw: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    raw = JSON.parse(text);
  } catch {
    throw new TmrError("ERR_TMR_CONTAINER", `${file}: not a container file, or truncated or damaged (no whole JSON)`);
  }
  const faults = new Faults();
  const outer = checkDocument(outerSchema, raw, file, faults);
  faults.throwIfAny("ERR_TMR_CONTAINER");
  // One spelling only: so every altered byte is found, also those that mean nothing.
  if (encodeContainerFile(outer as Outer) !== text) {
    throw new TmrError("ERR_TMR_CONTAINER", `${file}: altered or damaged: not in canonical form`);
  }
  return outer as Outer;
}

function checkInside(item: FirmItem, outer: Outer, before: FirmItem | undefined): void {
  for (const key of ["container", "actId", "holder"] as const) {
    if (item[key] !== outer[key]) {
      throw new FirmItemFault(
        `altered: ${key} is ${outer[key]} outside, Firm Code ${item.firmCode} signed ${item[key]}`,
      );
    }
  }
  if (before !== undefined && before.firmCode >= item.firmCode) {
    throw new FirmItemFault(
      before.firmCode === item.firmCode
        ? `Firm Code ${item.firmCode} is there twice`
        : `Firm Code ${item.firmCode} is out of order`,
    );
  }
}

/** The first join key that both have, or undefined. */
export function commonItem(a: Container, b: Container): Terms | undefined {
  return a.items.find((terms) => b.items.some((other) => compareTerms(terms, other) === 0));
}
