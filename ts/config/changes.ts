/** What another version of a configuration file changes, and whether a running server can take it. */

export interface ConfigChanges {
  /** Keys that changed and can be applied to a server that runs. */
  readonly now: readonly string[];
  /** Keys that changed and count only after a restart. */
  readonly restart: readonly string[];
}

/** Values that were read into a field of their own are named by the table in which a person finds them. */
export interface ConfigNames {
  /** The table of the fields that are at the top of the loaded object, e.g. `server`. */
  readonly table: string;
  /** Tables, and keys `table.key`, that a running server can take. */
  readonly atRuntime: readonly string[];
}

/** Compares two loads of the same file, key by key; the system description and the keys that it names are part of it. */
export function configChanges(before: object, after: object, { table, atRuntime }: ConfigNames): ConfigChanges {
  const old = leavesOf(before, table);
  const young = leavesOf(after, table);
  const keys = new Set([...old.keys(), ...young.keys()]);
  const changed = [...keys].filter((key) => old.get(key) !== young.get(key)).sort();
  const isNow = (key: string): boolean => atRuntime.some((name) => key === name || key.startsWith(`${name}.`));
  return { now: changed.filter(isNow), restart: changed.filter((key) => !isNow(key)) };
}

/** Every value by its path, as text that is equal exactly when the values are. */
function leavesOf(config: object, table: string): ReadonlyMap<string, string> {
  const leaves = new Map<string, string>();
  const walk = (value: unknown, path: string): void => {
    if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
      for (const [key, below] of Object.entries(value)) {
        walk(below, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`);
      }
    } else leaves.set(path, textOf(value));
  };
  for (const [key, value] of Object.entries(config)) {
    const isTable = typeof value === "object" && value !== null;
    walk(value, isTable || key === "tracking" ? key : `${table}.${key}`);
  }
  return leaves;
}

function textOf(value: unknown): string {
  return ArrayBuffer.isView(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")
    : (JSON.stringify(value) ?? "");
}
