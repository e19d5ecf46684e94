/**
 * Adds a WHIP or WHEP session (RFC 9725) to the client page: one RTCPeerConnection and `fetch`, and
 * nothing of LiveKit. Method contracts: `whip_client.ts`.
 */
"use strict";
(() => {
  const { methods, drawnTrack, toneTrack, cornerColor } = globalThis.testClient;
  const messages = [];
  const inbound = [];
  let pc;
  let channel;
  let resource;
  let token;
  let etag;
  let mid;

  async function gathered() {
    if (pc.iceGatheringState === "complete") return;
    await new Promise((resolve) => {
      pc.addEventListener("icegatheringstatechange", () => {
        if (pc.iceGatheringState === "complete") resolve();
      });
    });
  }

  function addSending({ video, audio, simulcast, rids = ["q", "f"], direction = "sendonly" }) {
    const stream = new MediaStream();
    const streams = [stream];
    if (audio) pc.addTransceiver(toneTrack(audio.hz).track, { direction, streams });
    if (!video) return;
    const { track } = drawnTrack({ width: 640, height: 360, fps: 15, color: video.color });
    const sendEncodings = simulcast
      ? [{ rid: rids[0], scaleResolutionDownBy: 2 }, { rid: rids[1], maxBitrate: 500_000 }]
      : [{ maxBitrate: 500_000 }];
    pc.addTransceiver(track, { direction, streams, sendEncodings });
  }

  function listen() {
    pc.addEventListener("track", ({ track, streams, transceiver }) => {
      const element = document.createElement(track.kind);
      element.autoplay = true;
      element.muted = track.kind === "video";
      element.srcObject = new MediaStream([track]);
      document.body.append(element);
      inbound.push({ track, stream: streams[0]?.id ?? "", transceiver, element });
    });
    if (channel === undefined) return;
    channel.binaryType = "arraybuffer";
    channel.addEventListener("message", ({ data }) => {
      messages.push(typeof data === "string" ? data : new TextDecoder().decode(data));
    });
  }

  methods.whipJoin = async (url, accessToken, options) => {
    token = accessToken;
    pc = new RTCPeerConnection();
    if (options.channel !== undefined) channel = pc.createDataChannel(options.channel);
    addSending(options);
    for (const kind of options.receive ?? []) pc.addTransceiver(kind, { direction: "recvonly" });
    listen();
    await pc.setLocalDescription();
    if (options.gather) await gathered();
    const info = options.wanted && JSON.stringify({
      subscribedParticipantTrackNames: options.wanted,
    });
    const response = await fetch(`${url}${options.endpoint ?? "/whip/v1"}`, {
      method: "POST",
      headers: {
        "Content-Type": "application/sdp",
        "Authorization": `Bearer ${token}`,
        ...(info === undefined ? {} : { "X-LiveKit-ClientInfo": info }),
      },
      body: pc.localDescription.sdp,
    });
    const body = await response.text();
    const { headers, status } = response;
    const outcome = {
      status,
      body,
      location: headers.get("location") ?? "",
      etag: headers.get("etag") ?? "",
      link: headers.get("link") ?? "",
      type: headers.get("content-type") ?? "",
    };
    if (status !== 201) return outcome;
    resource = new URL(outcome.location, response.url).href;
    etag = outcome.etag;
    mid = /a=group:BUNDLE (\S+)/.exec(pc.localDescription.sdp)?.[1];
    await pc.setRemoteDescription({ type: "answer", sdp: body });
    return outcome;
  };

  function call(method, headers = {}, body = undefined) {
    return fetch(resource, {
      method,
      headers: { "Authorization": `Bearer ${token}`, ...headers },
      ...(body === undefined ? {} : { body }),
    });
  }

  function lines(sdp, pattern) {
    return sdp.split(/\r?\n/).filter((line) => pattern.test(line));
  }

  /** The transport's lines of our own description, as a fragment. */
  function fragment() {
    const { sdp } = pc.localDescription;
    const [ufrag] = lines(sdp, /^a=ice-ufrag:/);
    const [pwd] = lines(sdp, /^a=ice-pwd:/);
    const candidates = new Set(lines(sdp, /^a=candidate:/));
    return [ufrag, pwd, "m=audio 9 UDP/TLS/RTP/SAVPF 0", `a=mid:${mid}`, ...candidates, ""]
      .join("\r\n");
  }

  function patch(ifMatch, body) {
    const headers = {
      "Content-Type": "application/trickle-ice-sdpfrag",
      "If-Match": ifMatch,
    };
    return call("PATCH", headers, body);
  }

  methods.whipTrickle = async () => {
    await gathered();
    return (await patch(etag, fragment())).status;
  };

  methods.whipRestart = async () => {
    await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
    await gathered();
    const response = await patch("*", fragment());
    if (response.status !== 200) throw new Error(`restart: ${response.status}`);
    const answer = await response.text();
    etag = response.headers.get("etag");
    const [ufrag] = lines(answer, /^a=ice-ufrag:/);
    const [pwd] = lines(answer, /^a=ice-pwd:/);
    const sdp = pc.remoteDescription.sdp
      .replace(/^a=candidate:.*\r\n/gm, "")
      .replace(/^a=ice-ufrag:.*$/gm, `${ufrag}\r\n${lines(answer, /^a=candidate:/).join("\r\n")}`)
      .replace(/^a=ice-pwd:.*$/gm, pwd);
    await pc.setRemoteDescription({ type: "answer", sdp });
    return etag;
  };

  methods.whipLayer = async (wish) => {
    const headers = { "Authorization": `Bearer ${token}`, "Content-Type": "application/json" };
    const body = JSON.stringify(wish);
    return (await fetch(`${resource}/layer`, { method: "POST", headers, body })).status;
  };

  methods.whipDelete = async () => (await call("DELETE")).status;
  methods.whipClose = () => pc.close();
  methods.whipSend = (text) => channel.send(text);
  methods.whipMessages = () => messages;
  methods.whipState = () => ({
    connection: pc.connectionState,
    ice: pc.iceConnectionState,
    channel: channel?.readyState ?? "none",
  });

  methods.whipInbound = () =>
    Promise.all(inbound.map(async ({ track, stream, transceiver, element }) => {
      const report = await transceiver.receiver.getStats();
      const stat = [...report.values()].find((one) => one.type === "inbound-rtp") ?? {};
      return {
        kind: track.kind,
        // A track of a transceiver that was there before keeps the id it had.
        sid: stream.split("|")[1] ?? "",
        framesDecoded: stat.framesDecoded ?? 0,
        packetsReceived: stat.packetsReceived ?? 0,
        packetsLost: stat.packetsLost ?? 0,
        frameHeight: stat.frameHeight ?? 0,
        ssrc: stat.ssrc ?? 0,
        audioEnergy: stat.totalAudioEnergy ?? 0,
        color: cornerColor(element),
      };
    }));
})();
