/**
 * The browser half of `browser_client.ts`: one participant of livekit-client with synthetic camera,
 * screen and microphone, whose every method takes and returns JSON values. Plain script, because it
 * runs in the page as it is. Method contracts: `SdkClient` in `sdk_client.ts`.
 */
"use strict";
(() => {
  const {
    BackupCodecPolicy,
    DataPacket_Kind,
    DisconnectReason,
    Room,
    RoomEvent,
    Track,
    VideoPreset,
    VideoQuality,
  } = globalThis.LivekitClient;

  /** Side of the corner whose colour is reported, as a part of the picture. */
  const CORNER = 0.15;

  const errors = [];
  const consoleError = console.error.bind(console);
  console.error = (...parts) => {
    errors.push(parts.map(String).join(" "));
    consoleError(...parts);
  };
  addEventListener("error", (event) => errors.push(`uncaught: ${event.message}`));
  addEventListener("unhandledrejection", (event) => errors.push(`unhandled: ${event.reason}`));

  let room;
  let joinStartedAt = 0;
  let connectedMs;
  let firstFrameMs;
  let reconnects = 0;
  let disconnectReason;
  const subscribedEvents = {};
  const unsubscribedEvents = {};
  const departed = [];
  const streamStates = [];
  const data = [];
  /** Stops the synthetic source of a published track, by track sid. */
  const stopSource = new Map();
  /** Media elements of subscribed tracks, by track sid. */
  const elements = new Map();
  /** Analyser nodes of subscribed audio tracks, by track sid. */
  const analysers = new Map();
  /** Called when the first picture of a track is shown, by track sid. */
  const pictureWaits = new Map();
  let audioContext;

  function context() {
    audioContext ??= new AudioContext();
    return audioContext;
  }

  async function connect(url, token, options) {
    const { autoSubscribe = true, rtcConfig = {}, ownPatience, ...others } = options;
    const { refusedCodec, ...roomOptions } = others;
    if (refusedCodec !== undefined) methods.refuseCodec(refusedCodec);
    room = new Room(roomOptions);
    listen(room);
    joinStartedAt = performance.now();
    // Patience for a busy machine; by themselves they wait for 15 s.
    const patience = ownPatience ? {} : { peerConnectionTimeout: 45_000, websocketTimeout: 45_000 };
    await room.connect(url, token, { autoSubscribe, rtcConfig, ...patience });
    connectedMs = performance.now() - joinStartedAt;
  }

  function listen(room) {
    room
      .on(RoomEvent.TrackSubscribed, (track, publication) => {
        const sid = publication.trackSid;
        subscribedEvents[sid] = (subscribedEvents[sid] ?? 0) + 1;
        const element = track.attach();
        document.body.append(element);
        elements.set(sid, element);
        if (track.kind === Track.Kind.Video) noteFirstFrame(element, sid);
        else listenTo(sid, track.mediaStreamTrack);
      })
      .on(RoomEvent.TrackUnsubscribed, (track, publication) => {
        const sid = publication.trackSid;
        unsubscribedEvents[sid] = (unsubscribedEvents[sid] ?? 0) + 1;
        for (const element of track.detach()) element.remove();
        elements.delete(sid);
        analysers.delete(sid);
      })
      .on(RoomEvent.TrackStreamStateChanged, (publication, state) => {
        streamStates.push({ sid: publication.trackSid, state });
      })
      .on(RoomEvent.ParticipantDisconnected, (participant) => departed.push(participant.identity))
      .on(RoomEvent.DataReceived, (payload, participant, kind, topic) => {
        data.push({
          from: participant?.identity ?? "",
          text: new TextDecoder().decode(payload),
          topic: topic ?? "",
          reliable: kind === DataPacket_Kind.RELIABLE,
        });
      })
      .on(RoomEvent.Reconnecting, () => reconnects++)
      .on(RoomEvent.SignalReconnecting, () => reconnects++)
      .on(RoomEvent.Disconnected, (reason) => {
        disconnectReason = reason === undefined ? "none" : DisconnectReason[reason];
      });
  }

  function noteFirstFrame(element, sid) {
    element.requestVideoFrameCallback(() => {
      firstFrameMs ??= performance.now() - joinStartedAt;
      pictureWaits.get(sid)?.();
    });
  }

  /** Subscribes, and says how long the first picture took, ms. */
  async function timeToPicture(sid) {
    const shown = new Promise((resolve) => pictureWaits.set(sid, resolve));
    const began = performance.now();
    setSubscribed(sid, true);
    await shown;
    return performance.now() - began;
  }

  function listenTo(sid, mediaStreamTrack) {
    const analyser = context().createAnalyser();
    analyser.fftSize = 4096;
    context().createMediaStreamSource(new MediaStream([mediaStreamTrack])).connect(analyser);
    analysers.set(sid, analyser);
  }

  /** A canvas with a still, coloured corner and a bar that moves, so every frame differs. */
  function drawnTrack({ width, height, fps, color, noise }) {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const paint = canvas.getContext("2d");
    const part = noise === true ? 0.5 : noise;
    const grain = part ? paint.createImageData(width, Math.floor(height * part)) : undefined;
    let frame = 0;
    const draw = () => {
      paint.fillStyle = `rgb(${color.join(" ")})`;
      paint.fillRect(0, 0, width, height);
      if (grain) {
        const words = new Uint32Array(grain.data.buffer);
        for (let i = 0; i < words.length; i++) words[i] = 0xff000000 | (Math.random() * 0xffffff);
        paint.putImageData(grain, 0, Math.floor(height / 2));
      }
      paint.fillStyle = "white";
      paint.fillRect((frame * 8) % width, height * 0.4, width / 10, height * 0.5);
      frame++;
    };
    draw();
    const timer = setInterval(draw, 1000 / fps);
    const [track] = canvas.captureStream(fps).getVideoTracks();
    return { track, stop: () => clearInterval(timer) };
  }

  /** A pure tone. */
  function toneTrack(hz) {
    const oscillator = context().createOscillator();
    oscillator.frequency.value = hz;
    const gain = context().createGain();
    gain.gain.value = 0.5;
    const sink = context().createMediaStreamDestination();
    oscillator.connect(gain).connect(sink);
    oscillator.start();
    const [track] = sink.stream.getAudioTracks();
    return { track, stop: () => oscillator.stop() };
  }

  async function publishVideo(options) {
    const source = options.source ?? "camera";
    const { width = 640, height = 360, fps = 15, maxBitrate = 700_000 } = options;
    const { color = [40, 120, 200], noise = false } = options;
    const { track, stop } = drawnTrack({ width, height, fps, color, noise });
    const layers = [4, 2].map((divisor) =>
      new VideoPreset(width / divisor, height / divisor, maxBitrate / (divisor * 2), fps)
    );
    const encoding = { maxBitrate, maxFramerate: fps };
    const publication = await room.localParticipant.publishTrack(track, {
      source,
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.sdkDefaults ? {} : {
        simulcast: options.simulcast ?? false,
        videoCodec: options.codec ?? "vp8",
        ...(options.bothCodecs ? { backupCodecPolicy: BackupCodecPolicy.SIMULCAST } : {}),
        videoEncoding: encoding,
        screenShareEncoding: encoding,
        videoSimulcastLayers: layers,
        screenShareSimulcastLayers: layers,
      }),
    });
    stopSource.set(publication.trackSid, stop);
    return publication.trackSid;
  }

  async function publishAudio(options) {
    const { track, stop } = toneTrack(options.hz ?? 440);
    const publication = await room.localParticipant.publishTrack(track, {
      source: options.source ?? "microphone",
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.red === undefined ? {} : { red: options.red }),
    });
    stopSource.set(publication.trackSid, stop);
    return publication.trackSid;
  }

  function localPublication(sid) {
    const publication = room.localParticipant.trackPublications.get(sid);
    if (!publication) throw new Error(`no local track ${sid}`);
    return publication;
  }

  async function unpublish(sid) {
    await room.localParticipant.unpublishTrack(localPublication(sid).track);
    stopSource.get(sid)?.();
    stopSource.delete(sid);
  }

  async function setMuted(sid, muted) {
    const publication = localPublication(sid);
    await (muted ? publication.mute() : publication.unmute());
  }

  function remotePublication(sid) {
    for (const participant of room.remoteParticipants.values()) {
      const publication = participant.trackPublications.get(sid);
      if (publication) return publication;
    }
    throw new Error(`no remote track ${sid}`);
  }

  function setQuality(sid, quality) {
    remotePublication(sid).setVideoQuality(VideoQuality[quality.toUpperCase()]);
  }

  function setDimensions(sid, width, height) {
    remotePublication(sid).setVideoDimensions({ width, height });
  }

  const setFps = (sid, fps) => remotePublication(sid).setVideoFPS(fps);
  const setEnabled = (sid, enabled) => remotePublication(sid).setEnabled(enabled);
  const setSubscribed = (sid, subscribed) => remotePublication(sid).setSubscribed(subscribed);

  async function sendData(text, { reliable, topic, to }) {
    await room.localParticipant.publishData(new TextEncoder().encode(text), {
      reliable,
      ...(topic === undefined ? {} : { topic }),
      ...(to === undefined ? {} : { destinationIdentities: to }),
    });
  }

  async function snapshot() {
    const { publisher, subscriber } = peerConnections();
    return {
      state: room.state,
      roomName: room.name,
      roomSid: await room.getSid().catch(() => ""),
      local: describeParticipant(room.localParticipant),
      remotes: [...room.remoteParticipants.values()].map(describeParticipant)
        .sort((a, b) => a.identity < b.identity ? -1 : 1),
      subscribedEvents,
      unsubscribedEvents,
      departed,
      reconnects,
      ...(disconnectReason === undefined ? {} : { disconnectReason }),
      mediaSections: {
        ...(publisher ? { publisher: countSections(publisher) } : {}),
        ...(subscriber ? { subscriber: countSections(subscriber) } : {}),
      },
    };
  }

  /** livekit-client has no public way to its connections; these are its 2.x field names. */
  function peerConnections() {
    const manager = room.engine?.pcManager;
    return { publisher: manager?.publisher?._pc, subscriber: manager?.subscriber?._pc };
  }

  function countSections(connection) {
    const sdp = connection.currentLocalDescription?.sdp ?? "";
    const count = (kind) => sdp.split(`\r\nm=${kind} `).length - 1;
    return {
      total: sdp.split("\r\nm=").length - 1,
      application: count("application"),
      audio: count("audio"),
      video: count("video"),
      sdpLength: sdp.length,
    };
  }

  function describeParticipant(participant) {
    return {
      identity: participant.identity,
      sid: participant.sid,
      name: participant.name ?? "",
      metadata: participant.metadata ?? "",
      attributes: { ...participant.attributes },
      speaking: participant.isSpeaking,
      quality: participant.connectionQuality,
      tracks: [...participant.trackPublications.values()].map(describeTrack),
    };
  }

  function describeTrack(publication) {
    return {
      sid: publication.trackSid,
      kind: publication.kind,
      source: publication.source,
      name: publication.trackName,
      muted: publication.isMuted,
      subscribed: publication.isSubscribed ?? false,
      simulcasted: publication.simulcasted ?? false,
      mimeType: publication.mimeType ?? "",
      ...(publication.dimensions ? { dimensions: { ...publication.dimensions } } : {}),
    };
  }

  async function media(sid) {
    const track = remotePublication(sid).track;
    if (!track) throw new Error(`not subscribed to ${sid}`);
    const report = await track.receiver.getStats();
    const inbound = [...report.values()].find((stat) => stat.type === "inbound-rtp") ?? {};
    const codec = report.get(inbound.codecId)?.mimeType;
    const color = cornerColor(elements.get(sid));
    const hz = strongestHz(analysers.get(sid));
    return {
      framesDecoded: inbound.framesDecoded ?? 0,
      frameWidth: inbound.frameWidth ?? 0,
      frameHeight: inbound.frameHeight ?? 0,
      audioEnergy: inbound.totalAudioEnergy ?? 0,
      packetsReceived: inbound.packetsReceived ?? 0,
      packetsLost: inbound.packetsLost ?? 0,
      ...(codec ? { codec } : {}),
      ...(color ? { color } : {}),
      ...(hz ? { hz } : {}),
    };
  }

  /** All that webrtc-stats says of one received track. */
  async function inbound(sid) {
    const report = await remotePublication(sid).track.receiver.getStats();
    return [...report.values()].find((stat) => stat.type === "inbound-rtp") ?? {};
  }

  /**
   * Media goes to another UDP port instead of each one named, and never by TCP: what the server
   * says of its candidates is changed before it is heard.
   */
  function reroute(ports) {
    const changed = (text) =>
      text.split("\r\n").filter((line) => !/candidate:.* tcp /i.test(line)).map((line) =>
        line.replace(
          /(candidate:\S+ \d+ udp \d+ \S+ )(\d+)/i,
          (all, head, port) => ports[port] === undefined ? all : `${head}${ports[port]}`,
        )
      ).join("\r\n");
    const { setRemoteDescription, addIceCandidate } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
      return setRemoteDescription.call(this, { type, sdp: changed(sdp) });
    };
    RTCPeerConnection.prototype.addIceCandidate = function (candidate) {
      const text = changed(candidate?.candidate ?? "");
      if (candidate?.candidate && text === "") return Promise.resolve();
      const { sdpMid, sdpMLineIndex } = candidate ?? {};
      return addIceCandidate.call(this, candidate && { candidate: text, sdpMid, sdpMLineIndex });
    };
  }

  /** A description without payload types of video. */
  function withoutTypes(sdp, refused) {
    return sdp.split("\r\n").filter((line) => {
      const [, type] = /^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /.exec(line) ?? [];
      return !refused.includes(type);
    }).map((line) => {
      if (!line.startsWith("m=video")) return line;
      const [kind, port, protocol, ...types] = line.split(" ");
      return [kind, port, protocol, ...types.filter((type) => !refused.includes(type))].join(" ");
    }).join("\r\n");
  }

  /** No video is received as `mime` from now on; `bare` takes it out of an offer to us. */
  function refuse(mime, bare) {
    const { setRemoteDescription, addTransceiver } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
      return setRemoteDescription.call(this, { type, sdp: type === "offer" ? bare(sdp) : sdp });
    };
    RTCPeerConnection.prototype.addTransceiver = function (kind, init) {
      const transceiver = addTransceiver.call(this, kind, init);
      if (kind === "video") {
        const { codecs } = RTCRtpReceiver.getCapabilities("video");
        transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType !== mime));
      }
      return transceiver;
    };
  }

  /**
   * Received videos have no retransmission from now on: offers say nothing of it to us, and ours
   * nothing to the server.
   */
  function refuseRtx() {
    refuse("video/rtx", (sdp) => {
      const rtx = [...sdp.matchAll(/a=rtpmap:(\d+) rtx\//g)].map(([, type]) => type);
      const streams = [...sdp.matchAll(/a=ssrc-group:FID \d+ (\d+)/g)].map(([, ssrc]) => ssrc);
      return withoutTypes(sdp, rtx).split("\r\n").filter((line) => {
        const [, ssrc] = /^a=ssrc:(\d+) /.exec(line) ?? [];
        return !line.startsWith("a=ssrc-group:FID") && !streams.includes(ssrc);
      }).join("\r\n");
    });
  }

  function cornerColor(element) {
    if (!(element instanceof HTMLVideoElement) || element.videoWidth === 0) return undefined;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 8;
    const paint = canvas.getContext("2d", { willReadFrequently: true });
    const { videoWidth, videoHeight } = element;
    paint.drawImage(element, 0, 0, videoWidth * CORNER, videoHeight * CORNER, 0, 0, 8, 8);
    const { data: pixels } = paint.getImageData(0, 0, 8, 8);
    const sums = [0, 0, 0];
    for (let i = 0; i < pixels.length; i++) if (i % 4 < 3) sums[i % 4] += pixels[i];
    return sums.map((sum) => Math.round(sum / 64));
  }

  function strongestHz(analyser) {
    if (!analyser) return undefined;
    const levels = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(levels);
    let best = 0;
    for (let i = 1; i < levels.length; i++) if (levels[i] > levels[best]) best = i;
    if (!(levels[best] > -60)) return undefined;
    return best * context().sampleRate / analyser.fftSize;
  }

  async function transport(role) {
    const connection = peerConnections()[role];
    if (!connection) return undefined;
    const report = await connection.getStats();
    const stats = [...report.values()];
    const selectedId = stats.find((stat) => stat.type === "transport")?.selectedCandidatePairId;
    const pair = selectedId === undefined
      ? stats.find((stat) => stat.type === "candidate-pair" && stat.selected)
      : report.get(selectedId);
    const local = pair && report.get(pair.localCandidateId);
    return {
      protocol: local?.protocol ?? "unknown",
      candidateType: local?.candidateType ?? "unknown",
      relayProtocol: local?.relayProtocol ?? "",
      availableOutgoingBitrate: pair?.availableOutgoingBitrate ?? 0,
      bytesSent: pair?.bytesSent ?? 0,
      bytesReceived: pair?.bytesReceived ?? 0,
    };
  }

  /** What the encoder sends of one local track, per simulcast layer. */
  async function sentLayers(sid) {
    const report = await localPublication(sid).track.sender.getStats();
    return [...report.values()].filter((stat) => stat.type === "outbound-rtp").map((stat) => ({
      rid: stat.rid ?? "",
      frameWidth: stat.frameWidth ?? 0,
      framesEncoded: stat.framesEncoded ?? 0,
      keyFramesEncoded: stat.keyFramesEncoded ?? 0,
      limitation: stat.qualityLimitationReason ?? "unknown",
      retransmittedPackets: stat.retransmittedPacketsSent ?? 0,
    }));
  }

  /** All that webrtc-stats says of what is sent of one local track. */
  async function outbound(sid) {
    const report = await localPublication(sid).track.sender.getStats();
    return [...report.values()].filter((stat) => stat.type === "outbound-rtp");
  }

  /** The publisher's description of itself, and what the server said to it. */
  function publisherDescriptions() {
    const { publisher } = peerConnections();
    return [publisher.currentLocalDescription.sdp, publisher.currentRemoteDescription.sdp];
  }

  async function disconnect() {
    for (const stop of stopSource.values()) stop();
    stopSource.clear();
    await room?.disconnect();
  }

  const methods = {
    connect,
    disconnect,
    publishVideo,
    publishAudio,
    unpublish,
    setMuted,
    setQuality,
    setDimensions,
    setFps,
    setEnabled,
    setSubscribed,
    sendData,
    receivedData: () => data,
    snapshot,
    media,
    transport,
    sentLayers,
    outbound,
    publisherDescriptions,
    inbound,
    timeToPicture,
    reroute,
    refuseRtx,
    streamStates: () => streamStates,
    timings: () => ({ connectedMs, firstFrameMs }),
    setAttributes: (attributes) => room.localParticipant.setAttributes(attributes),
    simulate: (scenario, arg) => room.simulateScenario(scenario, arg),
    errors: () => errors,
  };

  /** For the other scripts of this page. */
  globalThis.testClient = {
    methods,
    refuse,
    withoutTypes,
    room: () => room,
    element: (sid) => elements.get(sid),
    drawnTrack,
    toneTrack,
    cornerColor,
  };

  /** Calls one method with JSON arguments; the outcome is JSON, too, and never a rejection. */
  globalThis.callTestClient = async (method, argumentsJson) => {
    try {
      const value = await methods[method](...JSON.parse(argumentsJson));
      return JSON.stringify({ value });
    } catch (error) {
      return JSON.stringify({ error: `${error?.name ?? "Error"}: ${error?.message ?? error}` });
    }
  };
})();
