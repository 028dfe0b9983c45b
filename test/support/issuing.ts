/** A system and a firm that issues for it, in a folder: what tests of containers and issuing begin with. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LicenseDescription } from "../../ts/central/description.js";
import { createFirm } from "../../ts/central/firm.js";
import { type CreatedSystem, createSystem } from "../../ts/central/found-system.js";
import { type Issued, type IssueOptions, issue } from "../../ts/central/issue.js";

export interface Issuing {
  readonly system: CreatedSystem;
  /** folder of the Central */
  readonly central: string;
  /** folder for the three files */
  readonly out: string;
  issue(licenses: IssueOptions["licenses"], more?: Partial<IssueOptions>): Promise<Issued>;
}

/** Makes a firm with Firm Code 6000010 and a system that trusts it. */
export function issuingIn(folder: string): Issuing {
  const central = join(folder, "central");
  const firm = createFirm(central, { firmCode: 6_000_010, name: "Test firm" });
  const system = createSystem(join(folder, "system"), { firms: [firm] });
  const out = join(folder, "out");
  return {
    system,
    central,
    out,
    issue: (licenses, more = {}) =>
      issue({ dir: central, system: system.systemFile, licenses, folder: out, as: "new", ...more }),
  };
}

/** A described license with the given parts. */
export function license(id: string, productCode: number, more: Partial<LicenseDescription> = {}): LicenseDescription {
  return { id, productCode, text: `Product ${productCode}`, quantity: 5, featureMap: 0, ...more };
}

/** Writes a licenses.toml and returns its path. */
export function describedIn(folder: string, toml: string): string {
  const file = join(folder, "licenses.toml");
  writeFileSync(file, toml);
  return file;
}
