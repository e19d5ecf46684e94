/**
 * A packet capture that another node writes, as this one gives it to the operator who asked here.
 *
 * Contract: it is read as far as the operator reads it, and given up when the operator leaves. If
 * the other node is lost, the file says so at its end and can be read like any other.
 *
 * @module
 */
import type { Clock } from "../base/platform.ts";
import { captureNote } from "./packet_captures.ts";

/** What comes from the other node. */
export interface CarriedFile {
  /** Its next bytes, or its end; `"lost"` behind the last whole datagram that came. */
  read(): Promise<Uint8Array<ArrayBuffer> | "end" | "lost">;
  /** Nobody wants it any more. */
  cancel(): void;
}

/** The file, as it comes. */
export function carriedCapture(
  file: CarriedFile,
  clock: Pick<Clock, "wallMs">,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let [hasBegun, isLeft] = [false, false];
  return new ReadableStream({
    async pull(controller) {
      const bytes = await file.read();
      if (isLeft) return;
      if (typeof bytes !== "string") {
        hasBegun = true;
        return controller.enqueue(bytes);
      }
      // A note is of an interface, which the file's own beginning describes.
      if (bytes === "lost" && hasBegun) controller.enqueue(lastNote(clock.wallMs()));
      controller.close();
    },
    cancel() {
      isLeft = true;
      file.cancel();
    },
  }, { highWaterMark: 0 });
}

function lastNote(wallMs: number): Uint8Array<ArrayBuffer> {
  return captureNote(0, new TextEncoder().encode('{"ended":"node lost"}'), wallMs);
}
