/** Section 5: what two of three say. Only a TMR system plays these. */
import { verifyBorrow } from "../../borrow/verify.js";
import { connect } from "../../client/connect.js";
import { queryStatus } from "../../client/query-status.js";
import { FIRM_CODE } from "../demo/licenses.js";
import type { Plant } from "../demo/plant.js";
import type { ProcessDescription } from "../demo/processes.js";
import { Product, UNEQUAL_QUANTITY } from "./licenses.js";
import { freeText, type Rule, told } from "./rule.js";
import type { Scene } from "./scene.js";

function plantOf({ stage }: Scene): Plant {
  if (stage.plant === null) throw new Error("this rule is about a TMR system");
  return stage.plant;
}

function upstream(scene: Scene, id: 1 | 2 | 3): ProcessDescription {
  return plantOf(scene).upstreams[id - 1] as ProcessDescription;
}

/** True when the active server has this upstream in step again. */
async function inStep(scene: Scene, id: 1 | 2 | 3): Promise<true | null> {
  const { system } = plantOf(scene).system;
  const config = await scene.stage.activeConfig();
  const twin = plantOf(scene).servers.findIndex((server) => server.config === config) as 0 | 1;
  const { upstreams } = await queryStatus(system.servers[twin].clients, system.clientKey, 1_000);
  return upstreams[id - 1]?.state === "streaming" ? true : null;
}

export const votingRules: readonly Rule[] = [
  {
    section: 5,
    text: "three equal copies are one license, its quantity is the voted one, never the sum",
    expected: "2 of 3 free",
    run: async (scene) => freeText(await scene.access(Product.seats)),
  },
  {
    section: 5,
    text: "two equal copies win over a third, which is named",
    expected: `quantity ${UNEQUAL_QUANTITY}, held by 1 2, upstream 3 differs`,
    async run(scene) {
      const item = await scene.item(Product.unequal);
      return `quantity ${item?.quantity}, held by ${item?.holders.join(" ")}, upstream ${item?.odd} differs`;
    },
  },
  {
    section: 5,
    text: "with one copy a license is absent, with three different ones too",
    expected: "absent, absent, not-found",
    async run(scene) {
      const shown = [await scene.item(Product.lonely), await scene.item(Product.three)];
      const texts = shown.map((item) => (item === undefined ? "absent" : "shown"));
      return [...texts, await told(scene.access(Product.lonely))].join(", ");
    },
  },
  {
    section: 5,
    text: "a license that is local only belongs to one machine: three servers together serve it to nobody",
    expected: "access-list",
    run: (scene) => told(scene.access(Product.local)),
  },
  {
    section: 5,
    text: "one container alone is worthless: an upstream refuses its TMR licenses to clients",
    expected: "tmr-only",
    async run(scene) {
      const entry = plantOf(scene).system.system.upstreams[0];
      await using direct = await connect({ servers: [entry.address], serverKey: entry.key, requestTimeoutMs: 3_000 });
      // Before the session is closed, which is at the end of this block.
      return await told(direct.access({ firmCode: FIRM_CODE, productCode: Product.seats }));
    },
  },
  {
    section: 5,
    text: "losing an upstream and regaining it is invisible: no handle changes, no seat moves",
    expected: "0 of 1 free, same handle; 0 of 1 free, same handle",
    async run(scene) {
      const handle = await scene.access(Product.kept);
      const seen = async () => {
        const info = await handle.info();
        return `${freeText(info)}, ${handle.valid ? "same handle" : "lost"}`;
      };
      const { processes } = scene.stage;
      await processes.kill(upstream(scene, 3).name);
      const without = await seen();
      processes.start(upstream(scene, 3));
      return `${without}; ${await seen()}`;
    },
  },
  {
    section: 5,
    text: "any two upstreams sign what is borrowed: whichever is away the file counts",
    expected: "without 1 counts, without 2 counts, without 3 counts, then 0 taken, 1 free",
    async run(scene) {
      const { processes, firmKey } = scene.stage;
      const session = await scene.session();
      const outcomes: string[] = [];
      for (const id of [1, 2, 3] as const) {
        await processes.kill(upstream(scene, id).name);
        const file = scene.newFile();
        await session.borrow({ firmCode: FIRM_CODE, productCode: Product.lent, file });
        const outcome = await told(verifyBorrow(file, { firmKey }));
        outcomes.push(`without ${id} ${outcome === "granted" ? "counts" : outcome}`);
        await session.returnBorrow(file);
        processes.start(upstream(scene, id));
        await scene.eventually(() => inStep(scene, id));
      }
      return `${outcomes.join(", ")}, then ${await scene.useText(Product.lent)}`;
    },
  },
  {
    section: 5,
    text: "with one upstream there is no answer; with the second back everything is as it was",
    expected: "no-quorum, then 0 of 1 free",
    async run(scene) {
      const session = await scene.session();
      const handle = await scene.access(Product.kept, {}, session);
      const { processes } = scene.stage;
      for (const id of [2, 3] as const) await processes.kill(upstream(scene, id).name);
      // The twin that is asked in turn says not-active: until it is the active one's answer that comes last.
      const outcome = await scene.eventually(async () => {
        const reason = await told(scene.access(Product.seats, { timeoutMs: 2_000 }, session));
        return reason === "not-active" ? null : reason;
      });
      for (const id of [2, 3] as const) processes.start(upstream(scene, id));
      return `${outcome}, then ${freeText(await handle.info())}`;
    },
  },
  {
    section: 5,
    text: "the active TMR server is killed while programs take seats: each gets one, none twice, all are kept",
    expected: "20 taken, 0 free, 20 handles valid",
    async run(scene) {
      const session = await scene.session();
      const config = await scene.stage.activeConfig();
      const active = plantOf(scene).servers.find((server) => server.config === config) as ProcessDescription;
      const taking = Array.from({ length: 20 }, () => scene.access(Product.published, {}, session));
      await taking[0];
      await scene.stage.processes.kill(active.name);
      const handles = await Promise.all(taking);
      await handles[0]?.info();
      scene.stage.processes.start(active);
      const item = await scene.item(Product.published);
      const valid = handles.filter((handle) => handle.valid).length;
      return `${item?.used} taken, ${item?.free} free, ${valid} handles valid`;
    },
  },
  {
    section: 5,
    text: "the active TMR server is killed while units are taken one by one: each exactly once",
    expected: "50 answers, 950 of 1000 left",
    async run(scene) {
      const handle = await scene.access(Product.spent);
      const taking = Array.from({ length: 50 }, () => handle.consume(1));
      await taking[0];
      await scene.stage.restart();
      const answers = await Promise.all(taking);
      return `${answers.length} answers, ${(await handle.info()).units} of 1000 left`;
    },
  },
];
