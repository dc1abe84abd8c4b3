/** The season of a parcel: panels over one axis of time; arrows go from date to date. */
import { useMemo, useState } from "preact/hooks";
import { extent, linear, months, ticks } from "../chart/axis";
import { placeNames } from "../chart/legend";
import { useWidth } from "../chart/width";
import { texts } from "../texts";
import type { Spread } from "./peers";
import { CLEAR_MIN, type Line, type Panel } from "./season";

const HEIGHT_PX = 132;
const LEFT_PX = 40;
const RIGHT_PX = 8;
const TOP_PX = 18;
/** Height of a row of names. */
const ROW_PX = 14;
const AXIS_PX = 20;
/** Space for the name of a month. */
const MONTH_PX = 54;
/** Series colours that style.css has. */
const COLOURS = 6;

interface Props {
  panels: Panel[];
  spread?: Spread[];
  /** The chosen date, as `YYYY-MM-DD`. */
  chosen: string | null;
  choose: (day: string) => void;
}

export function SeasonChart({ panels, spread, chosen, choose }: Props) {
  const [box, width] = useWidth();
  const [hovered, setHovered] = useState<string>();
  const points = useMemo(() => panels.flatMap(({ lines }) => lines.flatMap((line) => line.points)), [panels]);
  // One date a day: the platforms that passed on it are read together.
  const dates = useMemo(() => [...new Map(points.map(({ at }) => [dayOf(at), at]))].sort(([a], [b]) => (a < b ? -1 : 1)), [points]);
  const x = linear(extent(points.map(({ at }) => at), 0.01), [LEFT_PX, Math.max(width - RIGHT_PX, LEFT_PX + 1)]);
  const height = panels.length * HEIGHT_PX + AXIS_PX;
  const shown = dates.find(([day]) => day === (hovered ?? chosen));
  const nearest = (px: number) => dates.reduce<[string, number] | undefined>((best, date) => (best && Math.abs(x(best[1]) - px) <= Math.abs(x(date[1]) - px) ? best : date), undefined)?.[0];
  const step = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0 || dates.length === 0) return;
    event.preventDefault();
    const from = shown ? dates.indexOf(shown) : by > 0 ? -1 : dates.length;
    const [next] = dates[Math.min(Math.max(from + by, 0), dates.length - 1)]!;
    setHovered(undefined);
    choose(next);
  };
  const pixel = (event: MouseEvent) => event.clientX - (event.currentTarget as SVGElement).getBoundingClientRect().left;
  return (
    <div class="chart" ref={box}>
      <svg
        width={width}
        height={height}
        role="application"
        // The spelling of SVG, which minds the case.
        tabindex={0}
        aria-label={texts.parcels.chart(panels.map(({ title }) => title).join(", "), dates.length)}
        onMouseMove={(event) => setHovered(nearest(pixel(event)))}
        onMouseLeave={() => setHovered(undefined)}
        onClick={(event) => {
          const hit = nearest(pixel(event));
          if (hit) choose(hit);
        }}
        onKeyDown={step}
      >
        {width > 0 &&
          panels.map((panel, index) => (
            <g key={panel.title} transform={`translate(0 ${index * HEIGHT_PX})`}>
              <PanelMarks panel={panel} x={x} right={width - RIGHT_PX} spread={panel.lines.some((line) => line.isOptical) ? spread : undefined} day={shown?.[0]} />
            </g>
          ))}
        <g class="axis" transform={`translate(0 ${panels.length * HEIGHT_PX})`}>
          {months(x.domain, Math.max(2, Math.floor(width / MONTH_PX))).map(({ at: month, name }) => (
            <text key={month} x={x(month)} y={14} text-anchor={x(month) > width - MONTH_PX / 2 ? "end" : "start"}>{name}</text>
          ))}
        </g>
        {shown && <line class="cursor" x1={x(shown[1])} x2={x(shown[1])} y1={TOP_PX} y2={height - AXIS_PX} />}
      </svg>
      <p class="readout" aria-live="polite">{shown ? readout(panels, shown[0]) : texts.parcels.chartHint}</p>
    </div>
  );
}

function PanelMarks({ panel, x, right, spread, day }: { panel: Panel; x: ReturnType<typeof linear>; right: number; spread?: Spread[]; day?: string }) {
  const title = panel.unit ? `${panel.title} (${panel.unit})` : panel.title;
  // A line by itself needs no name beside the title.
  const names = panel.lines.length > 1 ? placeNames(title, panel.lines.map(({ name }) => name), right - LEFT_PX) : [];
  const top = TOP_PX + Math.max(0, ...names.map(({ row }) => row)) * ROW_PX;
  const values = panel.lines.flatMap(({ points }) => points.map(({ value }) => value));
  const y = linear(extent([...values, ...(spread ?? []).flatMap(({ low, high }) => [low, high])], 0.06), [HEIGHT_PX - 6, top]);
  const band = spread && [...spread.map(({ at: date, high }) => [x(date), y(high)]), ...[...spread].reverse().map(({ at: date, low }) => [x(date), y(low)])];
  return (
    <>
      {panel.gaps.map(({ from, to }) => (
        <rect key={from} class="gap" x={x(from)} width={x(to) - x(from)} y={top} height={HEIGHT_PX - top - 6}>
          <title>{texts.parcels.gap(Math.round((to - from) / 86_400_000))}</title>
        </rect>
      ))}
      {ticks(y.domain, 4).map((tick) => (
        <g key={tick} class="axis">
          <line x1={LEFT_PX} x2={right} y1={y(tick)} y2={y(tick)} />
          <text x={LEFT_PX - 5} y={y(tick) + 3} text-anchor="end">{tick}</text>
        </g>
      ))}
      {band && band.length > 2 && <polygon class="spread" points={band.map((position) => position.join()).join(" ")} />}
      {panel.lines.map((line, index) => (
        <LineMarks key={line.name} line={line} colour={index % COLOURS} x={x} y={y} day={day} />
      ))}
      <text class="panel-title" x={LEFT_PX} y={11}>
        {title}
        {names.map(({ index, left, row }) => (
          <tspan key={index} class={`text-${index % COLOURS}`} x={LEFT_PX + left} y={11 + row * ROW_PX}>● {panel.lines[index]!.name}</tspan>
        ))}
      </text>
    </>
  );
}

function LineMarks({ line, colour, x, y, day }: { line: Line; colour: number; x: (value: number) => number; y: (value: number) => number; day?: string }) {
  const clear = line.points.filter((point) => point.clear >= CLEAR_MIN);
  return (
    <g class={`line-${colour}`}>
      <polyline points={clear.map((point) => `${x(point.at).toFixed(1)},${y(point.value).toFixed(1)}`).join(" ")} />
      {line.points.map((point) => (
        <circle key={point.item + point.at} class={point.clear >= CLEAR_MIN ? "seen" : "cloudy"} cx={x(point.at)} cy={y(point.value)} r={dayOf(point.at) === day ? 5 : 2.5} />
      ))}
    </g>
  );
}

function readout(panels: Panel[], day: string): string {
  const said = panels.flatMap(({ lines, unit }) =>
    lines.flatMap((line) => {
      const point = line.points.find(({ at }) => dayOf(at) === day);
      if (!point) return [];
      const seen = line.isOptical ? ` (${texts.parcels.clear(point.clear)})` : "";
      return `${line.name} ${point.value.toFixed(unit === "dB" ? 1 : 3)}${unit && ` ${unit}`}${seen}`;
    }),
  );
  return `${day} · ${said.join(" · ")}`;
}

function dayOf(instant: number): string {
  return new Date(instant).toISOString().slice(0, 10);
}
