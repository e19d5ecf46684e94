"""The WebRTC half of one participant on aiortc that sends and receives data and nothing else. Signalling is
the test's own; it hands descriptions in and out.

Calls come as lines of JSON on standard input, and each is answered by one line on standard output. It ends
with its input.
"""

import asyncio
import json
import sys
import time

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSctpTransport, RTCSessionDescription

import data_messages

# How much may wait within aiortc before a burst waits, bytes.
HIGH_WATER = 1 << 20
# Between two looks at what waits, seconds.
LOOK_AGAIN = 0.002

connections, closed, arrived = {}, [], []
# While it is clear aiortc's SCTP is given nothing, and ICE goes on.
reading = asyncio.Event()
reading.set()
receive_sctp = RTCSctpTransport._handle_data


async def receive_when_reading(transport, data):
    await reading.wait()
    await receive_sctp(transport, data)


RTCSctpTransport._handle_data = receive_when_reading
# Those we opened, by label, and all that are not closed.
channels, kept = {}, []
sent = 0


def connection(name):
    if name not in connections:
        made = connections[name] = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        made.on("datachannel", adopt)
    return connections[name]


def adopt(channel):
    kept.append(channel)

    @channel.on("message")
    def message(content):
        text = isinstance(content, str)
        content = content.encode() if text else content
        arrived.append(data_messages.arrival_of(channel.label, content, text))

    @channel.on("close")
    def gone():
        closed.append(channel.label)
        kept.remove(channel)
        if channels.get(channel.label) is channel:
            del channels[channel.label]


async def offer(connection_name):
    pc = connection(connection_name)
    await pc.setLocalDescription(await pc.createOffer())
    return pc.localDescription.sdp


async def answer(connection_name, sdp):
    pc = connection(connection_name)
    await pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
    await pc.setLocalDescription(await pc.createAnswer())
    return pc.localDescription.sdp


async def accept(connection_name, sdp):
    pc = connection(connection_name)
    await pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))


def open_channel(connection_name, channel):
    channels[channel["label"]] = connection(connection_name).createDataChannel(
        channel["label"],
        ordered=channel.get("ordered", True),
        maxRetransmits=channel.get("maxRetransmits"),
        maxPacketLifeTime=channel.get("maxPacketLifeTime"),
    )
    adopt(channels[channel["label"]])


async def send(burst):
    global sent
    channel = channels[burst["label"]]
    loop = asyncio.get_running_loop()
    began, pace = loop.time(), burst.get("perSecond", 0)
    for place in range(burst["count"]):
        while channel.bufferedAmount > HIGH_WATER:
            await asyncio.sleep(LOOK_AGAIN)
        if pace > 0:
            await asyncio.sleep(max(0, began + place / pace - loop.time()))
        message = data_messages.message_of(burst, place)
        channel.send(message.decode() if burst.get("text") else message)
        sent += 1
        if place % 20 == 19:
            # Everything else has its turn, too.
            await asyncio.sleep(0)
    while channel.bufferedAmount > 0:
        await asyncio.sleep(LOOK_AGAIN)


def state():
    return {
        "connections": {name: pc.connectionState for name, pc in connections.items()},
        "open": [channel.label for channel in kept if channel.readyState == "open"],
        "closed": closed,
        "ids": {label: channel.id for label, channel in channels.items()},
        "sent": sent,
        "arrived": len(arrived),
        "buffered": sum(channel.bufferedAmount for channel in channels.values()),
    }


METHODS = {
    "configure": lambda call: None,
    "offer": lambda call: offer(call["connection"]),
    "answer": lambda call: answer(call["connection"], call["sdp"]),
    "accept": lambda call: accept(call["connection"], call["sdp"]),
    "open": lambda call: open_channel(call["connection"], call["channel"]),
    "close": lambda call: channels[call["label"]].close(),
    "send": lambda call: send(call["burst"]),
    "read": lambda call: reading.clear() if call["bitsPerSecond"] == 0 else reading.set(),
    # Keeps the event loop, and with it all of aiortc.
    "block": lambda call: time.sleep(call["ms"] / 1000),
    "state": lambda call: state(),
    "arrivals": lambda call: arrived[call["from"] :],
}


async def obey(call):
    reply = {"event": "done", "id": call["id"], "value": None}
    try:
        value = METHODS[call["do"]](call)
        reply["value"] = await value if asyncio.iscoroutine(value) else value
    except Exception as error:
        reply["error"] = repr(error)
    print(json.dumps(reply), flush=True)


async def main():
    running = set()
    while line := await asyncio.to_thread(sys.stdin.readline):
        # Sending and gathering take their time, and what is asked meanwhile is answered.
        task = asyncio.create_task(obey(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    for pc in connections.values():
        await pc.close()


asyncio.run(main())
