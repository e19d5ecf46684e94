package main

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

// counts is what arrived of one track.
type counts struct {
	Packets int `json:"packets"`
	// Padding counts packets without media.
	Padding int `json:"padding"`
	Bytes   int `json:"bytes"`
	// Frames counts pictures by their last packets, and packets of sound; KeyFrames and the size need VP8.
	Frames    int `json:"frames"`
	KeyFrames int `json:"keyFrames"`
	Width     int `json:"width"`
	Height    int `json:"height"`
	// Shown, Freezes and FrozenMs are what a decoder of VP8 could have shown, see videoPlayout.
	Shown    int   `json:"shown"`
	Freezes  int   `json:"freezes"`
	FrozenMs int64 `json:"frozenMs"`
	// Heard and Concealed are packets of sound, see soundPlayout.
	Heard     int `json:"heard"`
	Concealed int `json:"concealed"`
	// Redundant counts packets of sound with copies of earlier frames.
	Redundant int `json:"redundant"`
	// Reports counts sender reports; CaptureOffMs is as in captures.
	Reports      int     `json:"reports"`
	CaptureOffMs float64 `json:"captureOffMs"`
	// Captures counts packets with a time of capture; skew and age are as in captures.
	Captures     int   `json:"captures"`
	CaptureSkew  int64 `json:"captureSkew"`
	CaptureAgeMs int64 `json:"captureAgeMs"`
}

// remoteTrack counts what arrives of one track.
type remoteTrack struct {
	sid    string
	events *reporter
	// video and vp8 say what the packets hold.
	video, vp8 bool

	// askKey asks for a key frame.
	askKey func()

	mutex   sync.Mutex
	soFar   counts
	picture videoPlayout
	sound   soundPlayout
	capture captures
}

func (t *remoteTrack) counts() counts {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if !t.video {
		t.sound.play(time.Now())
	}
	t.soFar.Shown, t.soFar.Freezes = t.picture.shown, t.picture.freezes
	t.soFar.FrozenMs = t.picture.frozen.Milliseconds()
	t.soFar.Heard, t.soFar.Concealed = t.sound.heard, t.sound.concealed
	t.soFar.Captures, t.soFar.CaptureSkew = t.capture.count, t.capture.skew
	t.soFar.CaptureAgeMs = t.capture.age.Milliseconds()
	t.soFar.Reports, t.soFar.CaptureOffMs = t.capture.reports, t.capture.off
	return t.soFar
}

// read counts until the track ends.
func (t *remoteTrack) read(track *webrtc.TrackRemote) {
	t.video = track.Kind() == webrtc.RTPCodecTypeVideo
	t.vp8 = strings.EqualFold(track.Codec().MimeType, webrtc.MimeTypeVP8)
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			t.events.tell("track_ended", event{"sid": t.sid})
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
				t.events.fail("read "+t.sid, err)
			}
			return
		}
		before, keyNeeded := t.count(packet)
		if keyNeeded {
			t.askKey()
		}
		if before.Packets == 0 {
			t.events.tell("first_packet", event{"sid": t.sid, "padding": len(packet.Payload) == 0})
		}
	}
}

// count adds a packet; it returns what there was before, and whether a key frame has to be asked for.
func (t *remoteTrack) count(packet *rtp.Packet) (counts, bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	before := t.soFar
	now := time.Now()
	t.soFar.Packets++
	if len(packet.Payload) == 0 {
		t.soFar.Padding++
		return before, t.vp8 && t.picture.take(packet, false, now)
	}
	t.soFar.Bytes += len(packet.Payload)
	t.capture.take(packet, now)
	if packet.Marker || !t.video {
		t.soFar.Frames++
	}
	if !t.video {
		copies := copiesIn(packet)
		if len(copies) > 0 {
			t.soFar.Redundant++
		}
		t.sound.take(packet, copies, now)
	}
	if !t.vp8 {
		return before, false
	}
	startsKey := t.readKey(packet.Payload)
	return before, t.picture.take(packet, startsKey, now)
}

// readKey counts a key frame at its first packet, which has the size of the picture (RFC 6386 §9.1).
func (t *remoteTrack) readKey(payload []byte) bool {
	var descriptor codecs.VP8Packet
	frame, err := descriptor.Unmarshal(payload)
	if err != nil || descriptor.S != 1 || descriptor.PID != 0 || len(frame) < 10 || frame[0]&1 == 1 {
		return false
	}
	t.soFar.KeyFrames++
	t.soFar.Width = int(binary.LittleEndian.Uint16(frame[6:])) & 0x3fff
	t.soFar.Height = int(binary.LittleEndian.Uint16(frame[8:])) & 0x3fff
	return true
}

// copiesIn says how many frames back those are of which a packet of sound has copies (RFC 2198 §3).
func copiesIn(packet *rtp.Packet) []uint16 {
	copies := []uint16{}
	if packet.PayloadType != redundantType {
		return copies
	}
	for at := 0; at+4 < len(packet.Payload) && packet.Payload[at]&0x80 != 0; at += 4 {
		age := uint16(packet.Payload[at+1])<<6 | uint16(packet.Payload[at+2])>>2
		copies = append(copies, age/soundTicks)
	}
	return copies
}
