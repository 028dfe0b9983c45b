/** The blob of openSession for tests that care who asks. */
const order = ["host", "user", "station", "program", "runtimeVersion"] as const;

export type Names = Partial<Readonly<Record<(typeof order)[number], string>>>;

export function namesBlob(names: Names): Buffer {
  const parts = order.map((name) => Buffer.from(names[name] ?? ""));
  return Buffer.concat(parts.flatMap((part) => [Buffer.of(part.length), part]));
}
