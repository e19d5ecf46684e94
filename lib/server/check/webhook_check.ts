/**
 * Whether whoever is to hear of events answers.
 *
 * @module
 */
import type { Clock } from "../../base/platform.ts";
import type { TimeSample } from "./clock_check.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";

const TOPIC = "webhooks";
/** Longer than this nobody is waited for, ms. */
const PATIENCE_MS = 5_000;
/** HTTP tells the time in whole seconds (RFC 9110 §5.6.7). */
const DATE_GRAIN_MS = 1_000;
const SERVER_ERROR = 500;

/** The part of `fetch` that is used. */
export type AskHead = (url: string, init: RequestInit) => Promise<Response>;

/** What asking brought. */
export interface WebhookAnswers {
  readonly findings: readonly Finding[];
  /** What receivers say the time is. */
  readonly samples: readonly TimeSample[];
}

/** Asks each for its head: nothing is delivered. Never rejects. */
export async function askWebhooks(
  urls: readonly string[],
  ask: AskHead,
  clock: Pick<Clock, "wallMs">,
): Promise<WebhookAnswers> {
  const answers = await Promise.all(urls.map((url) => askWebhook(url, ask, clock)));
  return {
    findings: answers.map(({ finding }) => finding),
    samples: answers.flatMap(({ sample }) => sample === undefined ? [] : [sample]),
  };
}

async function askWebhook(
  url: string,
  ask: AskHead,
  clock: Pick<Clock, "wallMs">,
): Promise<{ readonly finding: Finding; readonly sample?: TimeSample }> {
  const host = URL.parse(url)?.host;
  if (host === undefined) {
    return { finding: problem(TOPIC, `"${url}" is no URL`, "write it as https://host/path") };
  }
  const askedMs = clock.wallMs();
  let response: Response;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    response = await ask(url, { method: "HEAD", redirect: "manual", signal });
    await response.body?.cancel();
  } catch (error) {
    return {
      finding: problem(
        TOPIC,
        `${host} does not answer: ${reasonOf(error)}`,
        "see whether it runs, its name resolves here and its certificate is good: curl -I URL",
      ),
    };
  }
  const answeredMs = clock.wallMs();
  const { status } = response;
  const finding = status >= SERVER_ERROR
    ? warning(TOPIC, `${host} answers with status ${status}`, "see its log")
    : ok(TOPIC, `${host} answers`);
  const theirsMs = Date.parse(response.headers.get("date") ?? "");
  if (Number.isNaN(theirsMs)) return { finding };
  return {
    finding,
    sample: { source: host, theirsMs, askedMs, answeredMs, grainMs: DATE_GRAIN_MS },
  };
}

/** The innermost words, without the URL. */
function reasonOf(error: unknown): string {
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return `not within ${PATIENCE_MS / 1000} s`;
  }
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  const text = inner instanceof Error ? inner.message : String(inner);
  return text.replace(/^error sending request(?: for url \([^)]*\))?:? ?/, "").slice(0, 200);
}
