"""A WHEP viewer on aiortc, with its own defaults: aiortc_whep.py <http://host:port> <token>.

Tells every second the mean colour of the picture's corner, its height, and how loud the sound was at
most.
"""

import asyncio
import sys
import time

import numpy
from aiortc import RTCPeerConnection
from aiortc.mediastreams import MediaStreamError

import aiortc_session
import common

CORNER = 16


class Seen:
    """What was received last."""

    def __init__(self):
        self.color, self.sound = None, 0
        self.told = 0.0

    async def watch(self, track):
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if track.kind == "audio":
                self.sound = max(self.sound, int(numpy.abs(frame.to_ndarray()).max()))
            elif self.is_due():
                corner = frame.to_ndarray(format="rgb24")[:CORNER, :CORNER]
                self.color = [int(part) for part in corner.mean(axis=(0, 1))]
                common.tell("seen", color=self.color, height=frame.height, sound=self.sound)

    def is_due(self):
        now = time.monotonic()
        if now - self.told < 1:
            return False
        self.told = now
        return True


async def main(server, token):
    connection = RTCPeerConnection()
    aiortc_session.tell_states(connection)
    seen = Seen()
    tasks = []
    connection.on("track", lambda track: tasks.append(asyncio.ensure_future(seen.watch(track))))
    connection.addTransceiver("video", direction="recvonly")
    connection.addTransceiver("audio", direction="recvonly")
    await aiortc_session.hold(connection, f"{server}/whep/v1", token)


asyncio.run(main(*sys.argv[1:]))
