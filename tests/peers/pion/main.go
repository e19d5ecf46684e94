// Command pion_peer is one participant on pion, for the end-to-end tests: it speaks LiveKit's
// signalling, publishes recorded pictures and sound, and counts what it receives.
//
// Commands come as lines of JSON on standard input (see command), events leave as lines of JSON on
// standard output (see reporter). It ends with its input, so it never outlives the test.
package main

import (
	"bufio"
	"encoding/json"
	"os"
)

// command is one line of input. Fields that a command does not name are not read for it.
type command struct {
	// Do is connect, publish, unpublish or leave.
	Do string `json:"do"`
	// URL is where to join, with the token and all other parameters (connect).
	URL string `json:"url"`
	// Single is true for one peer connection for both directions (connect).
	Single bool `json:"single"`
	// Relay is the only TURN server to be reached by, if there is one (connect).
	Relay *relay `json:"relay"`
	// Bare negotiates VP8 and opus alone, without RTX (connect).
	Bare bool `json:"bare"`
	// Red negotiates redundant audio beside pion's own codecs (connect).
	Red bool `json:"red"`
	// Captures negotiates absolute capture time, and says it of all that is sent (connect).
	Captures bool `json:"captures"`
	// Reroute has media go to another UDP port instead of each one named, none by TCP (connect).
	Reroute map[string]string `json:"reroute"`
	// Cid is our own name of a track (publish, unpublish).
	Cid string `json:"cid"`
	// Kind is video or audio (publish).
	Kind string `json:"kind"`
	// Source and Name are LiveKit's, as CAMERA (publish).
	Source string `json:"source"`
	Name   string `json:"name"`
	// Codec is vp8 or h264 (publish a video).
	Codec string `json:"codec"`
	// Simulcast publishes three layers, VP8 only (publish a video).
	Simulcast bool `json:"simulcast"`
	// OnlyCodec offers the section with this codec alone (publish a video).
	OnlyCodec bool `json:"onlyCodec"`
	// Deaf ignores requests for key frames and sends one every three seconds (publish a video).
	Deaf bool `json:"deaf"`
}

// relay is a TURN server as WebRTC names it.
type relay struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username"`
	Credential string   `json:"credential"`
}

func main() {
	events := newReporter(os.Stdout)
	peer := newPeer(events)
	go peer.run()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var wanted command
		if err := json.Unmarshal(lines.Bytes(), &wanted); err != nil {
			events.fail("read a command", err)
			continue
		}
		peer.do(func() { peer.obey(wanted) })
	}
	done := make(chan struct{})
	peer.do(func() { peer.leave(); close(done) })
	<-done
}
