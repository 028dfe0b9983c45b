/**
 * `npm run test:package`: the Debian packages from building to purging, in a root of their own: this machine's system under an
 * overlay that is thrown away. What the units say is what is started, as their user; only systemd itself is not there. Needs
 * root, systemd-analyze and dpkg. The last line is `N passed, N failed`.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const INSIDE = "--inside";

if (process.argv.includes(INSIDE)) {
  const { testPackages } = await import("./steps.js");
  process.exitCode = (await testPackages()) ? 0 : 1;
} else {
  const missing = ["unshare", "chroot", "dpkg-deb", "systemd-analyze", "systemd-sysusers", "setpriv", "python3"].filter(
    (name) => !(process.env["PATH"] ?? "").split(":").some((folder) => existsSync(`${folder}/${name}`)),
  );
  if (process.getuid?.() !== 0) missing.push("the rights of root");
  if (missing.length > 0) {
    process.stdout.write(
      `FAILED  the packages cannot be tested here without ${missing.join(", ")}\n0 passed, 1 failed\n`,
    );
    process.exitCode = 1;
  } else {
    // Mounts are seen by these processes only, and go with them.
    const own = ["--mount", "--propagation", "private", process.execPath, fileURLToPath(import.meta.url), INSIDE];
    process.exitCode = spawnSync("unshare", own, { stdio: "inherit" }).status ?? 1;
  }
}
