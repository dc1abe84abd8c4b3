/** Requests to the server that the portal came from. */

/** What the server said that went wrong. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Everything lies below the page, also behind a prefix of a proxy. */
export function address(path: string, query?: Record<string, string | number | undefined>): string {
  const url = new URL(path.replace(/^\//, ""), new URL(".", document.baseURI));
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  return url.href;
}

export async function get<T>(path: string, query: Record<string, string | number | undefined>, signal?: AbortSignal): Promise<T> {
  const answer = await fetch(address(path, query), { signal, headers: { Accept: "application/json, application/geo+json" } });
  return read<T>(answer);
}

export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const headers = { "Content-Type": "application/json", Accept: "application/json, application/geo+json" };
  return read<T>(await fetch(address(path), { method: "POST", body: JSON.stringify(body), headers, signal }));
}

export async function postForText(path: string, body: unknown, signal?: AbortSignal): Promise<string> {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(address(path), { method: "POST", body: JSON.stringify(body), headers, signal });
  if (!answer.ok) return read<string>(answer);
  return answer.text();
}

async function read<T>(answer: Response): Promise<T> {
  if (answer.ok) return (await answer.json()) as T;
  const problem = (await answer.json().catch(() => null)) as { description?: string } | null;
  throw new ApiError(answer.status, problem?.description ?? `${answer.status} ${answer.statusText}`);
}
