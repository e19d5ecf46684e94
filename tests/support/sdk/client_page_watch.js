/**
 * Adds to the client page what tests of a codec switch need: a codec that is refused, and when
 * pictures are shown. Method contracts: `browser_client.ts`.
 */
"use strict";
(() => {
  const { methods, element, refuse, withoutTypes } = globalThis.testClient;
  /** When pictures were shown, by track sid. */
  const shown = new Map();

  methods.refuseCodec = (mime) => {
    const name = mime.split("/")[1];
    refuse(mime, (sdp) => {
      const types = [...sdp.matchAll(/a=rtpmap:(\d+) ([^/\r\n]+)/g)]
        .filter(([, , codec]) => codec.toUpperCase() === name).map(([, type]) => type);
      const rtx = [...sdp.matchAll(/a=fmtp:(\d+) apt=(\d+)/g)]
        .filter(([, , apt]) => types.includes(apt)).map(([, type]) => type);
      return withoutTypes(sdp, [...types, ...rtx]);
    });
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
