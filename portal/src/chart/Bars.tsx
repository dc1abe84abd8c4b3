/** Bars over time, with the sum up to each as a line. */
import { linear, months, ticks } from "./axis";
import { useWidth } from "./width";

export interface Bar {
  /** Beginning, in milliseconds. */
  from: number;
  until: number;
  count: number;
  name: string;
}

const HEIGHT_PX = 170;
const LEFT_PX = 44;
const RIGHT_PX = 52;
const TOP_PX = 10;
const AXIS_PX = 20;
const MONTH_PX = 54;
/** Space for the names of the first and the last bar, where no month begins. */
const NAME_PX = 70;

export function Bars({ bars, label, countAxis, sumAxis }: { bars: Bar[]; label: string; countAxis: string; sumAxis: string }) {
  const [box, width] = useWidth();
  const first = bars[0];
  if (!first) return null;
  const right = Math.max(width - RIGHT_PX, LEFT_PX + 1);
  const bottom = HEIGHT_PX - AXIS_PX;
  const x = linear([first.from, bars[bars.length - 1]!.until], [LEFT_PX, right]);
  const total = bars.reduce((sum, { count }) => sum + count, 0);
  const y = linear([0, Math.max(...bars.map(({ count }) => count)) * 1.05], [bottom, TOP_PX]);
  const ySum = linear([0, total * 1.05], [bottom, TOP_PX]);
  let sum = 0;
  const curve = bars.flatMap(({ from, until, count }) => {
    const before = `${x(from).toFixed(1)},${ySum(sum).toFixed(1)}`;
    sum += count;
    return [before, `${x(until).toFixed(1)},${ySum(sum).toFixed(1)}`];
  });
  const begun = width > 0 ? months(x.domain, Math.max(2, Math.floor(width / MONTH_PX))) : [];
  const ends = [first, ...bars.slice(-1)].filter((bar, index) => index === 0 || x(bar.from) - x(first.from) > NAME_PX);
  const names = begun.length > 0 ? begun : ends.map(({ from: at, name }) => ({ at, name }));
  return (
    <div class="chart" ref={box}>
      <svg width={width} height={HEIGHT_PX} role="img" aria-label={label}>
        {ticks(y.domain, 4).map((tick) => (
          <g key={tick} class="axis">
            <line x1={LEFT_PX} x2={right} y1={y(tick)} y2={y(tick)} />
            <text x={LEFT_PX - 5} y={y(tick) + 3} text-anchor="end">{tick}</text>
          </g>
        ))}
        {ticks(ySum.domain, 4).map((tick) => (
          <text key={tick} class="axis-sum" x={right + 5} y={ySum(tick) + 3}>{tick}</text>
        ))}
        {bars.map((bar) => (
          <rect key={bar.name} class="bar" x={x(bar.from) + 0.5} width={Math.max(x(bar.until) - x(bar.from) - 1, 1)} y={y(bar.count)} height={bottom - y(bar.count)}>
            <title>{`${bar.name}: ${bar.count}`}</title>
          </rect>
        ))}
        <polyline class="sum" points={curve.join(" ")} />
        <g class="axis">
          {names.map(({ at, name }) => <text key={at} x={x(at)} y={HEIGHT_PX - 6}>{name}</text>)}
        </g>
      </svg>
      <p class="key"><span class="mark bar" /> {countAxis} <span class="mark sum" /> {sumAxis}</p>
    </div>
  );
}
