/** What the demo's firm sells: a machine builder's products, with every option that the license rules know so far. */

/** A product that only upstream 1 holds: with one copy it is absent. */
export const LONELY_PRODUCT = 90;
/** A product whose copy on upstream 3 says another quantity: the two equal copies win. */
export const UNEQUAL_PRODUCT = 13;
export const FIRM_CODE = 6_000_010;

/** The description that `tmr central issue` reads. */
export const licensesToml = `# Licenses of one plant, as the firm describes them.
[[license]]
id = "cam-suite"
productCode = 13
text = "CAM Suite, floating"
quantity = 20

[[license]]
id = "cam-5axis"
productCode = 14
text = "CAM Suite, 5-axis module"
quantity = 5
featureMap = [0, 3]

[[license]]
id = "mes-core"
productCode = 20
text = "MES core"
quantity = 100
borrowTime = "7d"
borrowRevocable = true

[[license]]
id = "mes-reports"
productCode = 21
text = "MES reports"
quantity = 10
featureMap = 7

[[license]]
id = "scada-runtime"
productCode = 30
text = "SCADA runtime"
quantity = 4
ownerInformation = "Line 2, cell 7"

[[license]]
id = "scada-editor"
productCode = 31
text = "SCADA editor"
quantity = 2

[[license]]
id = "robot-offline"
productCode = 40
text = "Robot offline programming"
quantity = 3
activation = 2020-01-01T00:00:00Z

[[license]]
id = "robot-vision"
productCode = 41
text = "Robot vision, trial that ended"
quantity = 3
expiration = 2024-12-31T23:59:59Z

[[license]]
id = "plc-compiler"
productCode = 50
text = "PLC compiler"
quantity = 8
expiration = 2099-12-31T23:59:59Z

[[license]]
id = "plc-safety"
productCode = 51
text = "PLC safety option, sold for later"
quantity = 1
activation = 2098-01-01T00:00:00Z

[[license]]
id = "cad-viewer"
productCode = 60
text = "CAD viewer"
quantity = 250

[[license]]
id = "quality-lab"
productCode = 70
text = "Quality lab"
quantity = 6
featureMap = 0x80000001

[[license]]
id = "plant-archive"
productCode = 80
text = "Plant archive"
quantity = 1
ownerInformation = "Retention ten years"

[[license]]
id = "half-updated"
productCode = 90
text = "Update that reached one upstream only"
quantity = 9
`;
