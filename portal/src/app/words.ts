/** Numbers and instants in words; all instants are shown in UTC. */
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

export const number = (value: number) => whole.format(value);
export const day = (instant: string | null | undefined) => instant?.slice(0, 10) ?? "";
export const time = (instant: string | null | undefined) => instant?.slice(11, 16) ?? "";
export const percent = (value: unknown) => (typeof value === "number" ? `${value.toFixed(0)} %` : "");

export function bytes(count: number | undefined): string {
  if (count === undefined) return "";
  let [value, unit] = [count, 0];
  while (value >= 1000 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[unit]}`;
}

export const hectares = (squareMetres: unknown) => (typeof squareMetres === "number" ? `${(squareMetres / 10_000).toFixed(2)} ha` : "");

/** West, south, east, north (the corners of a box, too) as degrees with their directions. */
export function rectangle(bbox: number[] | undefined): string {
  if (!bbox || bbox.length < 4) return "";
  const [west, south] = bbox;
  const [east, north] = bbox.slice(bbox.length / 2);
  return `${degrees(west!, "WE")} – ${degrees(east!, "WE")}, ${degrees(south!, "SN")} – ${degrees(north!, "SN")}`;
}

/** `letters` are that of negative numbers and that of the others. */
const degrees = (value: number, letters: string) => `${Math.abs(value).toFixed(2)}° ${letters[value < 0 ? 0 : 1]}`;

/** Puts a text on the clipboard; where the browser allows none (no TLS), selects nothing and says so. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

export function save(name: string, text: string, type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 0);
}
