/** Looking for programs, and running them to their end. */
import { execFile } from "node:child_process";
import { accessSync, constants, globSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Path of a program, also where Debian puts those of the administrator; null when it is not installed. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  return folders.map((folder) => join(folder, name)).find(isExecutable) ?? null;
}

/** The newest of several versions side by side: `*` in the pattern stands for the version. */
export function findNewest(pattern: string): string | null {
  const found = globSync(pattern).filter(isExecutable);
  return found.sort((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1) ?? null;
}

/** Path of a program that must be there because `missing()` has looked for it. */
export function programPath(name: string): string {
  const path = findProgram(name);
  if (path === null) throw new Error(`${name} is not installed`);
  return path;
}

/** Output of a command; rejects with what it printed when it fails. */
export async function outputOf(program: string, args: readonly string[], cwd?: string): Promise<string> {
  try {
    const { stdout } = await run(program, args, { maxBuffer: 2 ** 24, ...(cwd === undefined ? {} : { cwd }) });
    return stdout;
  } catch (error) {
    const { stderr = "", stdout = "" } = error as { stderr?: string; stdout?: string };
    throw new Error(`${program} failed: ${`${stdout}${stderr}`.slice(-1_000)}`, { cause: error });
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
