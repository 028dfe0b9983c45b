/** Throughput by number of clients as an SVG: one line per party, logarithmic, ours drawn thick. */

import { LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { PartyRounds, RunDocument } from "./document.js";
import { medianRound } from "./statistics.js";
import { groupOf } from "./table.js";

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const SIZE = { width: 1100, height: 545 };
/** Told apart also without colour vision (Okabe and Ito). */
const COLOURS = ["#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"];
const titles = { durable: "every answer on disk", volatile: "nothing waits for a disk" } as const;

/** Both kinds of persistence side by side. */
export function throughputChart(document: RunDocument): string {
  const loads = document.loads.filter(({ holdMs }) => holdMs === 0);
  const chart = init(null, null, { renderer: "svg", ssr: true, ...SIZE });
  const kinds = ["durable", "volatile"] as const;
  const axis = { nameLocation: "middle", nameGap: 30, splitLine: { show: true } } as const;
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: kinds.map((kind, i) => ({
      text: `Checkouts per second, ${titles[kind]}`,
      left: i === 0 ? "6%" : "55%",
      textStyle: { fontSize: 14 },
    })),
    grid: kinds.map((_, i) => ({ left: i === 0 ? "6%" : "55%", width: "42%", top: 40, bottom: 200 })),
    xAxis: kinds.map((_, gridIndex) => ({
      ...axis,
      type: "category",
      gridIndex,
      name: "clients",
      data: loads.map(({ clients }) => String(clients)),
    })),
    yAxis: kinds.map((_, gridIndex) => ({ type: "log", gridIndex })),
    legend: kinds.map((kind, i) => ({
      bottom: 0,
      left: i === 0 ? "6%" : "55%",
      orient: "vertical",
      data: groupOf(document, kind).map((party) => seriesName(party, kind)),
    })),
    series: kinds.flatMap((kind, i) =>
      groupOf(document, kind).map((party, n) => ({
        type: "line",
        name: seriesName(party, kind),
        xAxisIndex: i,
        yAxisIndex: i,
        symbolSize: 7,
        color: COLOURS[n % COLOURS.length],
        lineStyle: { width: party.ours ? 4 : 2 },
        data: loads.map((load) => value(party, load.name)),
      })),
    ),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}

/** HAProxy stands in both halves; a trailing space tells its two lines apart in the legends. */
function seriesName(party: PartyRounds, kind: keyof typeof titles): string {
  const name = party.name.replaceAll("*", "");
  return party.persistence === "none" && kind === "volatile" ? `${name} ` : name;
}

function value(party: PartyRounds, load: string): number | null {
  const rounds = party.rounds[load] ?? [];
  return rounds.length === 0 ? null : Math.round(medianRound(rounds).checkoutsPerSecond);
}
