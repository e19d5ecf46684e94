"""An RTMP publisher by FFmpeg's own muxer, with Opus by enhanced RTMP: ffmpeg_rtmp.py <rtmp://…/key> <h264|av1>."""

import sys

import av

import ffmpeg_publishing

AV1 = ("libsvtav1", {"preset": "12", "svtav1-params": "pred-struct=1:lookahead=0:tune=0"})


def main(address, codec):
    container = av.open(address, "w", format="flv")
    ffmpeg_publishing.publish(container, *(AV1 if codec == "av1" else ffmpeg_publishing.H264))


main(*sys.argv[1:])
