/** An earlier commit of this repository, built beside it in a folder of its own. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

export interface PreviousBuild {
  /** the commit that was built */
  readonly commit: string;
  readonly dist: string;
  /** its `tmr` */
  readonly program: string;
  remove(): void;
}

function git(...args: readonly string[]): string {
  return execFileSync("git", ["-C", root, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

function succeeds(...args: readonly string[]): boolean {
  try {
    git(...args);
    return true;
  } catch {
    return false;
  }
}

/** The newest tag, or else the commit before this one. */
export function previousReference(): string {
  if (succeeds("describe", "--tags", "--abbrev=0", "HEAD~1")) return git("describe", "--tags", "--abbrev=0", "HEAD~1");
  if (succeeds("rev-parse", "--verify", "HEAD~1^{commit}")) return "HEAD~1";
  throw new Error("there is no commit before this one: a clone with --depth 1 cannot test an upgrade");
}

/** Checks the commit out, gives it this build's packages where it wants the same ones, and builds it. */
export function buildPrevious(reference: string): PreviousBuild {
  const commit = git("rev-parse", "--verify", `${reference}^{commit}`);
  const folder = join(mkdtempSync(join(tmpdir(), "tmr-previous-")), "tree");
  git("worktree", "add", "--detach", folder, commit);
  const remove = (): void => {
    git("worktree", "remove", "--force", folder);
    rmSync(join(folder, ".."), { recursive: true, force: true });
  };
  try {
    const run = (program: string, ...args: readonly string[]): void => {
      execFileSync(program, args, { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
    };
    const lock = "package-lock.json";
    const samePackages = readFileSync(join(folder, lock)).equals(readFileSync(join(root, lock)));
    if (samePackages) symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    else run("npm", "ci", "--no-audit", "--no-fund");
    // The same sources make the same engine.
    if (succeeds("diff", "--quiet", commit, "--", "native", "binding.gyp")) {
      cpSync(join(root, "build", "Release"), join(folder, "build", "Release"), { recursive: true });
    } else {
      // Through npm, which knows where Node's headers are.
      run("npm", "run", "--silent", "build:native");
    }
    run(process.execPath, join(folder, "node_modules/typescript/bin/tsc"), "-p", ".");
  } catch (error) {
    remove();
    throw error;
  }
  const dist = join(folder, "dist");
  return { commit, dist, program: join(dist, "ts/cli/main.js"), remove };
}
