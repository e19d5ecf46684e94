"""What FFmpeg's muxers are given to publish: pictures and sound at their own pace, until the test is done."""

import select
import sys
import time

import av

import common


def publish(container, codec, options):
    """Encodes and muxes until our input ends."""
    video = container.add_stream(codec, rate=common.FRAMES_PER_SECOND)
    video.width, video.height, video.pix_fmt = common.WIDTH, common.HEIGHT, "yuv420p"
    # No key frame is sent when one is asked for, so they come by themselves.
    video.gop_size = common.FRAMES_PER_SECOND
    video.options = options
    audio = container.add_stream("libopus", rate=common.SAMPLE_RATE, layout="stereo")
    container.start_encoding()
    common.tell("answered")
    began, pictures, sounds = time.monotonic(), 0, 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        elapsed = time.monotonic() - began
        if pictures <= elapsed * common.FRAMES_PER_SECOND:
            frame = av.VideoFrame.from_ndarray(common.picture(pictures), "rgb24")
            frame.pts = pictures
            container.mux(video.encode(frame))
            pictures += 1
        elif sounds * common.SAMPLES <= elapsed * common.SAMPLE_RATE:
            samples = common.tone(sounds).repeat(2).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(samples, "s16", "stereo")
            frame.sample_rate, frame.pts = common.SAMPLE_RATE, sounds * common.SAMPLES
            container.mux(audio.encode(frame))
            sounds += 1
        else:
            time.sleep(0.005)
    container.close()
    common.tell("left")


H264 = ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"})
