import assert from "node:assert/strict";
import {
  absSendTime,
  ExtensionWriter,
  needsTwoByteForm,
  readAudioLevel,
  readTextExtension,
  readTransportSequence,
} from "../../../lib/wire/header_extensions.ts";
import { RtpView } from "../../../lib/wire/rtp_view.ts";
import { viewOf } from "../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../support/media/rtp_packets.ts";

const FIXED = { ssrc: 1, payloadType: 96 };

Deno.test("readers find their values in a packet, and their absence", () => {
  const view = viewOf(rtpPacket({
    ...FIXED,
    extensions: {
      2: Uint8Array.of(0x80 | 35),
      3: "hi",
      4: Uint8Array.of(0xab, 0xcd),
      5: Uint8Array.of(0x20),
    },
  }));
  assert.equal(readAudioLevel(view, 2), 35);
  assert.equal(readTextExtension(view, 3), "hi");
  assert.equal(readTransportSequence(view, 4), 0xabcd);
  assert.equal(readTextExtension(view, 5), undefined, "not printable");
  assert.deepEqual([readAudioLevel(view, 9), readTransportSequence(view, 9)], [-1, -1]);
  assert.equal(readTextExtension(view, 9), undefined);
});

Deno.test("absSendTime() counts 1/2^18 seconds and wraps after 64 seconds", () => {
  assert.equal(absSendTime(0), 0);
  assert.equal(absSendTime(1000), 1 << 18);
  assert.equal(absSendTime(500), 1 << 17);
  assert.equal(absSendTime(64_000), 0);
  assert.equal(absSendTime(64_000 * 12345 + 1000), 1 << 18);
});

for (const twoByte of [false, true]) {
  Deno.test(`ExtensionWriter writes the ${twoByte ? "two" : "one"}-byte form that RtpView reads`, () => {
    const out = new Uint8Array(80);
    out.set([0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    const writer = new ExtensionWriter();
    writer.begin(out, 12, twoByte);
    // Chromium numbers extensions from 1 to 14, and then from 16 on.
    const elements: readonly (readonly [id: number, length: number])[] = twoByte
      ? [[1, 1], [14, 20], [3, 2], [16, 3], [31, 1]]
      : [[1, 1], [14, 16], [3, 2]];
    for (const [id, length] of elements) {
      const at = writer.reserve(id, length);
      out.fill(id, at, at + length);
    }
    const length = writer.end();
    assert.equal(length % 4, 0);
    const view = new RtpView();
    assert.ok(view.wrap(out, 12 + length + 1));
    assert.equal(view.payloadOffset, 12 + length);
    const none = [-1, 0, 2, 15, 32, 255].map((id) => view.extensionLength(id));
    assert.deepEqual(none, [0, 0, 0, 0, 0, 0]);
    for (const [id, size] of elements) {
      assert.equal(view.extensionLength(id), size);
      const at = view.extensionOffset(id);
      assert.ok(out.subarray(at, at + size).every((byte) => byte === id));
    }
  });
}

Deno.test("ExtensionWriter.end() writes nothing for an empty block", () => {
  const writer = new ExtensionWriter();
  writer.begin(new Uint8Array(16), 0, false);
  assert.equal(writer.end(), 0);
});

Deno.test("needsTwoByteForm() is for what the one-byte form cannot hold (RFC 8285 §4.2)", () => {
  assert.equal(needsTwoByteForm(14, 16), false);
  assert.equal(needsTwoByteForm(15, 1), true);
  assert.equal(needsTwoByteForm(1, 17), true);
  assert.equal(needsTwoByteForm(1, 0), true);
});

Deno.test("RtpView has nothing of the packets before it, also where it takes over another's", () => {
  const of = (extensions: Record<number, Uint8Array>) => rtpPacket({ ...FIXED, extensions });
  const [view, copy] = [new RtpView(), new RtpView()];
  assert.equal(view.hasAnyExtension(-1), false);
  const [many, few, none] = [
    of({ 1: Uint8Array.of(7), 5: Uint8Array.of(8, 9), 14: Uint8Array.of(3) }),
    of({ 5: Uint8Array.of(4) }),
    of({}),
  ];
  for (
    const [packet, ids] of [[many, [1, 5, 14]], [few, [5]], [none, []], [many, [1, 5, 14]]] as const
  ) {
    assert.ok(view.wrap(packet));
    copy.takeOver(view, packet);
    for (const one of [view, copy]) {
      const found = Array.from({ length: 20 }, (_, id) => id)
        .filter((id) => one.extensionLength(id) > 0 && one.extensionOffset(id) > 0);
      assert.deepEqual(found, [...ids]);
      assert.equal(one.hasAnyExtension(1 << 5), ids.some((id) => id === 5));
      assert.equal(one.hasAnyExtension(1 << 2), false);
    }
  }
});
