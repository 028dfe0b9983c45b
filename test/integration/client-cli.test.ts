import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadEngine } from "../../ts/engine/index.js";
import { FakeSeats } from "../support/fake-seats.js";
import { FakeTmrServer } from "../support/fake-tmr-server.js";

const main = fileURLToPath(new URL("../../ts/cli/main.js", import.meta.url));
const product = ["-p", "6000010:13"];

describe("tmr command against two small servers", () => {
  const keys = loadEngine().generateKeyPair();
  let dir: string;
  let seats: FakeSeats;
  let active: FakeTmrServer;
  let passive: FakeTmrServer;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "tmr-cli-"));
    seats = new FakeSeats(1);
    active = new FakeTmrServer(seats, keys.privateKey, "active");
    passive = new FakeTmrServer(seats, keys.privateKey, "passive");
    await Promise.all([active.start(), passive.start()]);
    writeFileSync(join(dir, "system.toml"), systemToml(active.address, passive.address, keys.publicKey));
  });

  afterEach(async () => {
    await Promise.all([active.kill(), passive.kill()]);
    rmSync(dir, { recursive: true });
  });

  function start(args: readonly string[], stdio: "pipe" | "ignore" = "ignore"): ChildProcess {
    const env = { ...process.env, TMR_SYSTEM: join(dir, "system.toml"), NO_COLOR: "1" };
    return spawn(process.execPath, [main, ...args], { env, stdio: [stdio, "pipe", "pipe"] });
  }

  async function ended(child: ChildProcess): Promise<{ code: number | null; out: string; err: string }> {
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => err.push(chunk));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
  }

  const tmr = (...args: string[]): Promise<{ code: number | null; out: string; err: string }> => ended(start(args));

  it("lists containers as a table and as JSON", async () => {
    const table = await tmr("list");
    assert.deepEqual([table.code, table.err], [0, ""]);
    assert.match(table.out, /^CONTAINER .*\n131-5 +virtual +2 +1 +0\n$/);
    const { code, out } = await tmr("list", "--json");
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(out), [{ container: "131-5", kind: "virtual", items: 2, sessions: 1, handles: 0 }]);
  });

  it("holds the license while the command runs, and ends with its exit code", async () => {
    const child = start(
      [
        "checkout",
        ...product,
        "--",
        process.execPath,
        "-e",
        "console.log('up'); process.stdin.on('data', (c) => process.exit(c[0]))",
      ],
      "pipe",
    );
    const running = once(child.stdout as NodeJS.ReadableStream, "data");
    const end = ended(child);
    await running;
    assert.equal(seats.taken.size, 1);
    child.stdin?.write(Buffer.of(42));
    assert.equal((await end).code, 42);
    assert.deepEqual([seats.taken.size, seats.sessions], [0, 0]);
  });

  it("passes signals on, and gives the license back", async () => {
    const program = "process.on('SIGTERM', () => process.exit(7)); console.log('up'); setInterval(() => {}, 1e6)";
    const child = start(["checkout", ...product, "--", process.execPath, "-e", program]);
    const end = ended(child);
    await once(child.stdout as NodeJS.ReadableStream, "data");
    child.kill("SIGTERM");
    assert.equal((await end).code, 7);
    assert.equal(seats.taken.size, 0);
  });

  it("ends as a shell would when the command is killed or cannot be run", async () => {
    assert.equal((await tmr("checkout", ...product, "sh", "-c", "kill -9 $$")).code, 128 + 9);
    const missing = await tmr("checkout", ...product, "--", "no-such-command-here");
    assert.deepEqual(
      [missing.code, missing.err],
      [127, "tmr: cannot run no-such-command-here: there is no such command\n"],
    );
    assert.equal(seats.taken.size, 0);
  });

  it("ends with 3 and the server's sentence when the license is refused, and does not run the command", async () => {
    seats.taken.set(99, "somebody else");
    const refused = await tmr("checkout", ...product, "--", "echo", "ran");
    assert.deepEqual(refused, { code: 3, out: "", err: "tmr: all 1 licenses are in use (no-free-license)\n" });
    const json = await tmr("checkout", ...product, "--json", "--", "echo", "ran");
    assert.deepEqual(JSON.parse(json.err), { refused: "no-free-license", text: "all 1 licenses are in use" });
  });

  it("shows the status of both servers, and ends with 1 when the system does not serve", async () => {
    const { code, out } = await tmr("status", "--json");
    assert.equal(code, 1, "the small servers have no upstreams");
    const status = JSON.parse(out) as { serving: boolean; servers: { status: { role: string } }[] };
    assert.deepEqual([status.serving, ...status.servers.map((one) => one.status.role)], [false, "active", "passive"]);
  });

  it("ends with 2 and the code of the error when no server is there", async () => {
    await Promise.all([active.kill(), passive.kill()]);
    const { code, err } = await tmr("list", "--timeout", "0.2");
    assert.equal(code, 2);
    assert.match(err, /^tmr: no server answered: .*ECONNREFUSED.* \(ERR_TMR_CONNECT\)\n$/);
    await Promise.all([active.start(), passive.start()]);
  });

  it("ends with 2 and a hint when used wrongly", async () => {
    for (const args of [["checkout"], ["checkout", "-p", "x", "true"], ["list", "--timeout", "-1"], ["nonsense"], []]) {
      const { code, err } = await tmr(...args);
      assert.equal(code, 2, args.join(" "));
      assert.match(err, /^(error|Usage): /, args.join(" "));
    }
    const help = await tmr("--help");
    assert.equal(help.code, 0);
    for (const name of [
      "list",
      "content",
      "network",
      "servers",
      "lmstat",
      "acl",
      "tour",
      "checkout",
      "status",
      "server",
      "central",
      "demo",
    ]) {
      assert.match(help.out, new RegExp(`^  ${name} `, "m"));
    }
  });

  it("ends with 2 and every fault when the system description is wrong", async () => {
    const { code, err } = await tmr("list", "--system", join(dir, "absent.toml"));
    assert.equal(code, 2);
    assert.match(err, /absent\.toml/);
    assert.match(err, /\(ERR_TMR_(FILE|CONFIG)\)\n$/);
  });
});

function systemToml(first: string, second: string, clientKey: Uint8Array): string {
  let seed = 0;
  const key = (bytes = 32): string => Buffer.alloc(bytes, ++seed).toString("base64url");
  const server = (name: string, clients: string): string =>
    `[[server]]\nname = "${name}"\nclients = "${clients}"\ntwin = "127.0.0.1:${++seed}"\nkey = "${key()}"\n`;
  const upstream = (id: number): string =>
    `[[upstream]]\nid = ${id}\nname = "upstream-${id}"\naddress = "127.0.0.1:${++seed}"\nkey = "${key()}"\nsigningKey = "${key()}"\n`;
  return [
    `name = "plant"\nid = "${key(16)}"\nvirtualContainer = "131-5"`,
    `clientKey = "${Buffer.from(clientKey).toString("base64url")}"`,
    server("tmr-a", first),
    server("tmr-b", second),
    ...[1, 2, 3].map(upstream),
  ].join("\n");
}
