/** Colours of what lies on the map; the page has its own in style.css. */
import type { Theme } from "../app/theme";

export interface Palette {
  ground: string;
  line: string;
  label: string;
  footprint: string;
  chosen: string;
  place: string;
  parcel: string;
}

/** Opacity of a crop's colour on the map, and where a table names the crop. */
export const CROP_OPACITY = 0.55;
/** Colours that crops share. */
export const CROP_HUES = 12;

/** A crop's colour by its step on the circle of hues: the code of the crop times 7, of [`CROP_HUES`]. */
export const cropColour = (step: number, theme: Theme) => `hsl(${step * (360 / CROP_HUES)} 38% ${theme === "dark" ? 38 : 68}%)`;

/** The step of a crop's code; one that is no number has the first, as on the map. */
export function cropStep(code: unknown): number {
  const number = Number(code ?? 0);
  return Number.isFinite(number) ? Math.floor((number * 7) % CROP_HUES) : 0;
}

export const palettes: Record<Theme, Palette> = {
  light: { ground: "#eef1ec", line: "#d3dad0", label: "#5c675a", footprint: "#2f6f4f", chosen: "#b4470f", place: "#1d5fa8", parcel: "#3d7a3a" },
  dark: { ground: "#161b18", line: "#2a332d", label: "#9aa89d", footprint: "#74c69d", chosen: "#ff9e64", place: "#7ab7ff", parcel: "#8fce7e" },
};
