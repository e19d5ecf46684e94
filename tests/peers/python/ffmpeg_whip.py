"""A WHIP publisher by FFmpeg's own muxer, with its own defaults: ffmpeg_whip.py <http://host:port> <token>."""

import select
import sys
import time

import av

import common


def main(server, token):
    options = {"authorization": token}
    container = av.open(f"{server}/whip/v1", "w", format="whip", options=options)
    video = container.add_stream("libx264", rate=common.FRAMES_PER_SECOND)
    video.width, video.height, video.pix_fmt = common.WIDTH, common.HEIGHT, "yuv420p"
    # The muxer sends no key frame when one is asked for, so they come by themselves.
    video.gop_size = common.FRAMES_PER_SECOND
    video.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}
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


main(*sys.argv[1:])
