// Runs all tests: the native ones, then mocha over dist/test. Ends with one line that adds both, `N passed, N failed`.
//   node test/run.mjs [--debug] [anything that mocha takes, e.g. -g replica]
// --debug: the native tests and the engine of the debug build, with asserts.
import { spawn } from "node:child_process";
import { existsSync, globSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const debug = process.argv.includes("--debug");
const mochaArguments = process.argv.slice(2).filter((argument) => argument !== "--debug");
if (!mochaArguments.some((argument) => argument.endsWith(".js"))) mochaArguments.push("dist/test/**/*.test.js");
const buildFolder = join(root, "build", debug ? "Debug" : "Release");
/** A run that hangs is ended and counted as failed, so that nobody waits for it for ever. */
const NATIVE_LIMIT_MS = 10 * 60_000;
const MOCHA_LIMIT_MS = 60 * 60_000;
/** How long a finished mocha may take to exit: longer means that a test left a socket, timer or child open. */
const EXIT_LIMIT_MS = 20_000;

/** Runs a program to its end; resolves to its exit code, or to a reason in words why there is none. */
function runProgram(program, args, { limitMs, onMessage, onLine }) {
  return new Promise((resolve) => {
    let ended = false;
    const child = spawn(program, args, {
      cwd: root,
      stdio: ["ignore", onLine === undefined ? "inherit" : "pipe", "inherit", ...(onMessage ? ["ipc"] : [])],
      env: { ...process.env, ...(debug ? { TMR_ENGINE_BUILD: "Debug" } : {}) },
    });
    const finish = (outcome) => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      resolve(outcome);
    };
    const killAfter = (ms, reason) =>
      setTimeout(() => {
        child.kill("SIGKILL");
        finish(reason);
      }, ms);
    let timer = killAfter(limitMs, `did not end within ${limitMs / 60_000} minutes`);
    child.on("message", (message) => {
      onMessage(message);
      clearTimeout(timer);
      timer = killAfter(EXIT_LIMIT_MS, "tests ended but something they opened keeps the process alive");
    });
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk) => {
      process.stdout.write(chunk);
      text += chunk;
    });
    child.on("error", (error) => finish(error.message));
    child.on("close", (code, signal) => {
      onLine?.(text.trimEnd().split("\n").at(-1) ?? "");
      finish(code ?? `ended by ${signal}`);
    });
  });
}

/** Adds one failure when a program failed in a way that its own counts do not show. */
function withOutcome(name, counts, outcome) {
  if (counts === null || (counts.failed === 0 && outcome !== 0)) {
    console.log(`FAILED  ${name}: ${typeof outcome === "number" ? `exit code ${outcome}` : outcome}`);
    return { passed: counts?.passed ?? 0, failed: (counts?.failed ?? 0) + 1 };
  }
  return counts;
}

async function runNative() {
  const program = join(buildFolder, process.platform === "win32" ? "engine_test.exe" : "engine_test");
  if (!existsSync(program)) return withOutcome("native", null, `${program} is not there: run npm run build:native`);
  let counts = null;
  const outcome = await runProgram(program, [], {
    limitMs: NATIVE_LIMIT_MS,
    onLine: (last) => {
      const match = /(\d+) passed, (\d+) failed$/.exec(last);
      if (match !== null) counts = { passed: Number(match[1]), failed: Number(match[2]) };
    },
  });
  return withOutcome("native", counts, outcome);
}

/** The compiler leaves the output of a test file that is gone; it must not run any more. */
function removeStaleTests() {
  for (const path of globSync("dist/test/**/*.test.js", { cwd: root })) {
    const source = join(root, path.replace(/^dist./, "").replace(/js$/, "ts"));
    if (!existsSync(source)) rmSync(join(root, path));
  }
}

async function runMocha() {
  removeStaleTests();
  let counts = null;
  const outcome = await runProgram(
    process.execPath,
    [join(root, "node_modules/mocha/bin/mocha.js"), ...mochaArguments],
    {
      limitMs: MOCHA_LIMIT_MS,
      onMessage: (message) => {
        counts = message;
      },
    },
  );
  return withOutcome("mocha", counts, outcome);
}

const native = await runNative();
const typescript = await runMocha();
const failed = native.failed + typescript.failed;
console.log(`${native.passed + typescript.passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
