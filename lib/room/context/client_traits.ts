/**
 * What a client can and cannot do, by its protocol version and by what it says it is.
 *
 * Pure. Every exception the server makes for a client is named here and nowhere else. Sources:
 * LiveKit's server 1.13.5, `pkg/rtc/types/protocol_version.go`, `pkg/rtc/clientinfo.go` and
 * `pkg/clientconfiguration/conf.go`; faults of SDKs and browsers that tests here show.
 *
 * @module
 */
import { ClientInfo, ClientInfo_Capability, ClientInfo_SDK } from "@livekit/protocol";
import { FLEXFEC_MIME } from "../../base/media_vocabulary.ts";

/** A codec as negotiation names it; every variant of it. */
interface DisabledCodec {
  readonly mime: string;
  readonly fmtp: "";
}

/**
 * What an answer has to be applied before padding follows it, ms: on a busy machine 400 is too
 * short.
 */
const FIREFOX_OPEN_AFTER_MS = 2_000;

/** Answers about one client. */
export class ClientTraits {
  constructor(readonly info: ClientInfo) {}

  get protocol(): number {
    return this.info.protocol;
  }

  get isFirefox(): boolean {
    return /^firefox( mobile)?$/i.test(this.info.browser);
  }

  get isSafari(): boolean {
    return /^safari$/i.test(this.info.browser);
  }

  /** OBS sends RTCP sender reports for one of its simulcast layers only. */
  get incompleteSenderReports(): boolean {
    return this.info.browser.includes("OBS");
  }

  /** The subscriber connection carries data and decides when a participant is ACTIVE. */
  get subscriberPrimary(): boolean {
    return this.protocol > 2;
  }

  /** Reads `SpeakersChanged`. */
  get speakerChanges(): boolean {
    return this.protocol > 2;
  }

  get reusesTransceivers(): boolean {
    return this.protocol > 3 && !this.isSafari;
  }

  /** Tracks that exist already are in the first subscriber offer. */
  get fastStart(): boolean {
    return this.protocol > 7;
  }

  get trackUnpublished(): boolean {
    return this.protocol > 6;
  }

  get disconnectedUpdatesOnResume(): boolean {
    return this.protocol > 8;
  }

  /** Tells sessions of one identity apart, so that the end of an older one needs no telling. */
  get identityBasedReconnection(): boolean {
    return this.protocol > 11;
  }

  /** Reads `LeaveRequest.action`; older clients only `can_reconnect`. */
  get leaveAction(): boolean {
    return this.protocol > 12;
  }

  /** Wants a response to requests that went well, too. */
  get successResponses(): boolean {
    return this.protocol > 14;
  }

  /** Rust before protocol 10 ends the connection on messages it does not know. */
  get requestResponses(): boolean {
    return this.info.sdk !== ClientInfo_SDK.RUST || this.protocol >= 10;
  }

  /** JavaScript before 1.6.3 cannot read a `ReconnectResponse`. */
  get reconnectResponse(): boolean {
    return this.info.sdk !== ClientInfo_SDK.JS || compareVersions(this.info.version, "1.6.3") >= 0;
  }

  /**
   * Go raises a video track only when its packets come, so the description alone proves nothing.
   */
  get publishesByDescription(): boolean {
    return this.info.sdk !== ClientInfo_SDK.GO;
  }

  /**
   * How long the offer of a join request waits, ms. Go (2.19) reads what comes behind the join
   * response before it has taken that offer for its own, and an answer that is too early for it
   * fails, and its join after five seconds. LiveKit answers some milliseconds late by itself.
   */
  get joinOfferWaitMs(): number {
    return this.info.sdk === ClientInfo_SDK.GO ? 50 : 0;
  }

  /** Firefox on Linux and Android sends its own first codec whatever order the answer has. */
  get followsAnswerOrder(): boolean {
    return !(this.isFirefox && /^(linux|android)$/i.test(this.info.os));
  }

  /** Goes on with a track whose codec changes to another of those it accepted. */
  get followsCodecChange(): boolean {
    return this.info.sdk !== ClientInfo_SDK.GO && this.info.sdk !== ClientInfo_SDK.UNKNOWN;
  }

  /**
   * What media has to come first, ms, before padding may open a stream that was accepted in an
   * answer of ours. Firefox (153) that gets padding before it has applied the answer shows a
   * picture a second at most from then on.
   */
  get openAfterAnswerMs(): number | undefined {
    return this.isFirefox ? FIREFOX_OPEN_AFTER_MS : undefined;
  }

  /**
   * Whose own address goes away while its data channels have something to send, if only their
   * heartbeat every 30 s, loses DTLS for good: Firefox (153) takes the failed `send` for the end of
   * it, and though ICE comes back by a restart, nothing goes over it any more. Firefox on iOS is
   * WebKit.
   */
  get losesDtls(): boolean {
    return this.isFirefox && !/^ios$/i.test(this.info.os);
  }

  /** Takes off and reads what publishers put behind their frames (`packet_trailer.ts`). */
  get readsTrailers(): boolean {
    return this.info.capabilities.includes(ClientInfo_Capability.CAP_PACKET_TRAILER);
  }

  /** Go opens no TCP connections for ICE; Swift does since 1.0.5. */
  get iceOverTcp(): boolean {
    const { sdk, version } = this.info;
    if (sdk === ClientInfo_SDK.SWIFT) return compareVersions(version, "1.0.5") >= 0;
    return sdk !== ClientInfo_SDK.GO;
  }

  /** Codecs that do not work in this client in either direction. */
  get disabledCodecs(): readonly DisabledCodec[] {
    return this.isSafari ? [every("video/AV1")] : [];
  }

  /** Codecs that this client decodes, but cannot be let send. */
  get disabledPublishCodecs(): readonly DisabledCodec[] {
    const { browserVersion, deviceModel, os } = this.info;
    if (this.isSafari && compareVersions(browserVersion, "18.3") > 0) return [every("video/VP9")];
    const isFirefox = this.isFirefox && /^(linux|android)$/i.test(os);
    const isXiaomi = /^xiaomi 2201117ti$/i.test(deviceModel) && /^android$/i.test(os);
    return isFirefox || isXiaomi ? [every("video/H264")] : [];
  }

  /** Codecs the client may publish and cannot, or had better not, receive. */
  get disabledReceiveCodecs(): readonly DisabledCodec[] {
    // Older ones of pion take the SSRC of repair for one more track.
    if (this.info.sdk === ClientInfo_SDK.GO) return [every(FLEXFEC_MIME)];
    return this.isFirefox || this.isSafari ? [every("audio/red"), every(FLEXFEC_MIME)] : [];
  }
}

function every(mime: string): DisabledCodec {
  return { mime, fmtp: "" };
}

/** Compares dotted numbers; missing parts are 0 and text after the numbers is ignored. */
function compareVersions(a: string, b: string): number {
  const left = a.split(".");
  const right = b.split(".");
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (parseInt(left[i] ?? "0", 10) || 0) - (parseInt(right[i] ?? "0", 10) || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
