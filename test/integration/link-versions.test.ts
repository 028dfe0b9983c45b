import assert from "node:assert/strict";
import pino from "pino";
import type { RunningServer } from "../../ts/tmr/running-server.js";
import { runServer } from "../../ts/tmr/server.js";
import type { RunningUpstream } from "../../ts/upstream/server.js";
import { helloOf, readHello, silentVersions, type Versions, versionsOf } from "../../ts/wire/hello.js";
import { encodeLink } from "../../ts/wire/link.js";
import { engine, present } from "../support/native-engine.js";
import { until } from "../support/running-plant.js";
import { scratchFolder } from "../support/scratch.js";
import { Peer, UpstreamFolder } from "../support/upstream-kit.js";

const later: Versions = { protocol: { min: 3, max: 4 }, rules: { min: 1, max: 1 }, release: "9.0.0" };

describe("servers of different releases", function () {
  this.timeout(60_000);
  const scratch = scratchFolder();
  let folder: UpstreamFolder;
  const running: { stop(): Promise<void> }[] = [];

  beforeEach(async () => {
    folder = await UpstreamFolder.make(scratch());
  });
  afterEach(async () => {
    for (const server of running.splice(0)) await server.stop();
  });

  async function upstreamOf(versions: Versions): Promise<RunningUpstream> {
    const upstream = await folder.run(folder.config, pino({ level: "silent" }), { versions });
    running.push(upstream);
    return upstream;
  }

  function linkTo(upstream: RunningUpstream): Promise<Peer> {
    return Peer.dial(upstream.address, folder.config.system.upstreams[0].key, folder.server(0).keys.noise);
  }

  /** A TMR server whose upstream 1 is at this address. */
  async function serverFor(upstream: RunningUpstream): Promise<RunningServer> {
    const config = folder.server(0);
    const [first, second, third] = config.system.upstreams;
    const system = { ...config.system, upstreams: [{ ...first, address: upstream.address }, second, third] as const };
    const server = await runServer(
      { ...config, system, listen: "127.0.0.1:0", twinListen: "127.0.0.1:0" },
      {
        engine,
        log: pino({ level: "silent" }),
        version: "0.0.0-test",
        readStatement: () => null,
        checkAttestation: () => Promise.resolve(false),
        fatal: (error) => {
          throw error;
        },
      },
    );
    running.push(server);
    return server;
  }

  function spokenWith(server: RunningServer): Promise<number> {
    return until("a greeting", async () => {
      const spoken = server.status().upstreams[0]?.protocol ?? 0;
      return spoken === 0 ? null : spoken;
    });
  }

  it("say hello to each other and speak the highest version that both know", async () => {
    const server = await serverFor(await upstreamOf(versionsOf("0.0.0-test")));
    assert.equal(await spokenWith(server), 2);
  });

  it("an upstream answers a hello with its own, and takes a TMR server of a release without it", async () => {
    const upstream = await upstreamOf(versionsOf("0.0.0-test"));
    const spoken = await linkTo(upstream);
    spoken.send(helloOf(later));
    assert.deepEqual(present(readHello(await spoken.next())).protocol, { min: 1, max: 2 });
    const silent = await linkTo(upstream);
    assert.equal((await silent.expect({ type: "ping", epoch: 0 }, "pong")).blank, 1);
  });

  it("an upstream says its versions to one that it cannot talk to, and takes nothing else from it", async () => {
    const upstream = await upstreamOf(later);
    const peer = await linkTo(upstream);
    peer.send(encodeLink({ type: "ping", epoch: 0 }));
    assert.deepEqual(readHello(await peer.next()), later);
    assert.deepEqual(upstream.status().links, []);
    peer.close();
  });

  it("a TMR server shows both ranges in its status when it cannot talk to an upstream", async () => {
    const server = await serverFor(await upstreamOf(later));
    const fault = await until("the refusal", async () => {
      const { lastFault = "" } = server.status().upstreams[0] ?? {};
      return lastFault.includes("no common version") ? lastFault : null;
    });
    assert.match(fault, /it knows 3 to 4 \(release "9\.0\.0"\), this server 1 to 2 \(release "0\.0\.0-test"\)/);
    assert.equal(server.status().upstreams[0]?.connected, false);
  });

  it("speak the older version where one of them knows no other", async () => {
    const server = await serverFor(await upstreamOf(silentVersions));
    assert.equal(await spokenWith(server), 1);
  });
});
