package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

const (
	framesPerSecond = 15
	videoClock      = 90_000
	audioClock      = 48_000
	audioFrame      = 20 * time.Millisecond
	// deafInterval is how often a publisher that ignores requests sends a key frame.
	deafInterval = 3 * time.Second
	maxPacket    = 1200
)

// localTrack is one track we publish, with one encoding or a few layers.
type localTrack struct {
	wanted    command
	encodings []*encoding
	sender    *webrtc.RTPSender
	cancel    context.CancelFunc
	// sending is done when no packet will be sent any more.
	sending sync.WaitGroup
}

// encoding is one stream of packets: a layer, or all of a track without layers.
type encoding struct {
	track    *webrtc.TrackLocalStaticRTP
	recorded recording
	packets  rtp.Packetizer
	// keyWanted is set by a request for a key frame.
	keyWanted atomic.Bool
	// next is the frame of the recording to be sent next.
	next int
	// timestamp is that of the newest frame, and sent counts packets.
	timestamp, sent uint32
}

// announce tells the server of a track; it is sent when the server has named it.
func (p *peer) announce(wanted command) error {
	track := &localTrack{wanted: wanted, cancel: func() {}}
	request := map[string]any{"cid": wanted.Cid, "name": wanted.Name, "source": wanted.Source}
	switch wanted.Kind {
	case "audio":
		request["type"] = "AUDIO"
		track.addEncoding(webrtc.MimeTypeOpus, "", recordedSound)
	case "video":
		request["type"] = "VIDEO"
		layers := track.addVideo()
		largest := layers[len(layers)-1]
		request["width"], request["height"] = largest["width"], largest["height"]
		request["layers"] = layers
	default:
		return fmt.Errorf("no such kind of track: %q", wanted.Kind)
	}
	p.published[wanted.Cid] = track
	p.send("addTrack", request)
	return nil
}

// addVideo makes the encodings of a video; it returns what the announcement says of them.
func (t *localTrack) addVideo() []map[string]any {
	if t.wanted.Codec == "h264" {
		t.addEncoding(webrtc.MimeTypeH264, "", recordedH264)
		return []map[string]any{layerOf("HIGH", recordedH264)}
	}
	if !t.wanted.Simulcast {
		t.addEncoding(webrtc.MimeTypeVP8, "", recordedVP8[1])
		return []map[string]any{layerOf("HIGH", recordedVP8[1])}
	}
	var layers []map[string]any
	for index, rid := range []string{"q", "h", "f"} {
		t.addEncoding(webrtc.MimeTypeVP8, rid, recordedVP8[index])
		quality := []string{"LOW", "MEDIUM", "HIGH"}[index]
		layers = append(layers, layerOf(quality, recordedVP8[index]))
	}
	return layers
}

func layerOf(quality string, recorded recording) map[string]any {
	const bitrate = 20_000
	return map[string]any{
		"quality": quality,
		"width":   recorded.width,
		"height":  recorded.height,
		"bitrate": bitrate,
	}
}

func (t *localTrack) addEncoding(mime, rid string, recorded recording) {
	capability := webrtc.RTPCodecCapability{MimeType: mime}
	options := []func(*webrtc.TrackLocalStaticRTP){}
	if rid != "" {
		options = append(options, webrtc.WithRTPStreamID(rid))
	}
	// It fails only for options that contradict each other.
	track, err := webrtc.NewTrackLocalStaticRTP(capability, t.wanted.Cid, "pion", options...)
	if err != nil {
		panic(err)
	}
	payloader, clock := payloaderOf(mime)
	// The track puts its own payload type and SSRC into each packet.
	packets := rtp.NewPacketizer(maxPacket, 0, 0, payloader, rtp.NewRandomSequencer(), clock)
	t.encodings = append(t.encodings, &encoding{track: track, recorded: recorded, packets: packets})
}

func payloaderOf(mime string) (rtp.Payloader, uint32) {
	switch mime {
	case webrtc.MimeTypeOpus:
		return &codecs.OpusPayloader{}, audioClock
	case webrtc.MimeTypeH264:
		return &codecs.H264Payloader{}, videoClock
	default:
		return &codecs.VP8Payloader{EnablePictureID: true}, videoClock
	}
}

// publish sends an announced track that the server calls sid.
func (p *peer) publish(cid, sid string) {
	p.events.tell("published", event{"cid": cid, "sid": sid})
	track := p.published[cid]
	if track == nil || track.sender != nil {
		return
	}
	sending := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
	transceiver, err := p.publisher.pc.AddTransceiverFromTrack(track.encodings[0].track, sending)
	if err != nil {
		p.events.fail("publish "+cid, err)
		return
	}
	track.sender = transceiver.Sender()
	for _, layer := range track.encodings[1:] {
		if err = track.sender.AddEncoding(layer.track); err != nil {
			p.events.fail("add a layer to "+cid, err)
			return
		}
	}
	if track.wanted.OnlyCodec {
		if err = preferOnly(transceiver, track.encodings[0].track.Codec().MimeType); err != nil {
			p.events.fail("choose the codec of "+cid, err)
			return
		}
	}
	var ctx context.Context
	ctx, track.cancel = context.WithCancel(context.Background())
	for _, layer := range track.encodings {
		go layer.heed(track.sender, track.wanted.Deaf)
	}
	track.sending.Add(1)
	go track.send(ctx, transceiver, p.publisher.pc.WriteRTCP)
	p.publisher.negotiate()
}

// preferOnly leaves one codec in a section, as LiveKit's Go SDK does.
func preferOnly(transceiver *webrtc.RTPTransceiver, mime string) error {
	var only []webrtc.RTPCodecParameters
	for _, codec := range transceiver.Sender().GetParameters().Codecs {
		if codec.MimeType == mime {
			only = append(only, codec)
		}
	}
	return transceiver.SetCodecPreferences(only)
}

func (p *peer) unpublish(cid string) error {
	track := p.published[cid]
	if track == nil || track.sender == nil {
		return fmt.Errorf("no such track: %q", cid)
	}
	delete(p.published, cid)
	track.stop()
	if err := p.publisher.pc.RemoveTrack(track.sender); err != nil {
		return err
	}
	p.publisher.negotiate()
	return nil
}

// stop returns when nothing is sent any more: a transceiver whose track is removed has no sender.
func (t *localTrack) stop() {
	t.cancel()
	t.sending.Wait()
}

// heed reads what receivers say of one encoding until its sender ends.
func (e *encoding) heed(sender *webrtc.RTPSender, deaf bool) {
	read := sender.ReadRTCP
	if rid := e.track.RID(); rid != "" {
		read = func() ([]rtcp.Packet, interceptor.Attributes, error) {
			return sender.ReadSimulcastRTCP(rid)
		}
	}
	for {
		packets, _, err := read()
		if err != nil {
			return
		}
		for _, packet := range packets {
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				e.keyWanted.Store(!deaf)
			}
		}
	}
}

// send sends the recording at its own pace until the track is stopped.
func (t *localTrack) send(
	ctx context.Context,
	transceiver *webrtc.RTPTransceiver,
	tell func([]rtcp.Packet) error,
) {
	defer t.sending.Done()
	pace, ticks := time.Second/framesPerSecond, uint32(videoClock/framesPerSecond)
	if t.wanted.Kind == "audio" {
		pace, ticks = audioFrame, uint32(audioFrame.Seconds()*audioClock)
	}
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	started := time.Now()
	for frame := 0; ; frame++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if t.wanted.Deaf && frame%int(deafInterval/pace) == 0 {
			for _, layer := range t.encodings {
				layer.keyWanted.Store(true)
			}
		}
		names := sectionNames(transceiver)
		captured := captureTime(started.Add(time.Duration(frame) * pace))
		streams := transceiver.Sender().GetParameters().Encodings
		for index, layer := range t.encodings {
			layer.sendFrame(names, ticks, captured)
			if names.captureID != 0 && frame%int(time.Second/pace) == 0 {
				_ = tell([]rtcp.Packet{layer.report(streams[index].SSRC, captured)})
			}
		}
	}
}

// names are the numbers of header extensions, 0 for what was not negotiated, and the section's name.
type names struct {
	midID, ridID, captureID uint8
	mid                     string
}

func sectionNames(transceiver *webrtc.RTPTransceiver) names {
	read := names{mid: transceiver.Mid()}
	for _, extension := range transceiver.Sender().GetParameters().HeaderExtensions {
		switch extension.URI {
		case sdp.SDESMidURI:
			read.midID = uint8(extension.ID)
		case sdp.SDESRTPStreamIDURI:
			read.ridID = uint8(extension.ID)
		case captureURI:
			read.captureID = uint8(extension.ID)
		}
	}
	return read
}

func (e *encoding) sendFrame(names names, ticks uint32, captured []byte) {
	frame := e.nextFrame()
	for _, packet := range e.packets.Packetize(frame, ticks) {
		// Without a rid the SSRC in the description tells whose packet it is.
		if rid := e.track.RID(); rid != "" && names.midID != 0 && names.ridID != 0 {
			_ = packet.SetExtension(names.midID, []byte(names.mid))
			_ = packet.SetExtension(names.ridID, []byte(rid))
		}
		if names.captureID != 0 {
			_ = packet.SetExtension(names.captureID, captured)
		}
		e.timestamp = packet.Timestamp
		e.sent++
		// Until the connection is there nothing is sent, and that is no error.
		_ = e.track.WriteRTP(packet)
	}
}

// nextFrame goes through the recording and repeats its end for ever: a frame that changes nothing, or a
// tone. A request begins it anew, with its key frame.
func (e *encoding) nextFrame() []byte {
	if e.keyWanted.Swap(false) {
		e.next = 0
	}
	frame := e.recorded.frames[e.next]
	e.next++
	if e.next == len(e.recorded.frames) {
		e.next = e.recorded.again
	}
	return frame
}
