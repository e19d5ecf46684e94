"""What the peers in Python share: media to publish, and lines of JSON for the test that started them."""

import asyncio
import json
import math
import sys
import urllib.request

import numpy

WIDTH, HEIGHT, FRAMES_PER_SECOND = 320, 180, 15
COLOR = (40, 160, 60)
TONE_HZ = 600
SAMPLE_RATE = 48_000
# Of one packet of Opus: 20 ms.
SAMPLES = SAMPLE_RATE // 50


def tell(event, **fields):
    """Writes one line for the test."""
    print(json.dumps({"event": event, **fields}), flush=True)


def picture(number):
    """Pixels in RGB: one colour, and a bar that moves with the number."""
    pixels = numpy.full((HEIGHT, WIDTH, 3), COLOR, numpy.uint8)
    left = number * 4 % (WIDTH - 32)
    pixels[HEIGHT // 2 :, left : left + 32] = 255
    return pixels


def tone(number):
    """The samples of one packet, mono, 16 bits."""
    phases = 2 * math.pi * TONE_HZ * (numpy.arange(SAMPLES) + number * SAMPLES) / SAMPLE_RATE
    return (numpy.sin(phases) * 0x3FFF).astype(numpy.int16)


async def input_ended():
    """Waits until the test closes our input, which it also does by ending."""
    await asyncio.to_thread(sys.stdin.read)


def request(method, url, token, body=None, content_type=None):
    """One request of WHIP (RFC 9725); returns status, headers and body."""
    headers = {"Authorization": f"Bearer {token}"}
    if content_type is not None:
        headers["Content-Type"] = content_type
    data = None if body is None else body.encode()
    call = urllib.request.Request(url, data=data, headers=headers, method=method)
    with urllib.request.urlopen(call, timeout=30) as response:
        return response.status, response.headers, response.read().decode()
