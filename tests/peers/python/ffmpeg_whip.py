"""A WHIP publisher by FFmpeg's own muxer, with its own defaults: ffmpeg_whip.py <http://host:port> <token>."""

import sys

import av

import ffmpeg_publishing


def main(server, token):
    options = {"authorization": token}
    container = av.open(f"{server}/whip/v1", "w", format="whip", options=options)
    ffmpeg_publishing.publish(container, *ffmpeg_publishing.H264)


main(*sys.argv[1:])
