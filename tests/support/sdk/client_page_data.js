/**
 * Adds streams, remote procedure calls and data tracks to the client page. Method contracts:
 * `data_client.ts`.
 */
"use strict";
(() => {
  const { RoomEvent } = globalThis.LivekitClient;
  const { methods, room } = globalThis.testClient;
  const texts = [];
  const files = [];
  const frames = [];
  const ownTracks = new Map();

  function sum(bytes) {
    let value = 0;
    for (const byte of bytes) value = (value * 31 + byte) >>> 0;
    return value;
  }

  async function collect(track) {
    const decoder = new TextDecoder();
    for await (const { payload } of track.subscribe()) {
      const { publisherIdentity: from, info } = track;
      frames.push({ from, name: info.name, text: decoder.decode(payload) });
    }
  }

  methods.listenForData = () => {
    room().registerTextStreamHandler("chat", async (reader, { identity }) => {
      texts.push({ from: identity, text: await reader.readAll() });
    });
    room().registerByteStreamHandler("files", async (reader, { identity }) => {
      const chunks = await reader.readAll();
      const bytes = new Uint8Array(await new Blob(chunks).arrayBuffer());
      files.push({ from: identity, name: reader.info.name, size: bytes.length, sum: sum(bytes) });
    });
    room().registerRpcMethod("greet", ({ callerIdentity, payload }) => {
      return Promise.resolve(`${payload} ${callerIdentity}`);
    });
    room().on(RoomEvent.DataTrackPublished, collect);
    for (const { dataTracks } of room().remoteParticipants.values()) {
      for (const track of dataTracks?.values() ?? []) collect(track);
    }
  };

  methods.sendText = (text, to) =>
    room().localParticipant.sendText(text, {
      topic: "chat",
      ...(to === undefined ? {} : { destinationIdentities: to }),
    }).then(() => {});

  methods.sendFile = async (name, size) => {
    const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
    await room().localParticipant.sendFile(new File([bytes], name), { topic: "files" });
    return sum(bytes);
  };

  methods.performRpc = (destinationIdentity, method, payload) =>
    room().localParticipant.performRpc({ destinationIdentity, method, payload });

  methods.publishDataTrack = async (name) => {
    ownTracks.set(name, await room().localParticipant.publishDataTrack({ name }));
  };
  methods.pushFrame = (name, text) => {
    ownTracks.get(name).tryPush({ payload: new TextEncoder().encode(text) });
  };
  methods.unpublishDataTrack = (name) => ownTracks.get(name).unpublish();
  methods.heardData = () => ({ texts, files, frames });
})();
