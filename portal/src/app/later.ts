/** Parts of a page that wait for what users came for: they keep the browser busy, and nobody waits for them. */
import { useEffect, useState } from "preact/hooks";

/** How long they wait at most: what the page fetches may be slow, and the map is of use without it. */
const WAIT_MAX_MS = 2_000;

/** Returns whether such parts may begin: once what is first is painted, or after the longest wait. */
export function useLater(isFirstDrawn: boolean): boolean {
  const [isLater, setLater] = useState(false);
  useEffect(() => {
    if (isLater) return;
    const longest = setTimeout(() => setLater(true), WAIT_MAX_MS);
    const stop = isFirstDrawn ? afterPaint(() => setLater(true)) : undefined;
    return () => {
      clearTimeout(longest);
      stop?.();
    };
  }, [isFirstDrawn, isLater]);
  return isLater;
}

/** Calls once the next frame is painted; returns what forgoes that. A tab in the background paints none. */
function afterPaint(call: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const frame = requestAnimationFrame(() => {
    timer = setTimeout(call, 0);
  });
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}
