/**
 * What the TMR system attests of the series of its servers: the chain behind so many lines. Each server writes down what it
 * hears when it begins; a running system can be asked.
 */
import { fileName, linesOf, noChain, openLine, parseObject, seriesName } from "./lines.js";
import type { SeriesFiles } from "./read-series.js";

/** By the name of the series: chains (base64url) by the lines before them. */
export type Attestations = ReadonlyMap<string, ReadonlyMap<number, string>>;

class Collected extends Map<string, Map<number, string>> {
  note(firm: number, server: unknown, lines: unknown, chain: unknown): void {
    if (typeof server !== "string" || typeof lines !== "number" || typeof chain !== "string") return;
    const about = seriesName(firm, server);
    this.set(about, (this.get(about) ?? new Map<number, string>()).set(lines, chain));
  }
}

/** What is written in the files. */
export function attestationsIn(series: readonly SeriesFiles[]): Attestations {
  const found = new Collected();
  for (const { reader, name, files } of series) {
    for (const file of files) {
      const bytes = reader.read(fileName(name, file));
      if (!bytes.includes('"event":"attested"')) continue;
      for (const line of linesOf(bytes)) {
        const { event, server, lines, of } = openLine(noChain, line)?.members ?? {};
        if (event === "attested") found.note(Number(name.split(".")[0]), server, lines, of);
      }
    }
  }
  return found;
}

/** What a running system said of all series, one JSON object per line. */
export function attestationsOf(told: string): Attestations {
  const found = new Collected();
  for (const line of told.split("\n")) {
    const { firm, heads } = parseObject(line) ?? {};
    if (typeof firm !== "number" || !Array.isArray(heads)) continue;
    for (const { writer, lines, chain } of heads as Record<string, unknown>[]) found.note(firm, writer, lines, chain);
  }
  return found;
}

/** Both. */
export function joined(a: Attestations, b: Attestations): Attestations {
  const names = new Set([...a.keys(), ...b.keys()]);
  return new Map([...names].map((name) => [name, new Map([...(a.get(name) ?? []), ...(b.get(name) ?? [])])]));
}
