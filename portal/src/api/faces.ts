/** What this server has, by the paths of its OpenAPI document: asking for what is not there would fail aloud. */
import { get } from "./client";

let known: Promise<string[]> | undefined;

/** Whether a path of the server matches. */
export async function hasPath(pattern: RegExp): Promise<boolean> {
  known ??= get<{ paths: Record<string, unknown> }>("api", {}).then(({ paths }) => Object.keys(paths));
  try {
    return (await known).some((path) => pattern.test(path));
  } catch (error) {
    // The next question asks again.
    known = undefined;
    throw error;
  }
}
