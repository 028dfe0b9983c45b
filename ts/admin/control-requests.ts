/** The requests of a control socket as they are read, and the record that one of them describes. */
import { z } from "zod";
import { statusName } from "../wire/kinds.js";
import {
  type AdminKind,
  adminKinds,
  type SystemAnswer,
  type SystemRecord,
  systemFields,
} from "../wire/system-record.js";
import {
  type ControlRequest,
  type ProposedAnswer,
  type ProposeRequest,
  type ShownResult,
  shownFields,
} from "./control-protocol.js";

/** Fields of a record that have 64 bits; `mode` has 8, all others 32. */
const wide: ReadonlySet<string> = new Set(["handle", "durationMs"]);

function mostOf(field: string): number {
  if (field === "mode") return 0xff;
  return wide.has(field) ? Number.MAX_SAFE_INTEGER : 0xffff_ffff;
}

const recordFields = Object.fromEntries(
  systemFields.map((field) => [field, z.int().min(0).max(mostOf(field)).optional()]),
) as Record<(typeof systemFields)[number], z.ZodOptional<z.ZodInt>>;

const requestSchema = z.discriminatedUnion("command", [
  z.strictObject({ command: z.literal("health") }),
  z.strictObject({ command: z.literal("take-over") }),
  z.strictObject({ command: z.literal("switch-over") }),
  z.strictObject({ command: z.literal("admit"), upstream: z.literal([1, 2, 3, "all"]) }),
  z.strictObject({ command: z.literal("resume") }),
  z.strictObject({ command: z.literal("contexts") }),
  z.strictObject({ command: z.literal("apply-update"), upstream: z.literal([1, 2, 3]), update: z.string() }),
  z.strictObject({ command: z.literal("replace"), upstream: z.literal([1, 2, 3]), key: z.base64url() }),
  z.strictObject({
    command: z.literal("propose"),
    kind: z.literal(Object.keys(adminKinds) as AdminKind[]),
    blob: z.base64url().optional(),
    ...recordFields,
  }),
]);

/** What a request should have been. */
export const EXPECTED =
  'expected one line {"command":"health"}, {"command":"take-over"}, {"command":"switch-over"}, ' +
  '{"command":"admit","upstream":1|2|3|"all"}, {"command":"resume"}, {"command":"contexts"}, {"command":"apply-update","upstream":1|2|3,"update":…} ' +
  '{"command":"replace","upstream":1|2|3,"key":…} or {"command":"propose","kind":…}';

/** The request in a line, or null. */
export function parseRequest(line: Buffer): ControlRequest | null {
  try {
    return requestSchema.parse(JSON.parse(line.toString("utf8"))) as ControlRequest;
  } catch {
    return null;
  }
}

/** The record that a request wants to be ordered. */
export function recordOf({ command: _command, kind, blob, ...fields }: ProposeRequest): SystemRecord {
  // Never with what acknowledges: events that nobody wrote down would be gone.
  if (kind === "readSeries") return { kind: adminKinds[kind], mode: 1, cursor: fields.cursor ?? 0 };
  const record = { ...fields, kind: adminKinds[kind] };
  return blob === undefined ? record : { ...record, blob: Buffer.from(blob, "base64url") };
}

/** The answer as it is told. */
export function shownAnswer({ result, blob }: SystemAnswer): ProposedAnswer {
  const shown = Object.fromEntries(shownFields.map((field) => [field, result[field]])) as ShownResult;
  return { status: statusName(result.status), result: shown, blob: Buffer.from(blob).toString("base64url") };
}
