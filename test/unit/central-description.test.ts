import assert from "node:assert/strict";
import { join } from "node:path";
import { type LicenseDescription, loadDescription } from "../../ts/central/description.js";
import { FaultsError } from "../../ts/config/index.js";
import { describedIn } from "../support/issuing.js";
import { scratchFolder } from "../support/scratch.js";
import { thrownBy } from "../support/throws.js";

describe("licenses.toml", () => {
  const folder = scratchFolder();
  const load = (toml: string): LicenseDescription[] => loadDescription(describedIn(folder(), toml));
  const faults = (toml: string): string[] => {
    const error = thrownBy("ERR_TMR_LICENSE_DESCRIPTION", () => load(toml));
    assert.ok(error instanceof FaultsError);
    return error.faults.map((fault) => `${fault.key}: ${fault.expected} / ${fault.received}`);
  };

  it("has defaults for everything but id and product code", () => {
    assert.deepEqual(load('[[license]]\nid = "a"\nproductCode = 13\n'), [
      { id: "a", productCode: 13, text: "", quantity: 1, featureMap: 0 },
    ]);
  });

  it("takes every option", () => {
    const toml = `[[license]]
      id = "a"
      productCode = 0
      text = "Größe"
      quantity = 4294967295
      featureMap = [0, 3, 31]
      activation = 2026-01-01T01:00:00+01:00
      expiration = "2030-12-31T23:59:59.5Z"
      ownerInformation = "plant 1"
      localOnly = true
      unitCounter = 1000
      usagePeriod = "30d"
      maintenanceFrom = 2026-01-01T00:00:00Z
      maintenanceUntil = 2027-01-01T00:00:00Z
      lingerTime = "15m"
      minimumRuntimeVersion = "0.2.0"
      namedUser = "ada@example.org"
      namedUserInterval = 86400
      userData = true
      protectedData = "plain"
      extendedProtectedData = [{ index = 9, data = "nine" }, { index = 0, data = { hex = "00fF" } }]
      hiddenData = [{ index = 1, data = "h", accessCode = 4711 }]
      secretData = [{ index = 127, data = { hex = "0102" } }]
      borrowTime = "12h"
      borrowRevocable = true
      [[license.module]]
      productCode = 8
      [[license.module]]
      productCode = 7
      text = "Module"
      featureMap = [1]`;
    assert.deepEqual(load(toml), [
      {
        id: "a",
        productCode: 0,
        text: "Größe",
        quantity: 0xffff_ffff,
        featureMap: 0x8000_0009,
        activationMs: Date.UTC(2026, 0, 1),
        expirationMs: Date.UTC(2030, 11, 31, 23, 59, 59, 500),
        ownerInformation: "plant 1",
        localOnly: true,
        unitCounter: 1000,
        usagePeriodSeconds: 2_592_000,
        maintenanceFromMs: Date.UTC(2026, 0, 1),
        maintenanceUntilMs: Date.UTC(2027, 0, 1),
        lingerSeconds: 900,
        minimumRuntimeVersion: "0.2.0",
        namedUser: "ada@example.org",
        namedUserIntervalSeconds: 86_400,
        userData: true,
        protectedData: "cGxhaW4",
        extendedProtectedData: [
          { index: 0, data: "AP8" },
          { index: 9, data: "bmluZQ" },
        ],
        hiddenData: [{ index: 1, data: "aA", accessCode: 4711 }],
        secretData: [{ index: 127, data: "AQI" }],
        borrowSeconds: 43_200,
        borrowRevocable: true,
        modules: [
          { productCode: 7, text: "Module", featureMap: 2 },
          { productCode: 8, text: "", featureMap: 0 },
        ],
      },
    ]);
  });

  const features: readonly (readonly [toml: string, map: number | null])[] = [
    ["0", 0],
    ["4294967295", 0xffff_ffff],
    ["0b101", 5],
    ["[]", 0],
    ["[31]", 0x8000_0000],
    ["[1, 1]", 2],
    ["4294967296", null],
    ["-1", null],
    ["1.5", null],
    ["[32]", null],
    ["[-1]", null],
    ['["1"]', null],
    ['"5"', null],
    ["true", null],
  ];
  for (const [toml, map] of features) {
    it(`${map === null ? "refuses" : "takes"} the feature map ${toml}`, () => {
      const text = `[[license]]\nid = "a"\nproductCode = 1\nfeatureMap = ${toml}\n`;
      if (map === null)
        assert.match(faults(text).join(), /^license\[0\]\.featureMap: a number from 0 to 4294967295 or/);
      else assert.equal(load(text)[0]?.featureMap, map);
    });
  }

  const dates: readonly (readonly [toml: string, ms: number | null])[] = [
    ["2026-02-28T00:00:00Z", Date.UTC(2026, 1, 28)],
    ["2026-02-28 00:00:00Z", Date.UTC(2026, 1, 28)],
    ['"2026-02-28T00:00:00Z"', Date.UTC(2026, 1, 28)],
    ['"2026-02-28t00:00:00z"', Date.UTC(2026, 1, 28)],
    ['"2028-02-29T00:00:00-11:30"', Date.UTC(2028, 1, 29, 11, 30)],
    ['"2026-02-30T00:00:00Z"', null],
    ["2026-02-30T00:00:00Z", null],
    ['"2026-02-28T24:00:00Z"', null],
    ['"2026-02-28T00:00:00"', null],
    ['"2026-02-28T00:00:00+25:00"', null],
    ['"2026-02-28"', null],
    ['"1969-12-31T23:59:59Z"', null],
    ['"tomorrow"', null],
    ["2026-02-28T00:00:00", null],
    ["2026-02-28", null],
    ["00:00:00", null],
    ["1767225600", null],
  ];
  for (const [toml, ms] of dates) {
    it(`${ms === null ? "refuses" : "takes"} the date ${toml}`, () => {
      const text = `[[license]]\nid = "a"\nproductCode = 1\nexpiration = ${toml}\n`;
      if (ms === null) assert.match(faults(text).join(), /^(license\[0\]\.expiration|line 4): a da(te|y)/);
      else assert.equal(load(text)[0]?.expirationMs, ms);
    });
  }

  const options: readonly (readonly [toml: string, is: object | RegExp])[] = [
    ['unitCounter = "consumption"', { unitCounter: 0xffff_ffff }],
    ["unitCounter = 4294967294", { unitCounter: 0xffff_fffe }],
    ["unitCounter = 4294967295", /unitCounter: a number of units from 0 to 4294967294, or "consumption"/],
    ['usagePeriod = "90s"', { usagePeriodSeconds: 90 }],
    ["usagePeriod = 0", /usagePeriod: seconds from 1/],
    ['usagePeriod = "1w"', /usagePeriod: seconds from 1/],
    ['usagePeriod = "49711d"', /usagePeriod: seconds from 1/],
    ["localOnly = false", {}],
    ["localOnly = 1", /localOnly: true or false/],
    ['namedUser = ""', { namedUser: "" }],
    ['namedUserInterval = "1d"', /license\[0\]: terms that fit together \/ a license that has a namedUserInterval/],
    ["maintenanceFrom = 2026-01-01T00:00:00Z", /one end of a maintenance period without the other/],
    ["maintenanceFrom = 2026-02-30T00:00:00Z", /line 4: a day that the calendar has/],
    ['userData = "at first"', { userData: "YXQgZmlyc3Q" }],
    ["userData = false", /userData: data of 1 to 256 bytes/],
    ['protectedData = ""', /protectedData: data of 1 to 256 bytes.* \/ 0 characters/],
    [`protectedData = "${"x".repeat(257)}"`, /protectedData: data of 1 to 256 bytes.* \/ 257 characters/],
    ['protectedData = { hex = "0" }', /protectedData: data of 1 to 256 bytes/],
    ['secretData = [{ index = 1, data = "a" }, { index = 1, data = "b" }]', /secretData: 1 to 128 pieces of data/],
    ['hiddenData = [{ index = 1, data = "a" }]', /hiddenData\[0\]\.accessCode/],
    ["borrowRevocable = true", /borrowRevocable without borrowSeconds/],
    ["module = [{ productCode = 13 }]", /a module with its own Product Code/],
    ['minimumRuntimeVersion = "1"', /minimumRuntimeVersion: a version as three numbers/],
  ];
  for (const [toml, is] of options) {
    it(`${is instanceof RegExp ? "refuses" : "takes"} ${toml.slice(0, 80)}`, () => {
      const text = `[[license]]\nid = "a"\nproductCode = 13\n${toml}\n`;
      if (is instanceof RegExp) assert.match(faults(text).join(), is);
      else assert.deepEqual(load(text), [{ id: "a", productCode: 13, text: "", quantity: 1, featureMap: 0, ...is }]);
    });
  }

  it("reports every fault at once", () => {
    const toml = `[[license]]
id = "a"
productCode = -1
qantity = 3
unitCounter = -7
usagePeriod = "30 days"
[[license]]
id = "a"
quantity = 0
text = "\\u001b[31m"
activation = 2027-01-01T00:00:00Z
expiration = 2026-01-01T00:00:00Z
`;
    assert.deepEqual(
      faults(toml).map((fault) => fault.replace(/one of the keys [\w, ]+ \//, "one of the keys /")),
      [
        "license[0].productCode: an integer from 0 to 4294967295 / -1",
        'license[0].unitCounter: a number of units from 0 to 4294967294, or "consumption" / -7',
        'license[0].usagePeriod: seconds from 1, or a number with its unit: "90s", "15m", "12h", "30d" / "30 days"',
        'license[0].qantity: one of the keys / the unknown key "qantity" (did you mean "quantity"?)',
        "license[1].productCode: an integer from 0 to 4294967295 / nothing",
        'license[1].text: text of at most 256 bytes without control characters / "\\u001b[31m"',
        "license[1].quantity: an integer from 1 to 4294967295 / 0",
        "license[1].id: an id of its own / the same as license[0].id",
        "license[1].expiration: later than its activation, 2027-01-01T00:00:00.000Z / 2026-01-01T00:00:00.000Z",
      ],
    );
  });

  it("without a license is refused", () => {
    for (const toml of ["", "license = []\n", "license = 3\n"]) {
      assert.match(faults(toml).join(), /^license: at least one \[\[license\]\] table/);
    }
  });

  it("that is missing is ERR_TMR_FILE, that is no TOML is a fault with its line", () => {
    thrownBy("ERR_TMR_FILE", () => loadDescription(join(folder(), "none.toml")));
    assert.match(faults("[[license]\n").join(), /^line 1, column \d+: TOML/);
  });
});
