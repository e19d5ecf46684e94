/** What FFmpeg is told to make of a room's files. */
import assert from "node:assert/strict";
import {
  composedLength,
  type ComposedTrack,
  compositionArguments,
  type CompositionJob,
  MOST_PICTURES,
  whyNotComposed,
} from "../../../lib/recording/composition.ts";

const track = (kind: "audio" | "video", offsetMs: number, durationMs: number): ComposedTrack => ({
  name: `-${kind};[x] ${offsetMs}`,
  kind,
  format: kind === "audio" ? "ogg" : "webm",
  offsetMs,
  durationMs,
});
const job = (...tracks: ComposedTrack[]): CompositionJob => ({
  path: "out",
  tracks,
  width: 1281,
  height: 720,
});
const graphOf = (job: CompositionJob) => {
  const args = compositionArguments(job, (name) => `/root/${name}`, "/root/out.mp4");
  return { args, graph: args[args.indexOf("-filter_complex") + 1]! };
};

Deno.test("everybody is put where and when they were", () => {
  const whole = job(
    track("video", 0, 10_000),
    track("audio", 250, 9_000),
    track("video", 4_000, 3_000),
    track("video", 1_000, 2_000),
  );
  assert.equal(composedLength(whole), 10_000);
  const { args, graph } = graphOf(whole);
  assert.match(graph, /\[2:v\][^;]*tpad=start_duration=4\.000:[^;]*stop_duration=3\.000/);
  assert.match(graph, /\[1:a\][^;]*adelay=250:all=1/);
  assert.match(graph, /xstack=inputs=3:layout=0_0\|640_0\|0_360:fill=black/);
  assert.equal(args[args.indexOf("-t") + 1], "10.000");
  // A name is a path, and never an option, another protocol, or a part of the graph.
  const inputs = args.flatMap((arg, i) => args[i - 1] === "-i" ? [arg] : []);
  assert.ok(inputs.every((input) => input.startsWith("file:/root/")));
  assert.ok(!graph.includes("[x]"));
  assert.equal(args.at(-1), "file:/root/out.mp4");
  // A picture may claim to have 268 million pixels, which every decoder would make room for.
  const most = args.flatMap((arg, i) => args[i - 1] === "-max_pixels" ? [Number(arg)] : []);
  assert.equal(most.length, 3, "one of each input with pictures");
  assert.ok(most.every((pixels) => pixels >= 3_840 * 2_160 && pixels <= 20_000_000));
});

Deno.test("sound alone has no picture, one picture no grid", () => {
  const sound = graphOf(job(track("audio", 0, 1_000)));
  assert.ok(!sound.args.includes("[picture]") && !sound.graph.includes("xstack"));
  const picture = graphOf(job(track("video", 0, 1_000)));
  assert.ok(!picture.args.includes("[sound]") && !picture.graph.includes("xstack"));
  assert.match(picture.graph, /pad=1280:720/);
});

Deno.test("what would be too much is not composed, and it is said", () => {
  const many = Array.from({ length: MOST_PICTURES + 1 }, () => track("video", 0, 1));
  assert.match(whyNotComposed(job(...many)), /more than 25 files of pictures/);
  assert.match(whyNotComposed(job()), /nothing/);
  assert.equal(whyNotComposed(job(...many.slice(1))), "");
});
