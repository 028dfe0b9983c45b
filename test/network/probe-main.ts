/**
 * Asks the system, from a host of the network test, what only a client or an upstream can say. `stated SYSTEM` ends when
 * all three upstreams have stated their licenses; `end SYSTEM` prints how the system is once nothing is in use, as JSON.
 */
import { connect } from "../../ts/client/connect.js";
import { loadSystem } from "../../ts/config/index.js";
import type { EndLine } from "../chaos/history.js";
import { eventually, queryUpstream } from "../chaos/system.js";

const WITHIN_MS = 60_000;

const [question = "", file = ""] = process.argv.slice(2);

async function stated(): Promise<boolean> {
  await using session = await connect({ system: file, program: "network test" });
  return await eventually(async () => {
    const items = await session.items();
    return items.length > 0 && items.every(({ holders }) => holders.length === 3);
  }, WITHIN_MS);
}

/** What is there after the deadline is printed too: whoever reads it says what is wrong with it. */
async function end(): Promise<Pick<EndLine, "items" | "upstreams">> {
  let items: EndLine["items"] = [];
  let upstreams: EndLine["upstreams"] = [];
  const session = await connect({ system: file, program: "network test" });
  await eventually(async () => {
    items = (await session.items()).map(({ firmCode, productCode, used, quantity }) => {
      return { license: `${firmCode}:${productCode}`, used, quantity };
    });
    return items.every(({ used }) => used === 0);
  }, WITHIN_MS);
  await session.close();
  await eventually(async () => {
    const statuses = await Promise.all(
      loadSystem(file).upstreams.map(({ address, key }) => queryUpstream(address, key)),
    );
    upstreams = statuses.map(({ id, position, digest, stateDigest }) => ({ id, position, digest, stateDigest }));
    return new Set(upstreams.map(({ stateDigest }) => stateDigest)).size === 1;
  }, WITHIN_MS);
  return { items, upstreams };
}

// The library's sockets do not keep a process alive.
const alive = setInterval(() => {}, 1_000);
if (question === "end") process.stdout.write(JSON.stringify(await end()));
else process.exitCode = (await stated()) ? 0 : 1;
clearInterval(alive);
