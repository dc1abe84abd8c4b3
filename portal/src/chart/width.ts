/** The width that an element has, in CSS pixels; 0 while it is not there. */
import { useCallback, useRef, useState } from "preact/hooks";

/** Returns what is to be the element's `ref`, and the width: measured at once, so that the first frame has all that is drawn to it. */
export function useWidth(): [(element: HTMLElement | null) => void, number] {
  const [width, setWidth] = useState(0);
  const watch = useRef<ResizeObserver | undefined>(undefined);
  const measured = useCallback((element: HTMLElement | null) => {
    watch.current?.disconnect();
    watch.current = undefined;
    if (!element) return;
    watch.current = new ResizeObserver(([entry]) => setWidth(Math.round(entry?.contentRect.width ?? 0)));
    watch.current.observe(element);
    setWidth(Math.round(element.getBoundingClientRect().width));
  }, []);
  return [measured, width];
}
