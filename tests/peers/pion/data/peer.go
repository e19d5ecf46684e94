package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/webrtc/v4"
)

const (
	// highWater is how much may wait within pion before a burst waits.
	highWater = 1 << 20
	// lookAgain is the pause between two looks at what waits.
	lookAgain = 2 * time.Millisecond
	// maxMessage holds any message.
	maxMessage = 1 << 18
)

// peer holds the connections and channels of one participant.
type peer struct {
	pace *pace

	mutex       sync.Mutex
	api         *webrtc.API
	connections map[string]*webrtc.PeerConnection
	states      map[string]string
	// channels holds those we opened, by label, from when they are open.
	channels map[string]*channel
	// opened counts all that are open, by label.
	opened  map[string]int
	closed  []string
	arrived []arrival
	sent    int
}

// channel is one data channel that is open.
type channel struct {
	dc  *webrtc.DataChannel
	raw datachannel.ReadWriteCloser
}

// channelOptions is what RTCDataChannelInit is in a browser.
type channelOptions struct {
	Label             string  `json:"label"`
	Ordered           *bool   `json:"ordered"`
	MaxRetransmits    *uint16 `json:"maxRetransmits"`
	MaxPacketLifeTime *uint16 `json:"maxPacketLifeTime"`
}

func newPeer() *peer {
	p := &peer{
		pace:        newPace(),
		connections: map[string]*webrtc.PeerConnection{},
		states:      map[string]string{},
		channels:    map[string]*channel{},
		opened:      map[string]int{},
	}
	_ = p.configure(0)
	return p
}

// configure makes pion as it comes, but for how channels are read, which only so can be left alone, and
// the size of its window if one is given.
func (p *peer) configure(window uint32) error {
	settings := webrtc.SettingEngine{}
	settings.DetachDataChannels()
	settings.SetIncludeLoopbackCandidate(true)
	if window > 0 {
		settings.SetSCTPMaxReceiveBufferSize(window)
	}
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return err
	}
	p.api = webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(media))
	return nil
}

// connection gives the one of that name, made when first asked for.
func (p *peer) connection(name string) (*webrtc.PeerConnection, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if pc := p.connections[name]; pc != nil {
		return pc, nil
	}
	pc, err := p.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	p.connections[name] = pc
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.states[name] = state.String()
	})
	pc.OnDataChannel(func(dc *webrtc.DataChannel) { p.adopt(dc, false) })
	return pc, nil
}

// describe sets our own description and waits for the candidates in it.
func describe(pc *webrtc.PeerConnection, own webrtc.SessionDescription, err error) (string, error) {
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err = pc.SetLocalDescription(own); err != nil {
		return "", err
	}
	<-gathered
	return pc.LocalDescription().SDP, nil
}

func (p *peer) offer(name string) (string, error) {
	pc, err := p.connection(name)
	if err != nil {
		return "", err
	}
	offer, err := pc.CreateOffer(nil)
	return describe(pc, offer, err)
}

func (p *peer) answer(name, sdp string) (string, error) {
	pc, err := p.connection(name)
	if err != nil {
		return "", err
	}
	offer := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: sdp}
	if err = pc.SetRemoteDescription(offer); err != nil {
		return "", err
	}
	answer, err := pc.CreateAnswer(nil)
	return describe(pc, answer, err)
}

func (p *peer) accept(name, sdp string) error {
	pc, err := p.connection(name)
	if err != nil {
		return err
	}
	return pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp})
}

func (p *peer) open(name string, wanted channelOptions) error {
	pc, err := p.connection(name)
	if err != nil {
		return err
	}
	dc, err := pc.CreateDataChannel(wanted.Label, &webrtc.DataChannelInit{
		Ordered:           wanted.Ordered,
		MaxRetransmits:    wanted.MaxRetransmits,
		MaxPacketLifeTime: wanted.MaxPacketLifeTime,
	})
	if err != nil {
		return err
	}
	p.adopt(dc, true)
	return nil
}

// adopt reads a channel from when it is open.
func (p *peer) adopt(dc *webrtc.DataChannel, ours bool) {
	dc.OnOpen(func() {
		raw, err := dc.Detach()
		if err != nil {
			return
		}
		label := dc.Label()
		opened := &channel{dc: dc, raw: raw}
		p.mutex.Lock()
		p.opened[label]++
		if ours {
			p.channels[label] = opened
		}
		p.mutex.Unlock()
		go p.read(label, opened)
	})
}

func (p *peer) read(label string, from *channel) {
	buffer := make([]byte, maxMessage)
	for {
		p.pace.wait()
		size, isText, err := from.raw.ReadDataChannel(buffer)
		if err != nil {
			break
		}
		p.pace.took(size)
		came := arrivalOf(label, buffer[:size], isText)
		p.mutex.Lock()
		p.arrived = append(p.arrived, came)
		p.mutex.Unlock()
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.closed = append(p.closed, label)
	p.opened[label]--
	if p.channels[label] == from {
		delete(p.channels, label)
	}
}

func (p *peer) find(label string) (*channel, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	found := p.channels[label]
	if found == nil {
		return nil, fmt.Errorf("no open channel %q", label)
	}
	return found, nil
}

func (p *peer) close(label string) error {
	found, err := p.find(label)
	if err != nil {
		return err
	}
	return found.dc.Close()
}

// send writes a burst and returns when pion has nothing left of it.
func (p *peer) send(wanted burst) error {
	to, err := p.find(wanted.Label)
	if err != nil {
		return err
	}
	began := time.Now()
	for number := range wanted.Count {
		if wanted.PerSecond > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(number) * time.Second / time.Duration(wanted.PerSecond))))
		}
		for to.dc.BufferedAmount() > highWater {
			time.Sleep(lookAgain)
		}
		if _, err = to.raw.WriteDataChannel(wanted.message(number), wanted.Text); err != nil {
			return err
		}
		p.mutex.Lock()
		p.sent++
		p.mutex.Unlock()
	}
	for to.dc.BufferedAmount() > 0 {
		time.Sleep(lookAgain)
	}
	return nil
}

// stateOf is what the test wants to know of us.
type stateOf struct {
	Connections map[string]string `json:"connections"`
	Open        []string          `json:"open"`
	Closed      []string          `json:"closed"`
	IDs         map[string]int    `json:"ids"`
	Sent        int               `json:"sent"`
	Arrived     int               `json:"arrived"`
	Buffered    uint64            `json:"buffered"`
}

func (p *peer) state() stateOf {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	state := stateOf{
		Connections: map[string]string{},
		Open:        []string{},
		Closed:      append([]string{}, p.closed...),
		IDs:         map[string]int{},
		Sent:        p.sent,
		Arrived:     len(p.arrived),
	}
	for name, connection := range p.states {
		state.Connections[name] = connection
	}
	for label, count := range p.opened {
		for range count {
			state.Open = append(state.Open, label)
		}
	}
	for label, one := range p.channels {
		state.Buffered += one.dc.BufferedAmount()
		if id := one.dc.ID(); id != nil {
			state.IDs[label] = int(*id)
		}
	}
	return state
}

func (p *peer) arrivals(from int) []arrival {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return append([]arrival{}, p.arrived[min(from, len(p.arrived)):]...)
}

func (p *peer) leave() {
	p.pace.set(-1)
	p.mutex.Lock()
	connections := p.connections
	p.mutex.Unlock()
	for _, pc := range connections {
		_ = pc.Close()
	}
}
