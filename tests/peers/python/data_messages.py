"""Messages whose content is known.

A message is a head that the test gives, the same for a whole burst, and then a payload, of which every byte
follows from its number: a piece of a pattern, with the number itself in the first four bytes if there are as
many. So a receiver in any language can tell what came, and the test whether it is right.
"""

import zlib

PATTERN_BYTES = 1 << 17
# At how many places in the pattern a payload may begin.
PHASES = 251
NUMBER_BYTES = 4
DIGIT_BITS = 6
FIRST_DIGIT = 0x20
PRINTABLE = 95

MIXED = [i * 7 + (i >> 8) * 13 for i in range(PATTERN_BYTES)]
BINARY_PATTERN = bytes(mixed & 0xFF for mixed in MIXED)
TEXT_PATTERN = bytes(FIRST_DIGIT + mixed % PRINTABLE for mixed in MIXED)


def message_of(burst, place):
    """The bytes of the message at this place in a burst."""
    number, size = burst.get("first", 0) + place, burst["size"]
    pattern = TEXT_PATTERN if burst.get("text") else BINARY_PATTERN
    payload = pattern[number % PHASES : number % PHASES + size]
    if size >= NUMBER_BYTES:
        digits = bytes(
            FIRST_DIGIT + (number >> shift & (1 << DIGIT_BITS) - 1)
            for shift in range(DIGIT_BITS * (NUMBER_BYTES - 1), -1, -DIGIT_BITS)
        )
        payload = digits + payload[NUMBER_BYTES:]
    return bytes.fromhex(burst.get("head", "")) + payload


def arrival_of(label, message, text):
    """What is told of a message that came: on LiveKit's channels it is a DataPacket, elsewhere bare."""
    sender, payload = "", message
    if label in ("_reliable", "_lossy"):
        sender, payload = user_packet(message)
    number = -1
    if len(payload) >= NUMBER_BYTES:
        number = 0
        for digit in payload[:NUMBER_BYTES]:
            number = number << DIGIT_BITS | digit - FIRST_DIGIT
    return {
        "from": sender,
        "label": label,
        "size": len(payload),
        "crc": zlib.crc32(payload),
        "number": number,
        "text": text,
    }


def user_packet(packet):
    """Sender and payload of a DataPacket with a UserPacket in it."""
    sender, payload = "", b""
    for tag, value in fields_of(packet):
        if tag == 4:
            sender = value.decode()
        elif tag == 2:
            payload = dict(fields_of(value)).get(2, b"")
    return sender, payload


def fields_of(message):
    """The fields of a protobuf message that have a length; it ends where it is malformed."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while at < len(message):
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        return value

    while at < len(message):
        key = varint()
        match key & 7:
            case 0:
                varint()
            case 1:
                at += 8
            case 5:
                at += 4
            case 2:
                length = varint()
                yield key >> 3, message[at : at + length]
                at += length
            case _:
                return
