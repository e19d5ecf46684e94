package main

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
)

const (
	publisherTarget  = "PUBLISHER"
	subscriberTarget = "SUBSCRIBER"
	// redundantType is the payload type of redundant audio.
	redundantType = 63
)

// connection is one peer connection with pion's own defaults, or as a bare one, and the signalling around it. Its
// methods are called by the peer's goroutine only.
type connection struct {
	peer   *peer
	target string
	pc     *webrtc.PeerConnection
	// reroute says which of the server's ports are others for us.
	reroute map[string]string
	// early holds candidates that came before the description they belong to.
	early []webrtc.ICECandidateInit
	// offers counts our offers, as the server's answers name the one they are for.
	offers uint32
	// waiting is true between an offer of ours and its answer; again if another one is due then.
	waiting, again bool
	// sids tells the server's name of the track in each section.
	sids map[string]string
}

func newConnection(peer *peer, target string, wanted command) (*connection, error) {
	configuration := webrtc.Configuration{}
	if only := wanted.Relay; only != nil {
		configuration.ICETransportPolicy = webrtc.ICETransportPolicyRelay
		configuration.ICEServers = []webrtc.ICEServer{
			{URLs: only.URLs, Username: only.Username, Credential: only.Credential},
		}
	}
	create := webrtc.NewPeerConnection
	if wanted.Bare || wanted.Red || wanted.Captures {
		make := bareAPI
		if wanted.Red {
			make = redundantAPI
		} else if wanted.Captures {
			make = capturingAPI
		}
		api, err := make()
		if err != nil {
			return nil, err
		}
		create = api.NewPeerConnection
	}
	pc, err := create(configuration)
	if err != nil {
		return nil, err
	}
	c := &connection{
		peer:    peer,
		target:  target,
		pc:      pc,
		reroute: wanted.Reroute,
		sids:    map[string]string{},
	}
	pc.OnICECandidate(func(candidate *webrtc.ICECandidate) {
		if candidate == nil {
			return
		}
		init, _ := json.Marshal(candidate.ToJSON())
		peer.send("trickle", trickle{CandidateInit: string(init), Target: target})
	})
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		peer.events.tell("connection", event{"target": target, "state": state.String()})
	})
	pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		peer.do(func() { peer.received(c, track, receiver) })
	})
	return c, nil
}

// bareAPI has one codec of each kind and pion's interceptors, but no stream for retransmissions.
func bareAPI() (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	vp8 := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}
	opus := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	codecs := map[webrtc.RTPCodecType]webrtc.RTPCodecParameters{
		webrtc.RTPCodecTypeVideo: {RTPCodecCapability: vp8, PayloadType: 96},
		webrtc.RTPCodecTypeAudio: {RTPCodecCapability: opus, PayloadType: 111},
	}
	for kind, codec := range codecs {
		if err := media.RegisterCodec(codec, kind); err != nil {
			return nil, err
		}
	}
	return apiOf(media)
}

// redundantAPI has pion's own codecs, and audio with copies of earlier frames (RFC 2198).
func redundantAPI() (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	red := webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: "audio/red", ClockRate: 48000, Channels: 2, SDPFmtpLine: "111/111",
		},
		PayloadType: redundantType,
	}
	if err := media.RegisterCodec(red, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, err
	}
	return apiOf(media)
}

func apiOf(media *webrtc.MediaEngine) (*webrtc.API, error) {
	return apiWith(media, webrtc.RegisterDefaultInterceptors)
}

func apiWith(
	media *webrtc.MediaEngine,
	register func(*webrtc.MediaEngine, *interceptor.Registry) error,
) (*webrtc.API, error) {
	registry := &interceptor.Registry{}
	if err := register(media, registry); err != nil {
		return nil, err
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry)), nil
}

// openChannels makes the channels that LiveKit's clients make where they publish.
func (c *connection) openChannels() error {
	if _, err := c.pc.CreateDataChannel("_reliable", nil); err != nil {
		return err
	}
	unordered, once := false, uint16(0)
	lossy := &webrtc.DataChannelInit{Ordered: &unordered, MaxRetransmits: &once}
	_, err := c.pc.CreateDataChannel("_lossy", lossy)
	return err
}

// negotiate sends an offer, now or when the answer to the last one is there.
func (c *connection) negotiate() {
	if c.waiting {
		c.again = true
		return
	}
	offer, err := c.pc.CreateOffer(nil)
	if err == nil {
		err = c.pc.SetLocalDescription(offer)
	}
	if err != nil {
		c.peer.events.fail("offer", err)
		return
	}
	c.waiting = true
	c.offers++
	c.peer.send("offer", description{Type: "offer", SDP: offer.SDP, ID: c.offers})
}

// takeAnswer ends a round that negotiate began.
func (c *connection) takeAnswer(answer description) {
	c.waiting = false
	c.learn(answer)
	remote := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: c.rerouted(answer.SDP)}
	if err := c.pc.SetRemoteDescription(remote); err != nil {
		c.peer.events.fail("take an answer", err)
		return
	}
	c.takeEarly()
	if c.again {
		c.again = false
		c.negotiate()
	}
}

// takeOffer answers an offer of the server.
func (c *connection) takeOffer(offer description) {
	c.learn(offer)
	remote := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: c.rerouted(offer.SDP)}
	if err := c.pc.SetRemoteDescription(remote); err != nil {
		c.peer.events.fail("take an offer", err)
		return
	}
	c.takeEarly()
	answer, err := c.pc.CreateAnswer(nil)
	if err == nil {
		err = c.pc.SetLocalDescription(answer)
	}
	if err != nil {
		c.peer.events.fail("answer", err)
		return
	}
	c.peer.send("answer", description{Type: "answer", SDP: answer.SDP, ID: offer.ID})
}

// learn keeps which track is in which section.
func (c *connection) learn(said description) {
	for mid, sid := range said.MidToTrackID {
		c.sids[mid] = sid
	}
}

var udpCandidate = regexp.MustCompile(`(candidate:\S+ \d+ udp \d+ \S+ )(\d+)`)

// rerouted is a candidate, or all of a description, as it is to be heard.
func (c *connection) rerouted(text string) string {
	if len(c.reroute) == 0 {
		return text
	}
	var lines []string
	for _, line := range strings.Split(text, "\r\n") {
		if strings.Contains(line, "candidate:") && strings.Contains(line, " tcp ") {
			continue
		}
		lines = append(lines, udpCandidate.ReplaceAllStringFunc(line, func(named string) string {
			parts := udpCandidate.FindStringSubmatch(named)
			if port, found := c.reroute[parts[2]]; found {
				return parts[1] + port
			}
			return named
		}))
	}
	return strings.Join(lines, "\r\n")
}

func (c *connection) takeCandidate(init string) {
	var candidate webrtc.ICECandidateInit
	if err := json.Unmarshal([]byte(init), &candidate); err != nil {
		c.peer.events.fail("read a candidate", err)
		return
	}
	if candidate.Candidate = c.rerouted(candidate.Candidate); candidate.Candidate == "" {
		return
	}
	c.early = append(c.early, candidate)
	if c.pc.RemoteDescription() != nil {
		c.takeEarly()
	}
}

func (c *connection) takeEarly() {
	for _, candidate := range c.early {
		if err := c.pc.AddICECandidate(candidate); err != nil {
			c.peer.events.fail("take a candidate", err)
		}
	}
	c.early = nil
}

// midOf is the section of a receiver.
func (c *connection) midOf(receiver *webrtc.RTPReceiver) string {
	for _, transceiver := range c.pc.GetTransceivers() {
		if transceiver.Receiver() == receiver {
			return transceiver.Mid()
		}
	}
	return ""
}
