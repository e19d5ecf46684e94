package main

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

const (
	captureURI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
	// captureBytes is the short form: an NTP time without the capture clock's offset.
	captureBytes = 8
	// ntpEpoch is 1970 in seconds of NTP.
	ntpEpoch = 2_208_988_800
)

// capturingAPI has pion's own codecs, and absolute capture time.
func capturingAPI() (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	capability := webrtc.RTPHeaderExtensionCapability{URI: captureURI}
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		if err := media.RegisterHeaderExtension(capability, kind); err != nil {
			return nil, err
		}
	}
	return apiWith(media, capturingInterceptors)
}

// capturingInterceptors are pion's own but for sender reports: those of its own say when packets left.
func capturingInterceptors(media *webrtc.MediaEngine, registry *interceptor.Registry) error {
	receiving, err := report.NewReceiverInterceptor()
	if err != nil {
		return err
	}
	registry.Add(receiving)
	if err = webrtc.ConfigureNack(media, registry); err != nil {
		return err
	}
	if err = webrtc.ConfigureSimulcastExtensionHeaders(media); err != nil {
		return err
	}
	return webrtc.ConfigureTWCCSender(media, registry)
}

// report is a sender report that says of the newest frame of an encoding when it was captured.
func (e *encoding) report(ssrc webrtc.SSRC, captured []byte) *rtcp.SenderReport {
	return &rtcp.SenderReport{
		SSRC:        uint32(ssrc),
		NTPTime:     binary.BigEndian.Uint64(captured),
		RTPTime:     e.timestamp,
		PacketCount: e.sent,
	}
}

// captureTime is a time as the extension has it, in NTP's form of 64 bits.
func captureTime(at time.Time) []byte {
	fraction := uint64(at.Nanosecond()) << 32 / uint64(time.Second)
	return binary.BigEndian.AppendUint64(nil, uint64(at.Unix()+ntpEpoch)<<32|fraction)
}

// captures compares the times at which frames say that they were captured with their timestamps.
type captures struct {
	// id is the extension's number, 0 where it was not negotiated.
	id        uint8
	clock     uint32
	count     int
	first     uint64
	timestamp uint32
	// skew is by how many ticks of the RTP clock they were apart at most, since the first packet.
	skew int64
	// age is how long ago the newest frame was captured.
	age time.Duration
	// reports counts sender reports, and the last of them says that reportRTP was at reportNTP.
	reports   int
	reportNTP uint64
	reportRTP uint32
	// off is how far times of capture were from those that the last report puts timestamps at, in ms.
	off float64
}

// listen takes sender reports until the track ends.
func (t *remoteTrack) listen(receiver *webrtc.RTPReceiver) {
	for {
		packets, _, err := receiver.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			if said, ok := packet.(*rtcp.SenderReport); ok {
				t.mutex.Lock()
				t.capture.reports++
				t.capture.reportNTP, t.capture.reportRTP = said.NTPTime, said.RTPTime
				t.mutex.Unlock()
			}
		}
	}
}

func newCaptures(receiver *webrtc.RTPReceiver, clock uint32) captures {
	read := captures{clock: clock}
	for _, extension := range receiver.GetParameters().HeaderExtensions {
		if extension.URI == captureURI {
			read.id = uint8(extension.ID)
		}
	}
	return read
}

func (c *captures) take(packet *rtp.Packet, now time.Time) {
	if c.id == 0 {
		return
	}
	said := packet.GetExtension(c.id)
	if len(said) < captureBytes {
		return
	}
	at := binary.BigEndian.Uint64(said)
	if c.count == 0 {
		c.first, c.timestamp = at, packet.Timestamp
	}
	c.count++
	// Ticks since the first packet, to the nearest one.
	ticks := (int64(at-c.first)*int64(c.clock) + 1<<31) >> 32
	c.skew = max(c.skew, abs(ticks-int64(int32(packet.Timestamp-c.timestamp))))
	captured := time.Unix(int64(at>>32)-ntpEpoch, int64((at&0xffff_ffff)*uint64(time.Second)>>32))
	c.age = now.Sub(captured)
	if c.reports > 0 {
		told := float64(int64(at-c.reportNTP)) * 1000 / (1 << 32)
		mapped := float64(int32(packet.Timestamp-c.reportRTP)) * 1000 / float64(c.clock)
		c.off = max(c.off, math.Abs(mapped-told))
	}
}

func abs(value int64) int64 {
	return max(value, -value)
}
