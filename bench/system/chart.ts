/** The chart: checkouts per second and latency by clients, as an SVG file (docs/decisions says why by echarts). */
import { init } from "echarts";

export interface Series {
  /** e.g. "durable" */
  readonly name: string;
  readonly points: readonly {
    readonly clients: number;
    readonly checkoutsPerSecond: number;
    readonly p50: number;
    readonly p99: number;
  }[];
}

const WIDTH = 960;
const HEIGHT = 420;
const COLOURS = ["#1f6f8b", "#c8553d", "#6a994e", "#7b2d8b"] as const;

/** Throughput on the left, p50 and p99 of one checkout on the right; one colour per series. */
export function chartSvg(title: string, subtitle: string, series: readonly Series[]): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: HEIGHT });
  const clients = [...new Set(series.flatMap(({ points }) => points.map((point) => String(point.clients))))];
  const axis = (gridIndex: number) => ({
    type: "category" as const,
    gridIndex,
    data: clients,
    name: "clients",
    nameLocation: "middle" as const,
    nameGap: 28,
  });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    color: [...COLOURS],
    title: { text: title, subtext: subtitle, left: 12, top: 6, textStyle: { fontSize: 15 } },
    legend: { top: 58, left: 12, itemGap: 18 },
    grid: [
      { left: 70, width: 370, top: 120, bottom: 50 },
      { left: 550, width: 370, top: 120, bottom: 50 },
    ],
    xAxis: [axis(0), axis(1)],
    yAxis: [
      { type: "value", gridIndex: 0, name: "checkouts per second" },
      { type: "log", gridIndex: 1, name: "ms per checkout" },
    ],
    series: series.flatMap(({ name, points }, i) => {
      const colour = COLOURS[i % COLOURS.length] as string;
      const at = (value: (point: Series["points"][number]) => number) =>
        clients.map((count) => {
          const point = points.find((each) => String(each.clients) === count);
          return point === undefined ? null : Number(value(point).toPrecision(4));
        });
      return [
        {
          name,
          type: "bar" as const,
          xAxisIndex: 0,
          yAxisIndex: 0,
          itemStyle: { color: colour },
          label: {
            show: true,
            position: "top" as const,
            formatter: ({ value }: { readonly value?: unknown }) => Math.round(Number(value)).toLocaleString("en"),
          },
          data: at((point) => point.checkoutsPerSecond),
        },
        line(
          `${name}, p50`,
          colour,
          "solid",
          at((point) => point.p50),
        ),
        line(
          `${name}, p99`,
          colour,
          "dashed",
          at((point) => point.p99),
        ),
      ];
    }),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

function line(name: string, color: string, type: "solid" | "dashed", data: readonly (number | null)[]) {
  return {
    name,
    type: "line" as const,
    xAxisIndex: 1,
    yAxisIndex: 1,
    lineStyle: { color, type },
    itemStyle: { color },
    data: [...data],
  };
}
