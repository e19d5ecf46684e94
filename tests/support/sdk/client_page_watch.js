/**
 * Adds to the client page what tests of a codec switch need: a codec that is refused, and when
 * pictures are shown. Method contracts: `browser_client.ts`.
 */
"use strict";
(() => {
  const { methods, element } = globalThis.testClient;
  /** When pictures were shown, by track sid. */
  const shown = new Map();

  methods.refuseCodec = (mime) => {
    const name = mime.split("/")[1];
    const bare = (sdp) => {
      const types = [...sdp.matchAll(/a=rtpmap:(\d+) ([^/\r\n]+)/g)]
        .filter(([, , codec]) => codec.toUpperCase() === name).map(([, type]) => type);
      const rtx = [...sdp.matchAll(/a=fmtp:(\d+) apt=(\d+)/g)]
        .filter(([, , apt]) => types.includes(apt)).map(([, type]) => type);
      const refused = new Set([...types, ...rtx]);
      return sdp.split("\r\n").filter((line) => {
        const [, type] = /^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /.exec(line) ?? [];
        return !refused.has(type);
      }).map((line) => {
        if (!line.startsWith("m=video")) return line;
        const [kind, port, protocol, ...types] = line.split(" ");
        return [kind, port, protocol, ...types.filter((type) => !refused.has(type))].join(" ");
      }).join("\r\n");
    };
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
  };

  methods.watchPictures = (sid) => {
    const times = [];
    shown.set(sid, times);
    const video = element(sid);
    const note = (now) => {
      times.push(now);
      video.requestVideoFrameCallback(note);
    };
    video.requestVideoFrameCallback(note);
  };
  methods.shownPictures = (sid) => shown.get(sid);
})();
