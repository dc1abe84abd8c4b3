/** What the System page counts: pure functions over answers of the catalogue. */
import type { Table } from "../api/parcels";
import type { Aggregation } from "../api/stac";
import type { Bar } from "../chart/Bars";

export const DAY_MS = 86_400_000;
/** Days without an item that are listed as a gap. */
export const GAP_DAYS = 14;
/** Most days that get a bar each; beyond, bars are months. */
const DAYS_MAX = 120;

/** Bars of a frequency of days: a bar a day, or a month where days are many; empty ones are there, too. */
export function barsOf(aggregation: Aggregation | undefined): Bar[] {
  const buckets = (aggregation?.buckets ?? []).map(({ key, frequency }) => ({ at: Date.parse(key), count: frequency }));
  const [first, last] = [buckets[0], buckets[buckets.length - 1]];
  if (!first || !last) return [];
  const isDaily = (last.at - first.at) / DAY_MS <= DAYS_MAX;
  const bars: Bar[] = [];
  let at = isDaily ? first.at : monthStart(first.at, 0);
  let next = 0;
  while (at <= last.at) {
    const until = isDaily ? at + DAY_MS : monthStart(at, 1);
    let count = 0;
    for (let bucket = buckets[next]; bucket && bucket.at < until; bucket = buckets[next]) {
      count += bucket.count;
      next += 1;
    }
    bars.push({ from: at, until, count, name: new Date(at).toISOString().slice(0, isDaily ? 10 : 7) });
    at = until;
  }
  return bars;
}

export interface Gap {
  from: string;
  to: string;
  days: number;
}

/** Days between items that are many, the longest first. */
export function gapsOf(aggregation: Aggregation | undefined): Gap[] {
  const days = (aggregation?.buckets ?? []).map(({ key }) => Date.parse(key));
  const gaps = days.flatMap((day, index) => {
    const before = days[index - 1];
    const between = before === undefined ? 0 : Math.round((day - before) / DAY_MS);
    return before !== undefined && between >= GAP_DAYS ? [{ from: iso(before), to: iso(day), days: between }] : [];
  });
  return gaps.sort((a, b) => b.days - a.days);
}

/** Months that hold items, and whether the table has rows of each. */
export function progressOf(table: Table, months: Aggregation | undefined): { month: string; isDone: boolean }[] {
  const done = new Set(table.months);
  return (months?.buckets ?? []).map(({ key }) => ({ month: key.slice(0, 7), isDone: done.has(key.slice(0, 7)) }));
}

function monthStart(at: number, later: number): number {
  const date = new Date(at);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later, 1);
}

function iso(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
