// Command data is the WebRTC half of one participant on pion that sends and receives data and nothing
// else: peer connections, data channels, and messages whose content is known. Signalling is the test's
// own; it hands descriptions in and out.
//
// Calls come as lines of JSON on standard input (see call), and each is answered by one line on standard
// output. It ends with its input, so it never outlives the test.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// call is one line of input. Fields that a method does not name are not read for it.
type call struct {
	// ID is given back with the answer.
	ID int `json:"id"`
	// Do is the method: configure, offer, answer, accept, open, close, send, read, state, arrivals.
	Do string `json:"do"`
	// Window is how many bytes we let a sender have on their way (configure).
	Window uint32 `json:"window"`
	// Connection names one of our peer connections (offer, answer, accept, open).
	Connection string `json:"connection"`
	// SDP is the other side's description (answer, accept).
	SDP string `json:"sdp"`
	// Channel is what to open (open).
	Channel channelOptions `json:"channel"`
	// Label names a channel (close).
	Label string `json:"label"`
	// Burst is what to send (send).
	Burst burst `json:"burst"`
	// BitsPerSecond is how fast to read from now on; 0 is not at all, below it as fast as it comes (read).
	BitsPerSecond int `json:"bitsPerSecond"`
	// From is the first arrival that is asked for (arrivals).
	From int `json:"from"`
}

// answer is one line of output.
type answer struct {
	Event string `json:"event"`
	ID    int    `json:"id"`
	Value any    `json:"value"`
	Error string `json:"error,omitempty"`
}

func main() {
	peer := newPeer()
	var out sync.Mutex
	encoder := json.NewEncoder(os.Stdout)
	reply := func(id int, value any, err error) {
		line := answer{Event: "done", ID: id, Value: value}
		if err != nil {
			line.Error = err.Error()
		}
		out.Lock()
		defer out.Unlock()
		// Who does not read us any more has ended.
		_ = encoder.Encode(line)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var wanted call
		if err := json.Unmarshal(lines.Bytes(), &wanted); err != nil {
			reply(0, nil, err)
			continue
		}
		// Sending and gathering take their time, and what is asked meanwhile is answered.
		go func() {
			value, err := peer.obey(wanted)
			reply(wanted.ID, value, err)
		}()
	}
	peer.leave()
}

func (p *peer) obey(wanted call) (any, error) {
	switch wanted.Do {
	case "configure":
		return nil, p.configure(wanted.Window)
	case "offer":
		return p.offer(wanted.Connection)
	case "answer":
		return p.answer(wanted.Connection, wanted.SDP)
	case "accept":
		return nil, p.accept(wanted.Connection, wanted.SDP)
	case "open":
		return nil, p.open(wanted.Connection, wanted.Channel)
	case "close":
		return nil, p.close(wanted.Label)
	case "send":
		return nil, p.send(wanted.Burst)
	case "read":
		p.pace.set(wanted.BitsPerSecond)
		return nil, nil
	case "state":
		return p.state(), nil
	case "arrivals":
		return p.arrivals(wanted.From), nil
	}
	return nil, fmt.Errorf("no such method: %q", wanted.Do)
}
