// Builds the addon and the native test programs with the headers of the Node that runs this script,
// so that no header is downloaded and the OpenSSL headers match the library inside that Node.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** The folder that holds include/node for the running Node: beside its binary, or in the pinned npm package. */
function findNodeDir() {
  const platformPackage = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const candidates = [
    join(dirname(dirname(process.execPath)), "node_modules", platformPackage),
    dirname(dirname(process.execPath)),
  ];
  return candidates.find((dir) => existsSync(join(dir, "include", "node", "node_api.h")));
}

const nodeDir = findNodeDir();
const args = [require.resolve("node-gyp/bin/node-gyp.js"), "--directory", root];
const debug = process.argv.includes("--debug");
const gypVariables = process.argv.filter((argument) => argument.startsWith("-D"));
// Without headers on disk node-gyp downloads them; that is its usual way where a network is at hand.
if (nodeDir !== undefined) args.push("--nodedir", nodeDir);
args.push(debug ? "--debug" : "--release");

function run(command, extra = []) {
  const result = spawnSync(process.execPath, [...args, command, ...extra], {
    stdio: ["ignore", process.env.TMR_BUILD_VERBOSE ? "inherit" : "pipe", "pipe"],
    env: {
      ...process.env,
      // binding.gyp runs `node` to list the sources: this one, whatever else is installed.
      PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ""}`,
      npm_config_loglevel: "error",
      MAKEFLAGS: process.env.MAKEFLAGS ?? "-s",
    },
  });
  if (result.status !== 0) {
    process.stderr.write(result.stdout ?? "");
    process.stderr.write(result.stderr ?? "");
    process.stderr.write(`node-gyp ${command} failed\n`);
    process.exit(result.status ?? 1);
  }
}

run("configure", gypVariables.length > 0 ? ["--", ...gypVariables] : []);
run("build", ["-j", "2"]);
