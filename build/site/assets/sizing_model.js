/**
 * What calls cost a server, out of what was measured (`docs/performance.md`). Pure: tests run it as it
 * is, and compare its figures with that page.
 */

/** What was measured: rows of what things cost now, in docs/performance.md, unless another is named. */
export const FIGURES = {
  /** µs of CPU for each packet that reaches somebody: row of a meeting of eight. */
  smallRoomUs: 8.6,
  /** The same where one is seen by fifty: row of video. */
  largeRoomUs: 6.7,
  /** Packets a second of a video of 2 Mbit/s: row `video-1-50`, 12,300 to 50 people. */
  videoPackets: 246,
  /** Packets a second of a microphone: row `audio-10-50`, 25,000 for ten heard by 50. */
  audioPackets: 50,
  /** µs a second of somebody who is only there: the row of it. */
  idleUs: 211,
  /** kB of memory of somebody who is only there: its row, where there are 1,000. */
  idleKb: 160,
  /** ms of CPU of a join: its row. */
  joinMs: 5.1,
  /** MB of a server with one worker: its row. */
  oneWorkerMb: 107,
  /** MB of each worker more: the table of memory, of two less one. */
  workerMb: 23.6,
};

/** Assumed, and said so on the page. */
export const ASSUMED = {
  /** Mbit/s of a large video, of a small one (the lowest layer), of a microphone. */
  largeMbps: 2,
  smallMbps: 0.15,
  audioMbps: 0.04,
  /** What a camera with three layers sends: 2, 0.5 and 0.15 Mbit/s. */
  cameraMbps: 2.65,
  /** Packets of a second of the lowest layer: one or two for each of 15 frames. */
  smallPackets: 25,
  /** Rooms of more people are taken for large ones. */
  smallRoom: 20,
  /** Of a core, at most so much, or packets wait for each other. */
  load: 0.5,
};

const MB = 1_000;

/**
 * @param rooms How many rooms there are at once.
 * @param people How many are in each.
 * @param cameras How many of them have their camera on.
 * @param voices How many microphones are open at once in a room.
 * @param large How many videos each sees large.
 * @param small How many besides, small.
 * @returns Of the whole server: `people`, `packetsPerS`, `outMbps`, `inMbps`, `cores`, `memoryMb`, and
 *   `joinsPerS` that one core takes beside it.
 */
export function size({ rooms, people, cameras, voices, large, small }) {
  // Nobody is sent what is one's own.
  const others = (count) => people === 0 ? 0 : Math.min(count, people) * (people - 1) / people;
  const seenLarge = Math.min(large, others(cameras));
  const seenSmall = Math.min(small, Math.max(0, others(cameras) - seenLarge));
  const heard = others(voices);
  const everybody = rooms * people;
  const packetsPerS = everybody * (seenLarge * FIGURES.videoPackets +
    seenSmall * ASSUMED.smallPackets + heard * FIGURES.audioPackets);
  const outMbps = everybody *
    (seenLarge * ASSUMED.largeMbps + seenSmall * ASSUMED.smallMbps + heard * ASSUMED.audioMbps);
  const inMbps = rooms *
    (Math.min(cameras, people) * ASSUMED.cameraMbps +
      Math.min(voices, people) * ASSUMED.audioMbps);
  const packetUs = people > ASSUMED.smallRoom ? FIGURES.largeRoomUs : FIGURES.smallRoomUs;
  const busy = (packetsPerS * packetUs + everybody * FIGURES.idleUs) / 1e6;
  const cores = Math.max(1, Math.ceil(busy / ASSUMED.load));
  const workersMb = FIGURES.oneWorkerMb + (cores - 1) * FIGURES.workerMb;
  const memoryMb = workersMb + everybody * FIGURES.idleKb / MB;
  const joinsPerS = 1_000 / FIGURES.joinMs * ASSUMED.load;
  return { people: everybody, packetsPerS, outMbps, inMbps, cores, memoryMb, joinsPerS };
}
