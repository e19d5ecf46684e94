/**
 * {@linkcode SdkClient} over `@livekit/rtc-node`: the native SDK (Rust and libwebrtc), no browser.
 *
 * @module
 */
import {
  AudioFrame,
  AudioSource,
  AudioStream,
  ConnectionState,
  DataPacketKind,
  DisconnectReason,
  dispose,
  LocalAudioTrack,
  type LocalTrack,
  LocalVideoTrack,
  type Participant,
  RemoteTrackPublication,
  Room,
  RoomEvent,
  TrackKind,
  type TrackPublication,
  TrackPublishOptions,
  TrackSource,
  VideoBufferType,
  VideoFrame,
  VideoSource,
  VideoStream,
} from "@livekit/rtc-node";
import { eventually } from "../process/eventually.ts";
import type {
  AudioOptions,
  ConnectOptions,
  DataMessage,
  ParticipantSnapshot,
  ReceivedMedia,
  RoomSnapshot,
  SdkClient,
  TrackSnapshot,
  VideoOptions,
} from "./sdk_client.ts";

const SAMPLE_RATE = 48_000;
/** Samples of one audio frame: 10 ms. */
const AUDIO_FRAME_SAMPLES = SAMPLE_RATE / 100;
const TONE_LEVEL = 0.5;

const SOURCES = {
  camera: TrackSource.SOURCE_CAMERA,
  microphone: TrackSource.SOURCE_MICROPHONE,
  screen_share: TrackSource.SOURCE_SCREENSHARE,
  screen_share_audio: TrackSource.SOURCE_SCREENSHARE_AUDIO,
} as const;

/**
 * A track with its source. They are closed once nothing is sent of them: what the native part frees
 * while others of its threads use it has damaged its heap (livekit/agents#6056).
 */
interface Published {
  readonly track: LocalTrack;
  /** Gives the source nothing more, and waits for what it has. */
  readonly stop: () => Promise<void>;
}

/** What was decoded of one remote track so far. */
interface Received {
  readonly kind: "video" | "audio";
  framesDecoded: number;
  frameWidth: number;
  frameHeight: number;
  audioEnergy: number;
  color?: [number, number, number];
  hz?: number;
}

/** A participant in this process. Call {@linkcode disposeRtcNode} once after the last one. */
export class RtcNodeClient implements SdkClient {
  readonly identity: string;
  readonly #room = new Room();
  readonly #data: DataMessage[] = [];
  readonly #received = new Map<string, Received>();
  readonly #subscribed: Record<string, number> = {};
  readonly #unsubscribed: Record<string, number> = {};
  readonly #departed: string[] = [];
  readonly #errors: string[] = [];
  /** By sid. */
  readonly #published = new Map<string, Published>();
  #disconnectReason: string | undefined;
  #reconnects = 0;

  constructor(identity: string) {
    this.identity = identity;
  }

  async connect(url: string, token: string, options: ConnectOptions = {}): Promise<void> {
    this.#listen();
    const { autoSubscribe = true, dynacast = false, singlePeerConnection, sharedKey } = options;
    // The SDK hands on what the native part under it takes, more than its own type names.
    const passed = {
      autoSubscribe,
      dynacast,
      ...single(singlePeerConnection),
      ...(sharedKey === undefined ? {} : { encryption: withKey(sharedKey) }),
    };
    await this.#room.connect(url, token, passed);
  }

  async disconnect(): Promise<void> {
    const published = [...this.#published.values()];
    this.#published.clear();
    for (const { stop } of published) await stop();
    if (this.#room.isConnected) await this.#room.disconnect();
    for (const { track } of published) await track.close();
  }

  async publishVideo(options: VideoOptions = {}): Promise<string> {
    const { width = 640, height = 360, fps = 15, color = [40, 120, 200] } = options;
    const source = new VideoSource(width, height);
    let frame = 0;
    const timer = setInterval(() => {
      source.captureFrame(drawFrame(width, height, color, frame));
      frame++;
    }, 1000 / fps);
    const name = options.name ?? "";
    const track = LocalVideoTrack.createVideoTrack(name, source);
    return await this.#publish(track, {
      source: SOURCES[options.source ?? "camera"],
      ...(options.sdkDefaults ? {} : { simulcast: options.simulcast ?? false }),
    }, () => {
      clearInterval(timer);
      return Promise.resolve();
    });
  }

  async publishAudio(options: AudioOptions = {}): Promise<string> {
    const source = new AudioSource(SAMPLE_RATE, 1);
    let running = true;
    const loop = this.#sendTone(source, options.hz ?? 440, () => running);
    const track = LocalAudioTrack.createAudioTrack(options.name ?? "", source);
    return await this.#publish(track, {
      source: SOURCES[options.source ?? "microphone"],
    }, async () => {
      running = false;
      await loop;
    });
  }

  async unpublish(sid: string): Promise<void> {
    const published = this.#published.get(sid);
    this.#published.delete(sid);
    await published?.stop();
    await this.#local().unpublishTrack(sid);
    await published?.track.close();
  }

  async sendData(
    text: string,
    options: { reliable: boolean; topic?: string; to?: readonly string[] },
  ): Promise<void> {
    await this.#local().publishData(new TextEncoder().encode(text), {
      reliable: options.reliable,
      ...(options.topic === undefined ? {} : { topic: options.topic }),
      ...(options.to === undefined ? {} : { destination_identities: [...options.to] }),
    });
  }

  receivedData(): Promise<readonly DataMessage[]> {
    return Promise.resolve(this.#data);
  }

  async snapshot(): Promise<RoomSnapshot> {
    const remotes = [...this.#room.remoteParticipants.values()].map(describeParticipant);
    return {
      state: STATES[this.#room.connectionState],
      roomName: this.#room.name ?? "",
      roomSid: this.#room.isConnected ? await this.#room.getSid() : "",
      local: describeParticipant(this.#local()),
      remotes: remotes.sort((a, b) => a.identity < b.identity ? -1 : 1),
      subscribedEvents: this.#subscribed,
      unsubscribedEvents: this.#unsubscribed,
      departed: this.#departed,
      reconnects: this.#reconnects,
      ...(this.#disconnectReason === undefined ? {} : { disconnectReason: this.#disconnectReason }),
    };
  }

  media(sid: string): Promise<ReceivedMedia> {
    const received = this.#received.get(sid);
    if (!received) return Promise.reject(new Error(`${this.identity}: not subscribed to ${sid}`));
    return Promise.resolve({ ...received, packetsLost: 0 });
  }

  errors(): Promise<readonly string[]> {
    return Promise.resolve(this.#errors);
  }

  /**
   * What webrtc-stats says of one received track (`RTCInboundRtpStreamStats`). They do not say whose
   * they are, so the n-th section of a kind is taken for the n-th track that was subscribed to.
   */
  async inbound(sid: string): Promise<Readonly<Record<string, number>>> {
    const { publisherStats, subscriberStats } = await this.#room.getRtcStats();
    const kind = this.#received.get(sid)?.kind;
    const streams = [...publisherStats, ...subscriberStats].flatMap(({ stats }) =>
      stats.case === "inboundRtp" && stats.value.stream?.kind === kind ? [stats.value] : []
    ).sort((a, b) => Number(a.inbound?.mid) - Number(b.inbound?.mid));
    const ofKind = [...this.#received].filter(([, received]) => received.kind === kind);
    const stream = streams[ofKind.findIndex(([other]) => other === sid)];
    if (stream === undefined) throw new Error(`${this.identity}: nothing is received of ${sid}`);
    const figures = Object.entries({ ...stream.received, ...stream.inbound });
    return Object.fromEntries(figures.map(([name, value]) => [name, Number(value)]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }

  #local() {
    const { localParticipant } = this.#room;
    if (!localParticipant) throw new Error(`${this.identity} is not connected`);
    return localParticipant;
  }

  #listen(): void {
    this.#room
      .on(RoomEvent.TrackSubscribed, (track, publication) => {
        const sid = publication.sid!;
        this.#subscribed[sid] = (this.#subscribed[sid] ?? 0) + 1;
        const received: Received = {
          kind: track.kind === TrackKind.KIND_VIDEO ? "video" : "audio",
          framesDecoded: 0,
          frameWidth: 0,
          frameHeight: 0,
          audioEnergy: 0,
        };
        this.#received.set(sid, received);
        const watching = track.kind === TrackKind.KIND_VIDEO
          ? watchVideo(new VideoStream(track), received)
          : watchAudio(new AudioStream(track, SAMPLE_RATE, 1), received);
        watching.catch((error) => this.#errors.push(String(error)));
      })
      .on(RoomEvent.TrackUnsubscribed, (_track, publication) => {
        const sid = publication.sid!;
        this.#unsubscribed[sid] = (this.#unsubscribed[sid] ?? 0) + 1;
      })
      .on(RoomEvent.ParticipantDisconnected, (who) => this.#departed.push(who.identity))
      .on(RoomEvent.DataReceived, (payload, participant, kind, topic) => {
        this.#data.push({
          from: participant?.identity ?? "",
          text: new TextDecoder().decode(payload),
          topic: topic ?? "",
          reliable: kind === DataPacketKind.KIND_RELIABLE,
        });
      })
      .on(RoomEvent.Reconnecting, () => this.#reconnects++)
      .on(RoomEvent.Disconnected, (reason) => this.#disconnectReason = DisconnectReason[reason]);
  }

  async #publish(
    track: LocalTrack,
    options: ConstructorParameters<typeof TrackPublishOptions>[0],
    stop: () => Promise<void>,
  ): Promise<string> {
    try {
      const publication = await this.#local().publishTrack(track, new TrackPublishOptions(options));
      const sid = await eventually("the sid of a published track", () => publication.sid);
      this.#published.set(sid, { track, stop });
      return sid;
    } catch (error) {
      await stop();
      await track.close();
      throw error;
    }
  }

  async #sendTone(source: AudioSource, hz: number, running: () => boolean): Promise<void> {
    let phase = 0;
    const step = 2 * Math.PI * hz / SAMPLE_RATE;
    while (running()) {
      const samples = new Int16Array(AUDIO_FRAME_SAMPLES);
      for (let i = 0; i < samples.length; i++) {
        samples[i] = Math.sin(phase) * TONE_LEVEL * 0x7fff;
        phase += step;
      }
      // Waits while the source's queue is full, so this loop runs at the pace of the sound.
      await source.captureFrame(new AudioFrame(samples, SAMPLE_RATE, 1, AUDIO_FRAME_SAMPLES));
    }
  }
}

function single(wanted: boolean | undefined): { readonly singlePeerConnection?: boolean } {
  return wanted === undefined ? {} : { singlePeerConnection: wanted };
}

/** Frees the native client; without it its threads keep the process alive. */
export async function disposeRtcNode(): Promise<void> {
  await dispose();
}

const STATES: Readonly<Record<ConnectionState, string>> = {
  [ConnectionState.CONN_DISCONNECTED]: "disconnected",
  [ConnectionState.CONN_CONNECTED]: "connected",
  [ConnectionState.CONN_RECONNECTING]: "reconnecting",
};

/** An RGBA picture: a still fill and a white bar that moves with the frame number. */
function drawFrame(
  width: number,
  height: number,
  color: readonly [number, number, number],
  frame: number,
): VideoFrame {
  const pixels = new Uint8Array(width * height * 4);
  const words = new Uint32Array(pixels.buffer);
  words.fill(0xff000000 | (color[2] << 16) | (color[1] << 8) | color[0]);
  const left = (frame * 8) % (width - 64);
  for (let y = Math.floor(height * 0.4); y < height * 0.9; y++) {
    words.fill(0xffffffff, y * width + left, y * width + left + 64);
  }
  return new VideoFrame(pixels, width, height, VideoBufferType.RGBA);
}

async function watchVideo(stream: VideoStream, received: Received): Promise<void> {
  for await (const { frame } of stream) {
    received.framesDecoded++;
    received.frameWidth = frame.width;
    received.frameHeight = frame.height;
    if (received.framesDecoded % 5 !== 1) continue;
    const rgba = frame.convert(VideoBufferType.RGBA).data;
    const corner = 4 * (Math.floor(frame.height * 0.07) * frame.width + frame.width * 0.07 | 0);
    received.color = [rgba[corner]!, rgba[corner + 1]!, rgba[corner + 2]!];
  }
}

async function watchAudio(stream: AudioStream, received: Received): Promise<void> {
  let previous = 0;
  let risingCrossings = 0;
  let samplesInWindow = 0;
  for await (const frame of stream) {
    let squares = 0;
    for (const sample of frame.data) {
      squares += (sample / 0x8000) ** 2;
      if (previous < 0 && sample >= 0) risingCrossings++;
      previous = sample;
    }
    received.audioEnergy += squares / frame.sampleRate;
    samplesInWindow += frame.data.length;
    if (samplesInWindow < frame.sampleRate / 2) continue;
    received.hz = risingCrossings * frame.sampleRate / samplesInWindow;
    risingCrossings = samplesInWindow = 0;
  }
}

function describeParticipant(participant: Participant): ParticipantSnapshot {
  return {
    identity: participant.identity,
    sid: participant.sid ?? "",
    name: participant.name ?? "",
    metadata: participant.metadata,
    attributes: { ...participant.attributes },
    tracks: [...participant.trackPublications.values()].map(describeTrack),
  };
}

function describeTrack(publication: TrackPublication): TrackSnapshot {
  const { width = 0, height = 0 } = publication;
  const source = Object.entries(SOURCES).find(([, value]) => value === publication.source);
  return {
    sid: publication.sid ?? "",
    kind: publication.kind === TrackKind.KIND_VIDEO ? "video" : "audio",
    source: (source?.[0] ?? "unknown") as TrackSnapshot["source"],
    name: publication.name ?? "",
    muted: publication.muted ?? false,
    subscribed: publication instanceof RemoteTrackPublication && publication.subscribed,
    simulcasted: publication.simulcasted ?? false,
    mimeType: publication.mimeType ?? "",
    ...(width > 0 ? { dimensions: { width, height } } : {}),
  };
}

function withKey(sharedKey: string) {
  return { keyProviderOptions: { sharedKey: new TextEncoder().encode(sharedKey) } };
}
