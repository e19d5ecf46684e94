/** LiveKit's integration tests of signalling limits. */
import assert from "node:assert/strict";
import { joinUrl } from "../support/process/join_url.ts";
import { SignalClient } from "../support/wire/signal_client.ts";
import { until } from "../support/wire/until.ts";
import { scenario, unitScenario } from "./support.ts";
import { adaptWebSocket, type RawWebSocket } from "../../routes/web_socket.ts";

const LIMIT = 4096;
const TOO_BIG = 1009;

scenario("TestSignalMessageSizeLimit", async (test) => {
  const alice = await test.join("alice");
  alice.signal.sendFrame(new Uint8Array(LIMIT + 1));
  assert.equal((await alice.signal.ended()).code, TOO_BIG);
}, { config: { limit: { signal_message_size_limit: LIMIT } } });

scenario("TestSignalMessageSizeLimitDisabled", async (test) => {
  const url = joinUrl(test.url, await test.token("alice"), { flavour: test.flavour });
  const signal = await SignalClient.open(url);
  signal.sendFrame(new Uint8Array(3 * 1024 * 1024).fill(0xff));
  await signal.message("join");
  // The frame is no request, so the server may end the socket, but not for its size.
  signal.send({ case: "ping", value: 1n });
  await until("an answer or the end", () => signal.closed ?? signal.all("pong")[0]);
  assert.notEqual(signal.closed?.code, TOO_BIG);
  await signal.close();
}, { config: { limit: { signal_message_size_limit: 0 } } });

unitScenario("TestWSSignalConnectionMessageSizeLimit", () => {
  const limited = adapted(LIMIT);
  limited.raw.onmessage!(message(LIMIT));
  assert.deepEqual([limited.received.length, limited.raw.closes], [1, []]);
  limited.raw.onmessage!(message(LIMIT + 1));
  assert.deepEqual([limited.received.length, limited.raw.closes], [1, [TOO_BIG]]);
  const unlimited = adapted(0);
  unlimited.raw.onmessage!(message(LIMIT + 1));
  assert.deepEqual([unlimited.received.length, unlimited.raw.closes], [1, []]);
});

class FakeRawSocket implements RawWebSocket {
  binaryType = "";
  readyState = 1;
  bufferedAmount = 0;
  onmessage: RawWebSocket["onmessage"] = null;
  onclose: RawWebSocket["onclose"] = null;
  onerror: RawWebSocket["onerror"] = null;
  onopen: RawWebSocket["onopen"] = null;
  readonly closes: (number | undefined)[] = [];
  send(): void {}
  close(code?: number): void {
    this.closes.push(code);
  }
}

function adapted(limit: number) {
  const raw = new FakeRawSocket();
  const socket = adaptWebSocket(raw, limit);
  const received: unknown[] = [];
  socket.onMessage = (data) => received.push(data);
  return { raw, received };
}

function message(bytes: number): MessageEvent {
  return new MessageEvent("message", { data: new ArrayBuffer(bytes) });
}
