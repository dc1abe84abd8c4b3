/** Two maps over each other with a bar between them: left the one, right the other. */
import type { Map as GlMap } from "maplibre-gl";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Theme } from "../app/theme";
import { texts } from "../texts";
import { type Content, MapView } from "./MapView";

interface Props {
  theme: Theme;
  left: Content;
  right: Content;
  names: [string, string];
  bounds?: [number, number, number, number];
}

/** How far an arrow key moves the bar, in percent. */
const STEP_PERCENT = 5;

export function Compare({ theme, left, right, names, bounds }: Props) {
  const [maps, setMaps] = useState<{ left?: GlMap; right?: GlMap }>({});
  const [share, setShare] = useState(50);
  const box = useRef<HTMLDivElement>(null);
  const over = useRef<HTMLDivElement>(null);

  useEffect(() => (maps.left && maps.right ? follow(maps.left, maps.right) : undefined), [maps.left, maps.right]);
  useEffect(() => {
    if (over.current) over.current.style.clipPath = `inset(0 0 0 ${share}%)`;
  }, [share]);

  const drag = (event: PointerEvent) => {
    if (event.buttons === 0 || !box.current) return;
    const { left: from, width } = box.current.getBoundingClientRect();
    setShare(Math.min(100, Math.max(0, ((event.clientX - from) / width) * 100)));
  };
  const press = (event: KeyboardEvent) => {
    const step = event.key === "ArrowLeft" ? -STEP_PERCENT : event.key === "ArrowRight" ? STEP_PERCENT : 0;
    if (step === 0) return;
    event.preventDefault();
    setShare((at) => Math.min(100, Math.max(0, at + step)));
  };
  return (
    <div class="compare" ref={box}>
      <MapView theme={theme} content={left} bounds={bounds} label={names[0]} onReady={(map) => setMaps((held) => ({ ...held, left: map }))} />
      <div class="compare-over" ref={over}>
        <MapView theme={theme} content={right} bounds={bounds} label={names[1]} onReady={(map) => setMaps((held) => ({ ...held, right: map }))} />
      </div>
      <span class="tag tag-left">{names[0]}</span>
      <span class="tag tag-right">{names[1]}</span>
      <div
        class="compare-bar"
        role="slider"
        tabIndex={0}
        aria-label={texts.explore.compareBar}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(share)}
        style={{ left: `${share}%` }}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={drag}
        onKeyDown={press}
      />
    </div>
  );
}

/** Keeps both cameras together; returns what ends that. */
function follow(a: GlMap, b: GlMap): () => void {
  let isFollowing = false;
  const move = (from: GlMap, to: GlMap) => () => {
    if (isFollowing) return;
    isFollowing = true;
    to.jumpTo({ center: from.getCenter(), zoom: from.getZoom() });
    isFollowing = false;
  };
  const [forth, back] = [move(a, b), move(b, a)];
  a.on("move", forth);
  b.on("move", back);
  return () => {
    a.off("move", forth);
    b.off("move", back);
  };
}
