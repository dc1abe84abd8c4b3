import { expect, test } from "vitest";
import { tilesOf } from "./Preview";

test("a preview takes a few tiles that cover it", () => {
  for (const bbox of [[9.46, 54.84, 9.5, 54.87], [-180, -85, 180, 85], [9, 54, 9.00001, 54.00001]] as [number, number, number, number][]) {
    const { tiles, width, height } = tilesOf(bbox);
    expect(tiles.length).toBeGreaterThanOrEqual(1);
    expect(tiles.length).toBeLessThanOrEqual(9);
    expect(Math.min(...tiles.map(({ left }) => left))).toBeLessThanOrEqual(1e-6);
    expect(Math.max(...tiles.map(({ left, size }) => left + size))).toBeGreaterThanOrEqual(width - 1e-6);
    expect(Math.max(...tiles.map(({ top, size }) => top + size))).toBeGreaterThanOrEqual(height - 1e-6);
  }
});
