package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

const (
	// joinDeadline is patience for a busy machine.
	joinDeadline = 30 * time.Second
	pingInterval = 5 * time.Second
	// countInterval is how often it is told what has arrived.
	countInterval = 250 * time.Millisecond
	// mailboxSize is how much may happen while one thing is dealt with.
	mailboxSize = 1024
)

// peer is the participant. All its state belongs to one goroutine, which runs what is posted with do.
type peer struct {
	events  *reporter
	mailbox chan func()

	signal *signalling
	// publisher carries what we publish; subscriber what we receive, and is the same one if there is
	// a single connection.
	publisher, subscriber *connection
	// published holds the tracks we announced, by our own name for them.
	published map[string]*localTrack
	// receiving holds the tracks that came, by the server's name.
	receiving map[string]*remoteTrack
	// left is true after we have left; deaf after the server has closed the socket.
	left, deaf bool
}

func newPeer(events *reporter) *peer {
	return &peer{
		events:    events,
		mailbox:   make(chan func(), mailboxSize),
		published: map[string]*localTrack{},
		receiving: map[string]*remoteTrack{},
	}
}

// do runs one thing on the peer's goroutine, later.
func (p *peer) do(task func()) { p.mailbox <- task }

func (p *peer) run() {
	count := time.NewTicker(countInterval)
	ping := time.NewTicker(pingInterval)
	for {
		select {
		case task := <-p.mailbox:
			task()
		case <-count.C:
			p.tellCounts()
		case <-ping.C:
			p.ping()
		}
	}
}

func (p *peer) obey(wanted command) {
	var err error
	switch wanted.Do {
	case "connect":
		err = p.connect(wanted)
	case "publish":
		err = p.announce(wanted)
	case "unpublish":
		err = p.unpublish(wanted.Cid)
	case "leave":
		p.leave()
	default:
		err = fmt.Errorf("no such command")
	}
	if err != nil {
		p.events.fail(wanted.Do, err)
	}
}

func (p *peer) connect(wanted command) error {
	ctx, cancel := context.WithTimeout(context.Background(), joinDeadline)
	defer cancel()
	signal, err := openSignalling(ctx, wanted.URL)
	if err != nil {
		return err
	}
	p.signal = signal
	p.ping()
	if p.publisher, err = newConnection(p, publisherTarget, wanted); err != nil {
		return err
	}
	if err = p.publisher.openChannels(); err != nil {
		return err
	}
	if wanted.Single {
		p.subscriber = p.publisher
		if err = p.makeRoom(1, 1); err != nil {
			return err
		}
	} else if p.subscriber, err = newConnection(p, subscriberTarget, wanted); err != nil {
		return err
	}
	go p.listen()
	return nil
}

// listen reads the socket until it ends.
func (p *peer) listen() {
	for {
		message, err := p.signal.receive()
		p.do(func() {
			switch {
			case err == nil:
				p.hear(message)
			case !p.left:
				p.events.fail("read the signalling socket", err)
				p.deaf = true
			}
		})
		if err != nil {
			return
		}
	}
}

func (p *peer) hear(said response) {
	switch {
	case said.Join != nil:
		p.events.tell("joined", nil)
		p.publisher.negotiate()
	case said.Offer != nil:
		p.subscriber.takeOffer(*said.Offer)
	case said.Answer != nil:
		p.publisher.takeAnswer(*said.Answer)
	case said.Trickle != nil && said.Trickle.Target == subscriberTarget:
		p.subscriber.takeCandidate(said.Trickle.CandidateInit)
	case said.Trickle != nil:
		p.publisher.takeCandidate(said.Trickle.CandidateInit)
	case said.TrackPublished != nil:
		p.publish(said.TrackPublished.Cid, said.TrackPublished.Track.Sid)
	case said.MediaSectionsRequirement != nil:
		wanted := said.MediaSectionsRequirement
		if err := p.makeRoom(wanted.NumAudios, wanted.NumVideos); err != nil {
			p.events.fail("add sections", err)
			return
		}
		p.publisher.negotiate()
	case said.StreamStateUpdate != nil:
		for _, stream := range said.StreamStateUpdate.StreamStates {
			state := stream.State
			if state == "" {
				state = "ACTIVE" // protobuf's JSON leaves out what is zero
			}
			p.events.tell("stream_state", event{"sid": stream.TrackSid, "state": state})
		}
	case said.RequestResponse != nil:
		refused := said.RequestResponse
		p.events.tell("refused", event{"reason": refused.Reason, "message": refused.Message})
	case said.Leave != nil:
		p.events.tell("leave", event{"reason": said.Leave.Reason, "action": said.Leave.Action})
	}
}

// makeRoom adds sections in which we receive.
func (p *peer) makeRoom(audios, videos int) error {
	counts := map[webrtc.RTPCodecType]int{
		webrtc.RTPCodecTypeAudio: audios,
		webrtc.RTPCodecTypeVideo: videos,
	}
	receiving := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	for kind, count := range counts {
		for range count {
			if _, err := p.publisher.pc.AddTransceiverFromKind(kind, receiving); err != nil {
				return err
			}
		}
	}
	return nil
}

// received begins to count a track that the server sends.
func (p *peer) received(from *connection, track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	mid := from.midOf(receiver)
	sid := from.sids[mid]
	// The stream's name tells it, too, and still does when the section has gone on to the next track.
	if _, named, found := strings.Cut(track.StreamID(), "|"); found {
		sid = named
	}
	p.events.tell("track", event{
		"sid":   sid,
		"mid":   mid,
		"kind":  track.Kind().String(),
		"codec": track.Codec().MimeType,
	})
	counted := &remoteTrack{sid: sid, events: p.events, askKey: func() {
		loss := &rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}
		_ = from.pc.WriteRTCP([]rtcp.Packet{loss})
	}}
	counted.capture = newCaptures(receiver, track.Codec().ClockRate)
	p.receiving[sid] = counted
	go counted.read(track)
	go counted.listen(receiver)
}

// tellCounts says what has arrived of every track so far.
func (p *peer) tellCounts() {
	if len(p.receiving) == 0 {
		return
	}
	tracks := map[string]counts{}
	for sid, track := range p.receiving {
		tracks[sid] = track.counts()
	}
	p.events.tell("packets", event{"tracks": tracks})
}

func (p *peer) ping() {
	if p.signal == nil || p.left || p.deaf {
		return
	}
	now := time.Now().UnixMilli()
	// A number of 64 bits is text in protobuf's JSON.
	p.send("pingReq", map[string]string{"timestamp": fmt.Sprint(now)})
}

// send sends one request to the server, from any goroutine.
func (p *peer) send(name string, value any) {
	if err := p.signal.send(map[string]any{name: value}); err != nil && !p.left {
		p.events.fail("send "+name, err)
	}
}

func (p *peer) leave() {
	if p.left || p.signal == nil {
		return
	}
	p.send("leave", map[string]string{"reason": "CLIENT_INITIATED"})
	p.left = true
	for _, track := range p.published {
		track.stop()
	}
	p.signal.close()
	for _, one := range []*connection{p.publisher, p.subscriber} {
		if one != nil {
			_ = one.pc.Close()
		}
	}
	p.events.tell("left", nil)
}
