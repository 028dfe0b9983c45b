import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "../support/running-plant.js";
import { scratchFolder } from "../support/scratch.js";

const module = new URL("../../ts/failover/serving-file.js", import.meta.url).href;
/** A server that says every 20 ms that it may hold the address, and no more at the end of its input. */
const script = (file: string, silentMs: number) => `
  import { ServingFile } from ${JSON.stringify(module)};
  const serving = new ServingFile({ file: ${JSON.stringify(file)}, silentMs: ${silentMs}, ended: () => {} });
  const timer = setInterval(() => serving.say(true), 20);
  process.stdin.on("end", () => { clearInterval(timer); void serving.close(); }).resume();
`;

describe("the file that keepalived tracks", function () {
  this.timeout(60_000);
  const scratch = scratchFolder();
  let server: ChildProcess | null = null;

  afterEach(() => {
    server?.kill("SIGKILL");
  });

  async function serving(silentMs: number): Promise<{ server: ChildProcess; says: (what: string) => Promise<true> }> {
    const file = join(scratch(), "serving");
    const args = ["--input-type=module", "-e", script(file, silentMs)];
    server = spawn(process.execPath, args, {
      stdio: ["pipe", "ignore", "inherit"],
      cwd: fileURLToPath(new URL(".", import.meta.url)),
    });
    const says = (what: string): Promise<true> =>
      until(`${what} in the file`, async () =>
        (await readFile(file, "utf8")) ===
        `${what}
`
          ? true
          : null,
      );
    await says("0");
    return { server, says };
  }

  it("is bad after kill -9 of the server", async () => {
    // So long that only the end of the server can be what is noticed.
    const { server, says } = await serving(600_000);
    server.kill("SIGKILL");
    await says("1");
  });

  it("is bad while the server hangs, and good again when it goes on", async () => {
    const { server, says } = await serving(300);
    server.kill("SIGSTOP");
    await says("1");
    server.kill("SIGCONT");
    await says("0");
  });

  it("is bad when the server has stopped in order", async () => {
    const { server, says } = await serving(600_000);
    const ended = once(server, "exit");
    server.stdin?.end();
    assert.deepEqual(await ended, [0, null]);
    await says("1");
  });
});
