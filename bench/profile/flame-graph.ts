/**
 * A flame graph as one SVG file without scripts: each box is a function, as wide as the share of samples in which it was
 * on the stack, above what called it. Hovering names it. Boxes of one place have one colour.
 */
import type { Folded, Frame } from "./stacks.js";

const WIDTH = 1400;
const ROW = 17;
const MARGIN = 10;
const HEADER = 64;
/** Narrower boxes cannot be seen. */
const MIN_WIDTH = 0.4;
const CHARACTER = 6.6;

const COLOURS: Readonly<Record<Frame["place"], string>> = {
  javascript: "#f2c14e",
  engine: "#e4572e",
  sqlite: "#7fb069",
  node: "#a7c5eb",
  library: "#c9bfe6",
  kernel: "#c8c8c8",
};
const LABELS: Readonly<Record<Frame["place"], string>> = {
  javascript: "JavaScript",
  engine: "engine",
  sqlite: "SQLite",
  node: "node, V8",
  library: "libraries",
  kernel: "kernel",
};

interface Node {
  readonly frame: Frame;
  samples: number;
  readonly children: Map<string, Node>;
}

/** Draws the stacks; `title` stands above them. */
export function flameGraphSvg(title: string, folded: readonly Folded[]): string {
  const root = treeOf(folded);
  const depth = depthOf(root);
  const height = HEADER + depth * ROW + MARGIN;
  const boxes: string[] = [];
  const perSample = (WIDTH - 2 * MARGIN) / Math.max(1, root.samples);
  const draw = (node: Node, x: number, level: number): void => {
    const width = node.samples * perSample;
    if (width < MIN_WIDTH) return;
    boxes.push(box(node, { x, y: height - MARGIN - (level + 1) * ROW, width }, root.samples));
    let left = x;
    for (const child of [...node.children.values()].sort((a, b) => a.frame.name.localeCompare(b.frame.name))) {
      draw(child, left, level + 1);
      left += child.samples * perSample;
    }
  };
  draw(root, MARGIN, 0);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="11">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="${MARGIN}" y="22" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    legend(),
    ...boxes,
    "</svg>\n",
  ].join("\n");
}

function treeOf(folded: readonly Folded[]): Node {
  const root: Node = { frame: { name: "all", place: "library" }, samples: 0, children: new Map() };
  for (const { stack, samples } of folded) {
    root.samples += samples;
    let node = root;
    for (const frame of stack) {
      let child = node.children.get(frame.name);
      if (child === undefined) {
        child = { frame, samples: 0, children: new Map() };
        node.children.set(frame.name, child);
      }
      child.samples += samples;
      node = child;
    }
  }
  return root;
}

function depthOf(node: Node): number {
  let deepest = 0;
  for (const child of node.children.values()) deepest = Math.max(deepest, depthOf(child));
  return deepest + 1;
}

function box(
  { frame, samples }: Node,
  { x, y, width }: { readonly x: number; readonly y: number; readonly width: number },
  all: number,
): string {
  const share = `${((100 * samples) / all).toFixed(1)} %`;
  const room = Math.floor((width - 6) / CHARACTER);
  const text = room < 3 ? "" : frame.name.length <= room ? frame.name : `${frame.name.slice(0, room - 1)}…`;
  return [
    `<g><title>${escaped(frame.name)} — ${share}, ${samples} samples</title>`,
    `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="${COLOURS[frame.place]}" rx="1"/>`,
    text === "" ? "" : `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escaped(text)}</text>`,
    "</g>",
  ].join("");
}

function legend(): string {
  return Object.entries(COLOURS)
    .map(([place, colour], i) => {
      const x = MARGIN + i * 110;
      const label = LABELS[place as Frame["place"]];
      return `<rect x="${x}" y="36" width="12" height="12" fill="${colour}"/><text x="${x + 17}" y="46">${label}</text>`;
    })
    .join("");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
