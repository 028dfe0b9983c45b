/** The text scenarios of the repository: which there are, and how each is acted out. Tests run from the root. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LeaderStage } from "./scenario-leader.js";
import { ReplicaStage } from "./scenario-replica.js";
import { actOut, type Stage } from "./scenario-text.js";
import { TwinsStage } from "./scenario-twins.js";

const FOLDER = "test/scenarios";

export const scenarioKinds = ["leader", "replica", "twin"] as const;
export type ScenarioKind = (typeof scenarioKinds)[number];

function stageOf(kind: ScenarioKind): Stage {
  switch (kind) {
    case "leader":
      return new LeaderStage();
    case "replica":
      return new ReplicaStage();
    case "twin":
      return new TwinsStage();
    default:
      return kind satisfies never;
  }
}

/** Paths of the stories of one kind. */
export function scenariosOf(kind: ScenarioKind): string[] {
  const names = readdirSync(join(FOLDER, kind)).filter((name) => name.endsWith(".txt"));
  return names.sort().map((name) => `${FOLDER}/${kind}/${name}`);
}

/** A story as it is written, and as it comes out when it is acted out now. */
export function played(kind: ScenarioKind, path: string): { readonly written: string; readonly actual: string } {
  const written = readFileSync(path, "utf8");
  return { written, actual: actOut(written, stageOf(kind)) };
}

/** Writes down how a story comes out now. */
export function rewrite(path: string, actual: string): void {
  writeFileSync(path, actual);
}
