/**
 * The sending side of a connection by itself, as tests of it start.
 *
 * @module
 */
import { RtcpScratch } from "../../../lib/engine/local/rtcp_scratch.ts";
import { SendingSide, type SendingSideOptions } from "../../../lib/engine/local/sending_side.ts";
import { SeededRandom } from "../virtual/seeded_random.ts";
import { RecordingSink } from "./forwarding_fixtures.ts";

/** Nothing that it says is heard unless `options` hears it; a bug that it hits fails the test. */
export function testSendingSide(options: Partial<SendingSideOptions> = {}): SendingSide {
  return new SendingSide({
    emit: () => {},
    sink: new RecordingSink(),
    place: 0,
    sendRtcp: () => {},
    random: new SeededRandom(1),
    failed: (error) => {
      throw error;
    },
    measured: () => {},
    timed: () => {},
    rtcp: new RtcpScratch(),
    ...options,
  });
}
