"""A participant of LiveKit's Python SDK that publishes camera and microphone with its default options, and
counts what it receives: livekit_client.py <ws://host:port> <token> <single|dual>."""

import asyncio
import sys

from livekit import rtc

import common

frames = {}


async def count(sid, stream):
    async for _ in stream:
        frames[sid] = frames.get(sid, 0) + 1


async def send_video(source):
    number = 0
    while True:
        pixels = common.picture(number).tobytes()
        frame = rtc.VideoFrame(common.WIDTH, common.HEIGHT, rtc.VideoBufferType.RGB24, pixels)
        source.capture_frame(frame)
        number += 1
        await asyncio.sleep(1 / common.FRAMES_PER_SECOND)


async def send_audio(source):
    number = 0
    while True:
        samples = common.tone(number).tobytes()
        # Waits while the source's queue is full.
        await source.capture_frame(
            rtc.AudioFrame(samples, common.SAMPLE_RATE, 1, common.SAMPLES)
        )
        number += 1


async def tell_counts():
    while True:
        await asyncio.sleep(0.5)
        common.tell("frames", tracks=frames)


async def main(server, token, mode):
    room = rtc.Room()
    tasks = []

    def received(track, publication, participant):
        video = track.kind == rtc.TrackKind.KIND_VIDEO
        stream = rtc.VideoStream(track) if video else rtc.AudioStream(track)
        tasks.append(asyncio.create_task(count(publication.sid, stream)))

    room.on("track_subscribed", received)
    room.on("reconnecting", lambda: common.tell("trouble", what="reconnecting"))
    room.on("disconnected", lambda why: common.tell("disconnected", why=str(why)))
    options = rtc.RoomOptions(single_peer_connection=mode == "single")
    await room.connect(server, token, options)
    common.tell("joined")
    camera = rtc.VideoSource(common.WIDTH, common.HEIGHT)
    microphone = rtc.AudioSource(common.SAMPLE_RATE, 1)
    tasks += [
        asyncio.create_task(task)
        for task in (send_video(camera), send_audio(microphone), tell_counts())
    ]
    published = {}
    for kind, source, track in (
        ("video", rtc.TrackSource.SOURCE_CAMERA, rtc.LocalVideoTrack.create_video_track("camera", camera)),
        ("audio", rtc.TrackSource.SOURCE_MICROPHONE, rtc.LocalAudioTrack.create_audio_track("microphone", microphone)),
    ):
        publication = await room.local_participant.publish_track(
            track, rtc.TrackPublishOptions(source=source)
        )
        published[kind] = publication.sid
    common.tell("published", **published)
    await common.input_ended()
    for task in tasks:
        task.cancel()
    await room.disconnect()


asyncio.run(main(*sys.argv[1:]))
