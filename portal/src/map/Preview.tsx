/** A picture of a rectangle, put together from a few tiles: needs no further face of the server. */
import { useState } from "preact/hooks";
import { type Picture, tileUrl } from "./imagery";

/** Longest that the longer side of a preview is in tiles; the zoom follows. */
const TILES_ACROSS = 2;
const WIDTH_PX = 264;
const HEIGHT_PX_MAX = 220;
const ZOOM_MAX = 18;

export function Preview({ picture, bbox, label }: { picture: Picture; bbox: [number, number, number, number]; label: string }) {
  const [isMissing, setMissing] = useState(false);
  if (isMissing) return null;
  const { tiles, width, height } = tilesOf(bbox);
  const template = tileUrl(picture);
  return (
    <div class="preview" role="img" aria-label={label} style={{ width: `${width}px`, height: `${height}px` }}>
      {tiles.map(({ z, x, y, left, top, size }) => (
        <img
          key={`${z}/${x}/${y}`}
          src={template.replace("{z}", `${z}`).replace("{x}", `${x}`).replace("{y}", `${y}`)}
          alt=""
          style={{ left: `${left}px`, top: `${top}px`, width: `${size}px`, height: `${size}px` }}
          onError={() => setMissing(true)}
        />
      ))}
    </div>
  );
}

/** Web Mercator as a share of the world, from the north-west corner. */
function world(lon: number, lat: number): [number, number] {
  const sine = Math.sin((Math.max(-85, Math.min(85, lat)) * Math.PI) / 180);
  return [lon / 360 + 0.5, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
}

export function tilesOf([west, south, east, north]: [number, number, number, number]) {
  const [[x0, y0], [x1, y1]] = [world(west, north), world(east, south)];
  const across = Math.max(x1 - x0, y1 - y0, 1e-9);
  const z = Math.max(0, Math.min(ZOOM_MAX, Math.floor(Math.log2(TILES_ACROSS / across))));
  const scale = Math.min(WIDTH_PX / (x1 - x0), HEIGHT_PX_MAX / (y1 - y0));
  const size = scale / 2 ** z;
  const tiles = [];
  for (let y = Math.floor(y0 * 2 ** z); y <= Math.floor(y1 * 2 ** z); y += 1) {
    for (let x = Math.floor(x0 * 2 ** z); x <= Math.floor(x1 * 2 ** z); x += 1) {
      tiles.push({ z, x, y, left: x * size - x0 * scale, top: y * size - y0 * scale, size });
    }
  }
  return { tiles, width: (x1 - x0) * scale, height: (y1 - y0) * scale };
}
