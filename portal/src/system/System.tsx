/** System: what is held, how it came in, what lacks, how far extraction is. */
import { parcelSet, parcelSets } from "../api/parcels";
import { aggregate } from "../api/stac";
import { useLoad } from "../app/load";
import { change } from "../app/route";
import { day, number } from "../app/words";
import { type Bar, Bars } from "../chart/Bars";
import { texts } from "../texts";
import { DAY_MS, GAP_DAYS, barsOf, gapsOf, progressOf } from "./holdings";

const words = texts.system;
/** Gaps that are listed. */
const GAPS_SHOWN = 20;
/** Sets whose tables are asked for. */
const SETS_MAX = 20;
const COUNTED = ["total_count", "datetime_min", "datetime_max", "platform_frequency", "datetime_day_frequency", "created_day_frequency"];

export default function System({ query }: { query: URLSearchParams }) {
  const all = useLoad("all", (signal) => aggregate(["collection_frequency", "total_count"], {}, signal));
  const chosen = query.get("c") ?? "";
  const body = chosen ? { collections: [chosen] } : {};
  const found = useLoad(`counts ${chosen}`, (signal) => aggregate(COUNTED, body, signal));
  const counts = found.value;
  const collections = all.value?.collection_frequency?.buckets ?? [];
  const gaps = gapsOf(counts?.datetime_day_frequency);
  const overflow = (counts?.datetime_day_frequency?.overflow ?? 0) + (counts?.created_day_frequency?.overflow ?? 0);
  if (all.value?.total_count?.value === 0) return <Empty />;
  return (
    <div class="page wide">
      <div class="row">
        <h1>{words.title}</h1>
        <span class="fill" />
        <label class="inline">
          {words.collection}
          <select value={chosen} onChange={(event) => change({ c: event.currentTarget.value })}>
            <option value="">{words.every}</option>
            {collections.map(({ key }) => <option key={key} value={key}>{key}</option>)}
          </select>
        </label>
      </div>
      {(found.error ?? all.error) && <p class="note error" role="alert">{(found.error ?? all.error)!.message}</p>}
      <div class="tiles">
        <Tile name={words.items} value={number(Number(counts?.total_count?.value ?? 0))} />
        <Tile name={words.collections} value={number(collections.length)} />
        <Tile name={words.first} value={day(counts?.datetime_min?.value as string | undefined)} />
        <Tile name={words.last} value={day(counts?.datetime_max?.value as string | undefined)} />
        {(counts?.platform_frequency?.buckets ?? []).map(({ key, frequency }) => <Tile key={key} name={words.of(key)} value={number(frequency)} />)}
      </div>
      {overflow > 0 && <p class="note">{words.overflow(number(overflow))}</p>}
      <div class="two">
        <section>
          <h2>{words.sensed}</h2>
          <Products bars={barsOf(counts?.datetime_day_frequency)} label={words.sensed} />
        </section>
        <section>
          <h2>{words.ingested}</h2>
          <Products bars={barsOf(counts?.created_day_frequency)} label={words.ingested} />
        </section>
      </div>
      <div class="two">
        <section>
          <h2>{words.gaps(GAP_DAYS)}</h2>
          {counts && gaps.length === 0 && <p class="note">{words.noGaps}</p>}
          <ul class="list">
            {gaps.slice(0, GAPS_SHOWN).map((gap) => (
              <li key={gap.from}>{gap.from} – {gap.to} <span class="dim">{words.days(gap.days)}</span></li>
            ))}
          </ul>
          {gaps.length > GAPS_SHOWN && <p class="note">{words.moreGaps(gaps.length - GAPS_SHOWN)}</p>}
        </section>
        <Extraction chosen={chosen} />
      </div>
    </div>
  );
}

function Products({ bars, label }: { bars: Bar[]; label: string }) {
  const isMonthly = bars[0] !== undefined && bars[0].until - bars[0].from > DAY_MS;
  return <Bars bars={bars} label={label} countAxis={isMonthly ? words.perMonth : words.perDay} sumAxis={words.sum} />;
}

function Tile({ name, value }: { name: string; value: string }) {
  return (
    <div class="tile">
      <strong>{value || "–"}</strong>
      <span>{name}</span>
    </div>
  );
}

/** Months of each extract table beside the months that the catalogue holds. */
async function extraction(signal: AbortSignal) {
  const sets = (await parcelSets(signal)).slice(0, SETS_MAX);
  const whole = await Promise.all(sets.map(({ name }) => parcelSet(name, signal)));
  const names = [...new Set(whole.flatMap(({ tables }) => (tables ?? []).map(({ collection }) => collection)))];
  const months = await Promise.all(names.map((name) => aggregate(["datetime_frequency"], { collections: [name] }, signal)));
  const held = new Map(names.map((name, index) => [name, months[index]?.datetime_frequency]));
  return whole.flatMap((set) => (set.tables ?? []).map((table) => ({ set: `${set.name}@${set.version ?? 1}`, table, months: progressOf(table, held.get(table.collection)) })));
}

function Extraction({ chosen }: { chosen: string }) {
  const found = useLoad("extraction", extraction);
  const shown = (found.value ?? []).filter(({ table }) => !chosen || table.collection === chosen);
  return (
    <section>
      <h2>{words.extraction}</h2>
      {found.error && <p class="note error" role="alert">{found.error.message}</p>}
      {found.value && shown.length === 0 && <p class="note">{words.noTables}</p>}
      {shown.map(({ set, table, months }) => (
        <div key={set + table.collection + table.profile} class="progress">
          <p>
            <strong>{table.collection}</strong> <span class="dim">{words.table(set, table.profile.slice(0, 4), number(table.rows))}</span>
            <span class="dim"> · {words.done(months.filter(({ isDone }) => isDone).length, months.length)}</span>
          </p>
          <ol class="months" aria-label={words.months}>
            {months.map(({ month, isDone }) => (
              <li key={month} class={isDone ? "done" : "open"} title={`${month}: ${isDone ? words.isDone : words.isOpen}`}>
                <span class="hidden">{`${month}: ${isDone ? words.isDone : words.isOpen}`}</span>
              </li>
            ))}
          </ol>
          {months.length > 0 && <p class="ends dim"><span>{months[0]!.month}</span> <span>{months[months.length - 1]!.month}</span></p>}
        </div>
      ))}
    </section>
  );
}

function Empty() {
  return (
    <div class="empty">
      <h1>{texts.system.empty.title}</h1>
      <p>{texts.system.empty.text}</p>
      <pre>{texts.system.empty.command}</pre>
    </div>
  );
}
