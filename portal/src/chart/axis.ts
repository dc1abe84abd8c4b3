/** Scales and ticks of the charts. */

export interface Scale {
  (value: number): number;
  domain: [number, number];
}

const DAY_MS = 86_400_000;

export function linear(domain: [number, number], range: [number, number]): Scale {
  const width = domain[1] - domain[0] || 1;
  const scale = (value: number) => range[0] + ((value - domain[0]) / width) * (range[1] - range[0]);
  return Object.assign(scale, { domain });
}

/** Round values within a domain, about `count` of them. */
export function ticks([low, high]: [number, number], count: number): number[] {
  const rough = Math.max((high - low) / count, 1e-12);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.min(last - first + 1, 50) }, (_, index) => Number(((first + index) * step).toPrecision(10)));
}

/**
 * Beginnings of months (UTC) within a domain of milliseconds; thinned so that at most `most` are left. The first says the year, and January.
 */
export function months([low, high]: [number, number], most: number): { at: number; name: string }[] {
  const start = new Date(low);
  const all = [];
  for (let month = start.getUTCMonth(); all.length < 1200; month += 1) {
    const at = Date.UTC(start.getUTCFullYear(), month, 1);
    if (at > high) break;
    if (at >= low) all.push(at);
  }
  const step = [1, 2, 3, 6, 12, 24, 60].find((count) => all.length / count <= most) ?? 120;
  const isKept = (at: number) => (new Date(at).getUTCFullYear() * 12 + new Date(at).getUTCMonth()) % step === 0;
  return all.filter(isKept).map((at, index) => ({ at, name: monthName(at, index === 0) }));
}

function monthName(at: number, isFirst: boolean): string {
  const date = new Date(at);
  const year = String(date.getUTCFullYear());
  if (date.getUTCMonth() === 0) return year;
  const name = date.toLocaleString("en", { month: "short", timeZone: "UTC" });
  return isFirst ? `${name} ${year}` : name;
}

export const days = (from: number, to: number) => (to - from) / DAY_MS;

/** Smallest and largest of values, widened by a share of the difference. */
export function extent(values: number[], margin: number): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (low > high) return [0, 1];
  const wide = (high - low || Math.abs(high) || 1) * margin;
  return [low - wide, high + wide];
}
