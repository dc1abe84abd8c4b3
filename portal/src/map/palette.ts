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

export const palettes: Record<Theme, Palette> = {
  light: { ground: "#eef1ec", line: "#d3dad0", label: "#5c675a", footprint: "#2f6f4f", chosen: "#b4470f", place: "#1d5fa8", parcel: "#3d7a3a" },
  dark: { ground: "#161b18", line: "#2a332d", label: "#9aa89d", footprint: "#74c69d", chosen: "#ff9e64", place: "#7ab7ff", parcel: "#8fce7e" },
};
