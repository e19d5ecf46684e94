package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"sync"

	"github.com/coder/websocket"
)

// description is an offer or an answer.
type description struct {
	Type         string            `json:"type"`
	SDP          string            `json:"sdp"`
	ID           uint32            `json:"id"`
	MidToTrackID map[string]string `json:"midToTrackId"`
}

// trickle is one candidate of ours or of the server.
type trickle struct {
	// CandidateInit is the JSON of a candidate.
	CandidateInit string `json:"candidateInit"`
	Target        string `json:"target,omitempty"`
}

// response is what this program reads of the server's messages.
type response struct {
	Join    json.RawMessage `json:"join"`
	Offer   *description    `json:"offer"`
	Answer  *description    `json:"answer"`
	Trickle *trickle        `json:"trickle"`

	TrackPublished *struct {
		Cid   string `json:"cid"`
		Track struct {
			Sid string `json:"sid"`
		} `json:"track"`
	} `json:"trackPublished"`
	MediaSectionsRequirement *struct {
		NumAudios int `json:"numAudios"`
		NumVideos int `json:"numVideos"`
	} `json:"mediaSectionsRequirement"`
	StreamStateUpdate *struct {
		StreamStates []struct {
			TrackSid string `json:"trackSid"`
			State    string `json:"state"`
		} `json:"streamStates"`
	} `json:"streamStateUpdate"`
	RequestResponse *struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	} `json:"requestResponse"`
	Leave *struct {
		Reason string `json:"reason"`
		Action string `json:"action"`
	} `json:"leave"`
}

// signalling is one WebSocket to the server, in JSON.
type signalling struct {
	socket *websocket.Conn
	// write lets one message at a time out.
	write sync.Mutex
}

func openSignalling(ctx context.Context, url string) (*signalling, error) {
	socket, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	socket.SetReadLimit(4 << 20)
	return &signalling{socket: socket}, nil
}

// send writes one request; its only key is the request's name.
func (s *signalling) send(request map[string]any) error {
	bytes, err := json.Marshal(request)
	if err != nil {
		return err
	}
	s.write.Lock()
	defer s.write.Unlock()
	return s.socket.Write(context.Background(), websocket.MessageText, bytes)
}

// receive waits for the next message. The server says the first ones before it has seen that we speak
// JSON, so they are protobuf.
func (s *signalling) receive() (response, error) {
	kind, bytes, err := s.socket.Read(context.Background())
	if err != nil {
		return response{}, err
	}
	if kind == websocket.MessageBinary {
		return fromProtobuf(bytes)
	}
	var read response
	err = json.Unmarshal(bytes, &read)
	return read, err
}

func (s *signalling) close() {
	_ = s.socket.Close(websocket.StatusNormalClosure, "")
}

var errProtobuf = errors.New("malformed protobuf")

// field is one field of a protobuf message; number is set for varints, bytes for what has a length.
type field struct {
	tag    uint64
	number uint64
	bytes  []byte
}

func fieldsOf(message []byte) ([]field, error) {
	var fields []field
	for len(message) > 0 {
		key, size := binary.Uvarint(message)
		if size <= 0 {
			return nil, errProtobuf
		}
		message = message[size:]
		read := field{tag: key >> 3}
		switch key & 7 {
		case 0:
			read.number, size = binary.Uvarint(message)
		case 1:
			size = 8
		case 2:
			length, prefix := binary.Uvarint(message)
			if prefix <= 0 || length > uint64(len(message)-prefix) {
				return nil, errProtobuf
			}
			size = prefix + int(length)
			read.bytes = message[prefix:size]
		case 5:
			size = 4
		default:
			return nil, errProtobuf
		}
		if size <= 0 || size > len(message) {
			return nil, errProtobuf
		}
		message = message[size:]
		fields = append(fields, read)
	}
	return fields, nil
}

// fromProtobuf reads what a server says before it knows that we speak JSON: the join, the first offer
// and its candidates. Other messages of that time are left out.
func fromProtobuf(message []byte) (response, error) {
	const join, offer, candidate = 1, 3, 4
	var read response
	fields, err := fieldsOf(message)
	for _, one := range fields {
		var inner []field
		switch one.tag {
		case join:
			read.Join = json.RawMessage("{}")
		case offer:
			inner, err = fieldsOf(one.bytes)
			read.Offer = descriptionOf(inner)
		case candidate:
			inner, err = fieldsOf(one.bytes)
			read.Trickle = trickleOf(inner)
		}
	}
	return read, err
}

func descriptionOf(fields []field) *description {
	read := &description{MidToTrackID: map[string]string{}}
	for _, one := range fields {
		switch one.tag {
		case 1:
			read.Type = string(one.bytes)
		case 2:
			read.SDP = string(one.bytes)
		case 3:
			read.ID = uint32(one.number)
		case 4:
			// An entry of a map is a message of a key and a value.
			entry, err := fieldsOf(one.bytes)
			if err == nil && len(entry) == 2 {
				read.MidToTrackID[string(entry[0].bytes)] = string(entry[1].bytes)
			}
		}
	}
	return read
}

func trickleOf(fields []field) *trickle {
	read := &trickle{Target: "PUBLISHER"}
	for _, one := range fields {
		switch {
		case one.tag == 1:
			read.CandidateInit = string(one.bytes)
		case one.tag == 2 && one.number == 1:
			read.Target = "SUBSCRIBER"
		}
	}
	return read
}
