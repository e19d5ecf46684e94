/**
 * A participant in a process of its own, so that it may be in another network namespace: its first
 * argument says of which kind; if its second one is `any-certificate`, browsers believe them all.
 * Each line of its input is a call ({@linkcode DistantCall}), which is answered by a line; "renew"
 * puts a new participant in place of the one there was. It ends with its input.
 *
 * @module
 */
import { ChromiumBrowser } from "./chromium.ts";
import { serveClientPage } from "./client_page_server.ts";
import type { DistantAnswer, DistantCall, DistantKind } from "./distant_client.ts";
import { FirefoxBrowser } from "./firefox.ts";
import type { SdkClient } from "./sdk_client.ts";

/** Makes clients of one kind, and ends what is around them. */
interface ClientSource {
  make(): Promise<SdkClient>;
  end(): Promise<void>;
}

async function open(kind: DistantKind, anyCertificate: boolean): Promise<ClientSource> {
  if (kind === "rtc-node") {
    const { disposeRtcNode, RtcNodeClient } = await import("./rtc_node_client.ts");
    return { make: () => Promise.resolve(new RtcNodeClient(kind)), end: disposeRtcNode };
  }
  // Beside the browser, or the page would have to come over the path.
  const pages = serveClientPage();
  const extraFlags = anyCertificate ? ["--ignore-certificate-errors"] : [];
  const browser =
    await (kind === "chromium"
      ? ChromiumBrowser.launch({ extraFlags })
      : FirefoxBrowser.launch({ anyCertificate }));
  return {
    make: () => browser.openClient(kind, pages.url),
    async end() {
      await browser[Symbol.asyncDispose]();
      await pages[Symbol.asyncDispose]();
    },
  };
}

function tell(answer: DistantAnswer): void {
  console.log(JSON.stringify(answer));
}

async function answer({ id, method, args }: DistantCall): Promise<void> {
  try {
    if (method === "renew") {
      await client[Symbol.asyncDispose]();
      client = await source.make();
      return tell({ event: "answer", id });
    }
    const called = (client as unknown as Record<string, (...args: unknown[]) => unknown>)[method]!;
    tell({ event: "answer", id, value: await called.apply(client, [...args]) });
  } catch (error) {
    tell({ event: "answer", id, error: String(error) });
  }
}

const source = await open(Deno.args[0] as DistantKind, Deno.args[1] === "any-certificate");
let client = await source.make();
tell({ event: "ready" });
let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) void answer(JSON.parse(line));
}
try {
  await client[Symbol.asyncDispose]();
  await source.end();
} finally {
  Deno.exit();
}
