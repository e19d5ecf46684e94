/**
 * A participant on LiveKit's native SDK in a process of its own, which joins as its argument says
 * ({@linkcode DistantJoin}). Each line of its input is a {@linkcode DistantDataCall}, which is
 * answered by a line. It ends with its input.
 *
 * @module
 */
import type { DistantDataAnswer, DistantDataCall, DistantJoin } from "./distant_rtc_node_peer.ts";
import { RtcNodeDataPeer } from "./rtc_node_data_peer.ts";

function tell(answer: DistantDataAnswer): void {
  console.log(JSON.stringify(answer));
}

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

async function valueOf({ method, argument }: DistantDataCall): Promise<unknown> {
  switch (method) {
    case "meet":
      return await peer.meet(argument);
    case "send":
      return await peer.send(argument);
    case "block":
      return block(argument);
    default:
      return await peer[method]();
  }
}

const peer = await RtcNodeDataPeer.join(JSON.parse(Deno.args[0]!) as DistantJoin);
tell({ event: "joined" });
let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const call = JSON.parse(line) as DistantDataCall;
    const { id } = call;
    void valueOf(call).then(
      (value) => tell({ event: "answer", id, value }),
      (error) => tell({ event: "answer", id, error: String(error) }),
    );
  }
}
Deno.exit();
