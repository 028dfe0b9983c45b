/** The `[tracking]` table of a server: whether and where license tracking is written. */
import { resolve } from "node:path";
import { z } from "zod";
import { integer, path, table } from "./fields.js";

/** License tracking as configured; paths are absolute. */
export interface TrackingConfig {
  /** false with the table there: tracking is turned off where this server leads */
  readonly enabled: boolean;
  readonly folder: string;
  readonly maxFileBytes: number;
  /** 0 = files stay for good */
  readonly maxAgeDays: number;
  /** per Firm Code, 0 = no limit */
  readonly maxFirmBytes: number;
  readonly pseudonymise: boolean;
  readonly sign: boolean;
}

const KIB = 1024;
const GIB = 1024 * 1024 * KIB;
const yes = z.boolean({ error: "true or false" });

export const tracking = table({
  enabled: yes.default(false),
  folder: path.default("tracking"),
  maxFileBytes: integer(64 * KIB, GIB).default(16 * 1024 * KIB),
  maxAgeDays: integer(0, 36_500).default(0),
  maxFirmBytes: integer(0, 1024 * GIB).default(0),
  pseudonymise: yes.default(false),
  sign: yes.default(true),
}).optional();

/** The table as it was checked; its folder is in the state folder unless it says otherwise. Null: there is none. */
export function trackingOf(parsed: z.output<typeof tracking>, state: string): TrackingConfig | null {
  return parsed === undefined ? null : { ...parsed, folder: resolve(state, parsed.folder) };
}
