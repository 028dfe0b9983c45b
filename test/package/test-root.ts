/** A root file system for one test: this machine's under an overlay. */
import { execFileSync, spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

export interface Outcome {
  readonly code: number | null;
  readonly text: string;
}

export class TestRoot {
  readonly path: string;
  readonly #base: string;
  readonly #upper: string;

  /** To be made in a mount namespace of its own. `packages` is seen as /mnt. */
  constructor(packages: string) {
    this.#base = mkdtempSync(join(tmpdir(), "tmr-test-root-"));
    mount("-t", "tmpfs", "-o", "size=3g", "tmpfs", this.#base);
    this.path = join(this.#base, "root");
    this.#upper = join(this.#base, "upper");
    const work = join(this.#base, "work");
    for (const folder of [this.path, this.#upper, work]) mkdirSync(folder);
    const layers = `lowerdir=/,upperdir=${this.#upper},workdir=${work}`;
    mount("-t", "overlay", "-o", layers, "overlay", this.path);
    mount("--bind", "/proc", join(this.path, "proc"));
    mount("--rbind", "/dev", join(this.path, "dev"));
    mount("-t", "tmpfs", "tmpfs", join(this.path, "run"));
    mount("--bind", packages, join(this.path, "mnt"));
  }

  /** A file or folder of this root, as seen from outside. */
  of(path: string): string {
    return join(this.path, path);
  }

  run(command: string, ...args: readonly string[]): Outcome {
    const env = {
      ...process.env,
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
      DEBIAN_FRONTEND: "noninteractive",
      LC_ALL: "C",
    };
    const { status, stdout, stderr, error } = spawnSync("chroot", [this.path, command, ...args], {
      encoding: "utf8",
      env,
    });
    return { code: status, text: `${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}` };
  }

  /** Everything that is there now and was not, or is another, or is gone. */
  changes(): string[] {
    const walk = (folder: string): string[] =>
      readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        const below = entry.isDirectory() ? walk(path) : [];
        const inLower = lstatSync(join("/", relative(this.#upper, path)), { throwIfNoEntry: false }) !== undefined;
        if (entry.isDirectory()) return inLower ? below : [`${relative(this.#upper, path)}/`, ...below];
        // What was there and is gone again leaves a mark of the overlay where it never was below.
        return entry.isCharacterDevice() && !inLower ? [] : [relative(this.#upper, path)];
      });
    return walk(this.#upper).sort();
  }

  close(): void {
    execFileSync("umount", ["-R", "-l", this.#base]);
    rmSync(this.#base, { recursive: true, force: true });
  }
}

function mount(...args: readonly string[]): void {
  execFileSync("mount", [...args]);
}
