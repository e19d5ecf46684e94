"""What WHIP and WHEP on aiortc have in common: one offer, one answer, and an end."""

import asyncio
import urllib.parse

from aiortc import RTCSessionDescription

import common


def tell_states(connection):
    """Tells the test how the connection is, whenever that changes."""
    connection.on(
        "connectionstatechange",
        lambda: common.tell("connection", state=connection.connectionState),
    )


async def hold(connection, endpoint, token):
    """Offers what the connection has to the endpoint, and leaves when our input ends."""
    await connection.setLocalDescription(await connection.createOffer())
    status, headers, answer = await asyncio.to_thread(
        common.request,
        "POST",
        endpoint,
        token,
        connection.localDescription.sdp,
        "application/sdp",
    )
    resource = urllib.parse.urljoin(endpoint, headers["Location"])
    common.tell("answered", status=status)
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await common.input_ended()
    status, _, _ = await asyncio.to_thread(common.request, "DELETE", resource, token)
    common.tell("left", status=status)
    await connection.close()
