/** The width that an element has, in CSS pixels; 0 while it is not there. */
import { useEffect, useState } from "preact/hooks";

/** Returns what is to be the element's `ref`, and the width. */
export function useWidth(): [(element: HTMLElement | null) => void, number] {
  const [element, setElement] = useState<HTMLElement | null>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!element) return;
    const watch = new ResizeObserver(([entry]) => setWidth(Math.round(entry?.contentRect.width ?? 0)));
    watch.observe(element);
    setWidth(Math.round(element.getBoundingClientRect().width));
    return () => watch.disconnect();
  }, [element]);
  return [setElement, width];
}
