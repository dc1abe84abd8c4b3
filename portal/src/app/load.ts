/** Something that is fetched: there, on its way, or failed. */
import { useLayoutEffect, useState } from "preact/hooks";

export interface Loaded<T> {
  value?: T;
  error?: Error;
  isLoading: boolean;
}

/**
 * Fetches anew where `key` changes, keeps what was there until then, and drops answers that come too late.
 * The request leaves before what called is painted.
 */
export function useLoad<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<Loaded<T>>({ isLoading: key !== null });
  useLayoutEffect(() => {
    if (key === null) {
      setState((before) => (before.isLoading || before.value !== undefined || before.error ? { isLoading: false } : before));
      return;
    }
    const stop = new AbortController();
    setState((before) => (before.isLoading ? before : { value: before.value, isLoading: true }));
    load(stop.signal).then(
      (value) => stop.signal.aborted || setState({ value, isLoading: false }),
      (error: Error) => stop.signal.aborted || setState({ error, isLoading: false }),
    );
    return () => stop.abort();
  }, [key]);
  return state;
}
