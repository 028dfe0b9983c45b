/** Section 6: who may have a license, whom seats are kept for, and how many at most. */
import { proposeOn } from "../admin.js";
import { FIRM_CODE } from "../demo/licenses.js";
import { Product } from "./licenses.js";
import { type Rule, told, toldAll } from "./rule.js";
import type { Scene } from "./scene.js";

interface Listed {
  readonly level: "global" | "container" | "firm" | "product";
  readonly kind: "host" | "subnet" | "user" | "group" | "default";
  readonly value?: string;
  readonly effect: "allow" | "deny";
  readonly firmCode?: number;
  readonly productCode?: number;
  readonly reserved?: number;
  readonly limit?: number;
}

const atFirm = { level: "firm", firmCode: FIRM_CODE } as const;
const atProduct = { level: "product", firmCode: FIRM_CODE, productCode: Product.listed } as const;

async function setList(scene: Scene, rules: readonly Listed[], groups: Record<string, string[]> = {}): Promise<void> {
  const document = { format: "tmr-access-list/1", groups, rules };
  const blob = Buffer.from(JSON.stringify(document)).toString("base64url");
  await proposeOn(await scene.stage.activeConfig(), { kind: "setAccessList", blob });
}

/** Plays with a list, and sets the empty one behind it: the next rule finds everybody allowed. */
async function withList<T>(
  scene: Scene,
  rules: readonly Listed[],
  play: () => Promise<T>,
  groups: Record<string, string[]> = {},
): Promise<T> {
  await setList(scene, rules, groups);
  try {
    return await play();
  } finally {
    await setList(scene, []);
  }
}

/** What these users are told who ask for one seat each, and keep it. */
async function usersTold(scene: Scene, users: readonly string[], product: number = Product.listed): Promise<string> {
  const askings: Promise<unknown>[] = [];
  for (const user of users) {
    const session = await scene.session({ user, host: `pc-of-${user}` });
    const asking = scene.access(product, {}, session);
    await told(asking);
    askings.push(asking);
  }
  return toldAll(askings);
}

async function seatsText(scene: Scene): Promise<string> {
  const item = await scene.item(Product.listed);
  return `${item?.used} in use, ${item?.reserved} reserved, ${item?.free} free`;
}

export const accessListRules: readonly Rule[] = [
  {
    section: 6,
    text: "an empty list allows everybody",
    expected: "granted ×2",
    run: (scene) => usersTold(scene, ["anna", "ben"]),
  },
  {
    section: 6,
    text: "a user is denied, all others fit nothing and are allowed",
    expected: "access-list, granted",
    run: (scene) =>
      withList(scene, [{ ...atFirm, kind: "user", value: "anna", effect: "deny" }], () =>
        usersTold(scene, ["anna", "ben"]),
      ),
  },
  {
    section: 6,
    text: "the first rule that fits decides: anna is allowed before her group is denied",
    expected: "granted, access-list",
    run: (scene) =>
      withList(
        scene,
        [
          { ...atFirm, kind: "user", value: "anna", effect: "allow" },
          { ...atFirm, kind: "group", value: "design", effect: "deny" },
        ],
        () => usersTold(scene, ["anna", "ben"]),
        { design: ["anna", "ben"] },
      ),
  },
  {
    section: 6,
    text: "Product Code before Firm Code before global: each more specific level wins",
    expected: "granted, access-list",
    run: (scene) =>
      withList(
        scene,
        [
          { level: "global", kind: "user", value: "anna", effect: "allow" },
          { ...atFirm, kind: "user", value: "anna", effect: "deny" },
          { ...atProduct, kind: "user", value: "anna", effect: "allow" },
        ],
        async () => {
          const outcome = await usersTold(scene, ["anna"]);
          return `${outcome}, ${await usersTold(scene, ["anna"], Product.seats)}`;
        },
      ),
  },
  {
    section: 6,
    text: "by host and by subnet, the address as the server sees it",
    expected: "access-list; access-list",
    async run(scene) {
      const byHost = await withList(scene, [{ ...atFirm, kind: "host", value: "PC-of-anna", effect: "deny" }], () =>
        usersTold(scene, ["anna"]),
      );
      const bySubnet = await withList(
        scene,
        [{ ...atFirm, kind: "subnet", value: "127.0.0.0/8", effect: "deny" }],
        () => usersTold(scene, ["anna"]),
      );
      return `${byHost}; ${bySubnet}`;
    },
  },
  {
    section: 6,
    text: "Reserved 2 of 3: taken for everyone else, and shown as reserved, not in use",
    expected: "0 in use, 2 reserved, 1 free; granted, no-free-license, granted ×2",
    run: (scene) =>
      withList(
        scene,
        [{ ...atProduct, kind: "group", value: "design", effect: "allow", reserved: 2 }],
        async () => {
          const before = await seatsText(scene);
          return `${before}; ${await usersTold(scene, ["carl", "dora", "anna", "ben"])}`;
        },
        { design: ["anna", "ben"] },
      ),
  },
  {
    section: 6,
    text: "Limit 1: whom the rule decides about may take one together",
    expected: "granted, access-list, granted",
    run: (scene) =>
      withList(
        scene,
        [{ ...atProduct, kind: "group", value: "design", effect: "allow", limit: 1 }],
        () => usersTold(scene, ["anna", "ben", "carl"]),
        { design: ["anna", "ben"] },
      ),
  },
  {
    section: 6,
    text: "a wrong rule rejects the whole list, names the place, and changes nothing",
    expected: "rules[1].effect named, access-list",
    run: (scene) =>
      withList(scene, [{ ...atFirm, kind: "user", value: "anna", effect: "deny" }], async () => {
        const wrong = { ...atFirm, kind: "user", value: "ben", effect: "perhaps" } as unknown as Listed;
        const good: Listed = { ...atFirm, kind: "user", value: "carl", effect: "allow" };
        const message = await setList(scene, [good, wrong]).then(
          () => "accepted",
          (error: unknown) => (error instanceof Error ? error.message : String(error)),
        );
        const place = message.includes("rules[1].effect") ? "rules[1].effect named" : message;
        return `${place}, ${await usersTold(scene, ["anna"])}`;
      }),
  },
];
