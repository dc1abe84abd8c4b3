/** Something that is fetched: there, on its way, or failed. */
import { useEffect, useState } from "preact/hooks";

export interface Loaded<T> {
  value?: T;
  error?: Error;
  isLoading: boolean;
}

/** Fetches anew where `key` changes, keeps what was there until then, and drops answers that come too late. */
export function useLoad<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<Loaded<T> & { key: string | null }>({ isLoading: key !== null, key: null });
  useEffect(() => {
    if (key === null) {
      setState({ isLoading: false, key });
      return;
    }
    const stop = new AbortController();
    setState((before) => ({ value: before.value, isLoading: true, key: before.key }));
    load(stop.signal).then(
      (value) => stop.signal.aborted || setState({ value, isLoading: false, key }),
      (error: Error) => stop.signal.aborted || setState({ error, isLoading: false, key }),
    );
    return () => stop.abort();
  }, [key]);
  return state;
}
