/**
 * A participant on pion (Go), with nothing of libwebrtc in it: the program in `tests/peers/pion`,
 * built where Go is found, one process for each participant.
 *
 * @module
 */
import { ClientInfo_SDK } from "@livekit/protocol";
import { cachedBuild } from "./built_peers.ts";
import { goPath } from "../process/e2e_requirements.ts";
import { joinUrl } from "../process/join_url.ts";
import { PeerProcess } from "./peer_process.ts";

const SOURCES = new URL("../../peers/pion/", import.meta.url);

/** A video or audio track to publish; what is said of defaults is for videos. */
export interface PionTrack {
  readonly kind: "video" | "audio";
  /** LiveKit's name; default `CAMERA` or `MICROPHONE`. */
  readonly source?: "CAMERA" | "SCREEN_SHARE" | "MICROPHONE" | "SCREEN_SHARE_AUDIO";
  readonly name?: string;
  /** Default `vp8`. */
  readonly codec?: "vp8" | "h264";
  /** Three layers of VP8, 160 × 90 to 640 × 360; default one of 320 × 180. */
  readonly simulcast?: boolean;
  /** Offers the section with the track's codec alone. */
  readonly onlyCodec?: boolean;
  /** Ignores requests for key frames and sends one every 3 s. */
  readonly deaf?: boolean;
}

/** What is in the picture and the sound. */
export const PION_COLOR = [150, 60, 170] as const;
export const PION_HZ = 500;

/** What arrived of one track; all grow. */
export interface PionCounts {
  readonly packets: number;
  /** Of `packets`, those without media. */
  readonly padding: number;
  readonly bytes: number;
  /** Pictures, or packets of sound. */
  readonly frames: number;
  readonly keyFrames: number;
  /** Of the last key frame of VP8. */
  readonly width: number;
  readonly height: number;
  /** Pictures of VP8 that a decoder could have shown in time, and how they came. */
  readonly shown: number;
  readonly freezes: number;
  readonly frozenMs: number;
  /** Packets of sound that came in time, and those that did not. */
  readonly heard: number;
  readonly concealed: number;
  /** Packets of sound with copies of earlier frames. */
  readonly redundant: number;
  /** Packets that say when they were captured. */
  readonly captures: number;
  /** How far that was from what their timestamps say at most, since the first one, in ticks. */
  readonly captureSkew: number;
  /** How long ago the newest was captured when it came. */
  readonly captureAgeMs: number;
  /** Sender reports. */
  readonly reports: number;
  /** How far times of capture were from what the last of those says of timestamps at most, ms. */
  readonly captureOffMs: number;
}

/** One line of the program. `ms` is the program's own time. */
export type PionEvent =
  & { readonly ms: number }
  & (
    | { readonly event: "joined" | "left" }
    | { readonly event: "published"; readonly cid: string; readonly sid: string }
    | {
      readonly event: "connection";
      readonly target: "PUBLISHER" | "SUBSCRIBER";
      readonly state: string;
    }
    | {
      readonly event: "track";
      readonly sid: string;
      readonly mid: string;
      readonly kind: "video" | "audio";
      readonly codec: string;
    }
    | { readonly event: "first_packet"; readonly sid: string; readonly padding: boolean }
    | { readonly event: "track_ended"; readonly sid: string }
    | { readonly event: "packets"; readonly tracks: Readonly<Record<string, PionCounts>> }
    | { readonly event: "stream_state"; readonly sid: string; readonly state: "ACTIVE" | "PAUSED" }
    | { readonly event: "refused"; readonly reason: string; readonly message: string }
    | { readonly event: "leave"; readonly reason: string; readonly action: string }
    | { readonly event: "error"; readonly message: string }
  );

/** How it joins. */
export interface PionJoin {
  readonly single: boolean;
  /** Negotiates VP8 and opus alone, without RTX; pion's defaults if absent. */
  readonly bare?: boolean;
  /** Negotiates redundant audio, too. */
  readonly red?: boolean;
  /** Negotiates absolute capture time, and says it of all that is published. */
  readonly captures?: boolean;
  /** Media goes to another UDP port instead of each one named, none by TCP. */
  readonly reroute?: Readonly<Record<number, number>>;
  readonly relay?: {
    readonly urls: readonly string[];
    readonly username: string;
    readonly credential: string;
  };
}

/** One pion participant. Its calls resolve when the program says so; dispose it to leave. */
export class PionPeer implements AsyncDisposable {
  readonly identity: string;
  readonly #process: PeerProcess<PionEvent>;
  readonly #cids = new Map<string, string>();
  #published = 0;

  private constructor(identity: string, command: readonly string[]) {
    this.identity = identity;
    const [program, ...args] = command;
    this.#process = new PeerProcess(`${identity}, a pion peer,`, { program: program!, args });
  }

  /**
   * Builds the program if need be, and starts it; it has not joined yet.
   *
   * @param inside Argument list that runs a program elsewhere; absent: here.
   */
  static async start(
    identity: string,
    inside: (program: string) => readonly string[] = (program) => [program],
  ): Promise<PionPeer> {
    return new PionPeer(identity, inside(await pionProgram()));
  }

  /**
   * Joins; resolves when the server has said so.
   *
   * @param options.single One peer connection (`/rtc/v1`) or two (`/rtc`).
   * @param options.bare VP8 and opus alone, without RTX.
   * @param options.red Redundant audio, too.
   * @param options.captures Absolute capture time.
   * @param options.reroute Other ports than the server's, as those of a proxy.
   * @param options.relay The one way there is; absent: any but a relay.
   */
  async connect(server: string, token: string, options: PionJoin): Promise<void> {
    const { single, bare, red, captures, relay } = options;
    const reroute = options.reroute && Object.fromEntries(
      Object.entries(options.reroute).map(([port, other]) => [port, String(other)]),
    );
    const url = joinUrl(server, token, {
      flavour: single ? "v1" : "v0",
      clientInfo: { sdk: ClientInfo_SDK.GO, version: "2.4.0" },
    });
    await this.#process.write({ do: "connect", url, single, bare, red, captures, relay, reroute });
    await this.#process.event("joined");
  }

  /** Announces a track, waits for its name and sends it; resolves with its sid. */
  async publish(track: PionTrack): Promise<string> {
    const cid = `${this.identity}-${track.kind}-${++this.#published}`;
    const source = track.kind === "video" ? "CAMERA" : "MICROPHONE";
    await this.#process.write({ do: "publish", cid, source, ...track });
    const { sid } = await this.#process.event("published", (published) => published.cid === cid);
    this.#cids.set(sid, cid);
    return sid;
  }

  async unpublish(sid: string): Promise<void> {
    await this.#process.write({ do: "unpublish", cid: this.#cids.get(sid) });
  }

  /** All events of one kind so far. */
  all<N extends PionEvent["event"]>(name: N): Extract<PionEvent, { event: N }>[] {
    return this.#process.all(name);
  }

  /** The first event of a kind that `matches`, past or to come. */
  event<N extends PionEvent["event"]>(
    name: N,
    matches?: (event: Extract<PionEvent, { event: N }>) => boolean,
  ): Promise<Extract<PionEvent, { event: N }>> {
    return this.#process.event(name, matches);
  }

  /** What has arrived of a track; `undefined` before its first packets. */
  counts(sid: string): PionCounts | undefined {
    return this.all("packets").at(-1)?.tracks[sid];
  }

  /** Anything that a healthy call does not have. */
  errors(): string[] {
    const unhealthy = this.all("connection")
      .filter(({ state }) => ["disconnected", "failed"].includes(state));
    return [
      ...this.all("error").map(({ message }) => message),
      ...this.all("leave").map(({ reason, action }) => `told to leave: ${reason}, ${action}`),
      ...this.all("refused").map(({ reason, message }) => `refused: ${reason} ${message}`),
      ...unhealthy.map(({ target, state }) => `the ${target} connection is ${state}`),
    ];
  }

  /** What happened last, for the message of a failing test. */
  story(): readonly unknown[] {
    return [...this.#process.story(), ...this.errors()];
  }

  /** Leaves as a client does, and ends the process. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

/** Path of the program that joins by itself. */
function pionProgram(): Promise<string> {
  return peerProgram ??= buildPion("pion_peer", ".");
}
let peerProgram: Promise<string> | undefined;

/** Path of the program that knows nothing of signalling. */
export function pionDataProgram(): Promise<string> {
  return dataProgram ??= buildPion("pion_data", "./data");
}
let dataProgram: Promise<string> | undefined;

/** Builds one of the programs, once for each run of tests. */
function buildPion(name: string, folderOfProgram: string): Promise<string> {
  return cachedBuild(name, async (folder) => {
    const go = goPath();
    if (go === undefined) throw new Error("Go is not installed");
    const built = `${folder}/${name}`;
    const command = new Deno.Command(go, {
      // A Go that is too old is not to fetch another one, nor ask the repository for its state.
      env: { GOTOOLCHAIN: "local", GOFLAGS: "-mod=readonly -buildvcs=false", CGO_ENABLED: "0" },
      args: ["build", "-o", built, folderOfProgram],
      cwd: SOURCES,
      stdout: "piped",
      stderr: "piped",
    });
    const { success, stderr } = await command.output();
    if (!success) throw new Error(`go build failed: ${new TextDecoder().decode(stderr)}`);
    return built;
  });
}
