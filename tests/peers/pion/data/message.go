package main

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
)

// A message is a head that the test gives, the same for a whole burst, and then a payload, of which every
// byte follows from its number: a piece of a pattern, with the number itself in the first four bytes if
// there are as many. So a receiver in any language can tell what came, and the test whether it is right.
const (
	patternBytes = 1 << 17
	// phases is at how many places in the pattern a payload may begin.
	phases      = 251
	numberBytes = 4
	digitBits   = 6
	firstDigit  = 0x20
)

var binaryPattern, textPattern = patterns()

func patterns() ([]byte, []byte) {
	const printable = 95
	inBinary, inText := make([]byte, patternBytes), make([]byte, patternBytes)
	for i := range inBinary {
		mixed := i*7 + (i>>8)*13
		inBinary[i] = byte(mixed)
		inText[i] = byte(firstDigit + mixed%printable)
	}
	return inBinary, inText
}

// burst is a number of messages of one size.
type burst struct {
	Label string `json:"label"`
	Count int    `json:"count"`
	Size  int    `json:"size"`
	// First is the number of the first message.
	First int  `json:"first"`
	Text  bool `json:"text"`
	// Head goes before each payload, in hexadecimal digits.
	Head string `json:"head"`
	// PerSecond is the pace; 0 is as fast as it goes.
	PerSecond int `json:"perSecond"`
}

// message makes the one at this place in the burst.
func (b burst) message(place int) []byte {
	head, _ := hex.DecodeString(b.Head)
	pattern := binaryPattern
	if b.Text {
		pattern = textPattern
	}
	number := b.First + place
	from := number % phases
	message := append(head, pattern[from:from+b.Size]...)
	if payload := message[len(head):]; b.Size >= numberBytes {
		for i := range numberBytes {
			payload[i] = byte(firstDigit + number>>(digitBits*(numberBytes-1-i))&(1<<digitBits-1))
		}
	}
	return message
}

// arrival is one message that came.
type arrival struct {
	From   string `json:"from"`
	Label  string `json:"label"`
	Size   int    `json:"size"`
	CRC    uint32 `json:"crc"`
	Number int    `json:"number"`
	Text   bool   `json:"text"`
}

// arrivalOf reads a message: on LiveKit's channels it is a DataPacket, on others it is bare.
func arrivalOf(label string, message []byte, isText bool) arrival {
	came := arrival{Label: label, Number: -1, Text: isText}
	payload := message
	if label == "_reliable" || label == "_lossy" {
		came.From, payload = userPacket(message)
	}
	came.Size, came.CRC = len(payload), crc32.ChecksumIEEE(payload)
	if len(payload) < numberBytes {
		return came
	}
	came.Number = 0
	for _, digit := range payload[:numberBytes] {
		came.Number = came.Number<<digitBits | int(digit-firstDigit)
	}
	return came
}

// userPacket gives the sender and the payload of a DataPacket with a UserPacket in it.
func userPacket(packet []byte) (string, []byte) {
	const user, identity, payloadOfUser = 2, 4, 2
	sender, payload := "", []byte(nil)
	eachField(packet, func(tag uint64, value []byte) {
		switch tag {
		case identity:
			sender = string(value)
		case user:
			eachField(value, func(inner uint64, bytes []byte) {
				if inner == payloadOfUser {
					payload = bytes
				}
			})
		}
	})
	return sender, payload
}

// eachField goes through the fields of a protobuf message that have a length; it ends where it is malformed.
func eachField(message []byte, field func(tag uint64, value []byte)) {
	const varint, fixed64, delimited, fixed32 = 0, 1, 2, 5
	for len(message) > 0 {
		key, size := binary.Uvarint(message)
		if size <= 0 {
			return
		}
		message = message[size:]
		switch key & 7 {
		case varint:
			_, size = binary.Uvarint(message)
		case fixed64:
			size = 8
		case fixed32:
			size = 4
		case delimited:
			length, prefix := binary.Uvarint(message)
			if prefix <= 0 || length > uint64(len(message)-prefix) {
				return
			}
			size = prefix + int(length)
			field(key>>3, message[prefix:size])
		default:
			return
		}
		if size <= 0 || size > len(message) {
			return
		}
		message = message[size:]
	}
}
