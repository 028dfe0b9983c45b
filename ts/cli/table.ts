/** Tables with aligned columns. */
import { stripVTControlCharacters } from "node:util";
import { styled, type Terminal } from "./terminal.js";

export interface Column {
  readonly title: string;
  /** numbers are easier to compare when they end at one edge */
  readonly align?: "right";
}

const segmenter = new Intl.Segmenter();

function visibleLength(text: string): number {
  return [...segmenter.segment(stripVTControlCharacters(text))].length;
}

/** One line for the titles and one for each row; cells may be styled. Ends with a line break. */
export function tableText(
  terminal: Pick<Terminal, "colour">,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...rows.map((row) => visibleLength(row[i] ?? ""))),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, i) => {
        const cell = cells[i] ?? "";
        const space = " ".repeat((widths[i] ?? 0) - visibleLength(cell));
        return align === "right" ? space + cell : cell + space;
      })
      .join("  ")
      .trimEnd();
  const head = styled(terminal, "bold", line(columns.map(({ title }) => title)));
  return [head, ...rows.map(line)].map((text) => `${text}\n`).join("");
}

/** UTC to the second; "-" for no time at all. */
export function timeText(ms: number | undefined): string {
  return ms === undefined ? "-" : new Date(ms).toISOString().replace(/\.\d{3}Z$/, "Z");
}
