"""A WHIP publisher on aiortc, with its own defaults: aiortc_whip.py <http://host:port> <token>."""

import asyncio
import sys

import av
from aiortc import MediaStreamTrack, RTCPeerConnection
from fractions import Fraction

import aiortc_session
import common


class Paced(MediaStreamTrack):
    """Frames at the pace of their time stamps."""

    def __init__(self, kind, rate, step, make):
        super().__init__()
        self.kind = kind
        self.rate, self.step, self.make = rate, step, make
        self.number, self.began = 0, None

    async def recv(self):
        now = asyncio.get_running_loop().time()
        self.began = self.began or now
        stamp = self.number * self.step
        await asyncio.sleep(max(0, self.began + stamp / self.rate - now))
        frame = self.make(self.number)
        frame.pts, frame.time_base = stamp, Fraction(1, self.rate)
        self.number += 1
        return frame


def video_frame(number):
    return av.VideoFrame.from_ndarray(common.picture(number), "rgb24")


def audio_frame(number):
    frame = av.AudioFrame.from_ndarray(common.tone(number).reshape(1, -1), "s16", "mono")
    frame.sample_rate = common.SAMPLE_RATE
    return frame


async def main(server, token):
    connection = RTCPeerConnection()
    aiortc_session.tell_states(connection)
    clock = 90_000
    video = Paced("video", clock, clock // common.FRAMES_PER_SECOND, video_frame)
    connection.addTrack(Paced("audio", common.SAMPLE_RATE, common.SAMPLES, audio_frame))
    connection.addTrack(video)
    await aiortc_session.hold(connection, f"{server}/whip/v1", token)


asyncio.run(main(*sys.argv[1:]))
