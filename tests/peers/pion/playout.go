package main

import (
	"time"

	"github.com/pion/rtp"
)

const (
	// videoPatience is how long a missing packet is waited for before a key frame is asked for. pion
	// asks for lost packets each 100 ms, so there are several tries.
	videoPatience = time.Second
	// askInterval is how often it is asked for again.
	askInterval = 500 * time.Millisecond
	// soundPatience is how much later than its time a packet of sound may come.
	soundPatience = 200 * time.Millisecond
	// soundInterval is what one packet of sound holds.
	soundInterval = 20 * time.Millisecond
	// soundTicks is the same in units of RTP time.
	soundTicks = 960
	// freezeExcess and freezeFactor say which gap between pictures is a freeze (webrtc-stats,
	// freezeCount); meanFrames is over how many the usual gap is taken.
	freezeExcess = 150 * time.Millisecond
	freezeFactor = 3
	meanFrames   = 30
)

// videoPlayout says what a decoder could have shown. A picture is shown when it is whole and all
// before it were; after a gap that lasts too long only a key frame goes on. A server leaves no gap
// in the numbers where it leaves out layers.
type videoPlayout struct {
	waiting map[uint16]*rtp.Packet
	// next is the number of the first packet of the next picture.
	next uint16
	// started is true from the first key frame on; lost while only a key frame goes on.
	started, lost bool
	gapSince      time.Time
	askedAt       time.Time
	shownAt       time.Time
	meanGap       time.Duration
	shown         int
	freezes       int
	frozen        time.Duration
}

// take adds a packet. It returns whether a key frame has to be asked for.
func (p *videoPlayout) take(packet *rtp.Packet, startsKey bool, now time.Time) bool {
	if p.waiting == nil {
		p.waiting = map[uint16]*rtp.Packet{}
	}
	if (!p.started || p.lost) && startsKey {
		p.started, p.lost = true, false
		p.next = packet.SequenceNumber
		for number := range p.waiting {
			if int16(number-p.next) < 0 {
				delete(p.waiting, number)
			}
		}
	}
	if p.started && !p.lost && int16(packet.SequenceNumber-p.next) < 0 {
		return false
	}
	p.waiting[packet.SequenceNumber] = packet
	if p.lost || !p.started {
		return p.lost && p.ask(now)
	}
	p.show(now)
	if len(p.waiting) == 0 {
		p.gapSince = time.Time{}
		return false
	}
	if p.gapSince.IsZero() {
		p.gapSince = now
	}
	if now.Sub(p.gapSince) < videoPatience {
		return false
	}
	p.lost, p.gapSince = true, time.Time{}
	p.waiting = nil
	return p.ask(now)
}

// ask says whether a key frame may be asked for now.
func (p *videoPlayout) ask(now time.Time) bool {
	if now.Sub(p.askedAt) < askInterval {
		return false
	}
	p.askedAt = now
	return true
}

// show shows what is whole.
func (p *videoPlayout) show(now time.Time) {
	for {
		end := p.next
		packet := p.waiting[end]
		// A packet without media belongs to no picture.
		for packet != nil && !packet.Marker && len(packet.Payload) > 0 {
			end++
			packet = p.waiting[end]
		}
		if packet == nil {
			return
		}
		for number := p.next; number != end+1; number++ {
			delete(p.waiting, number)
		}
		p.next = end + 1
		p.gapSince = time.Time{}
		if len(packet.Payload) > 0 {
			p.showOne(now)
		}
	}
}

func (p *videoPlayout) showOne(now time.Time) {
	p.shown++
	if p.shownAt.IsZero() {
		p.shownAt = now
		return
	}
	gap := now.Sub(p.shownAt)
	p.shownAt = now
	if p.shown > 2 && gap > max(freezeFactor*p.meanGap, p.meanGap+freezeExcess) {
		p.freezes++
		p.frozen += gap
	}
	p.meanGap += (gap - p.meanGap) / time.Duration(min(p.shown-1, meanFrames))
}

// soundPlayout says which packets of sound came in time.
type soundPlayout struct {
	came map[uint16]bool
	// next is the number whose time comes next; at is when that is.
	next      uint16
	at        time.Time
	heard     int
	concealed int
}

// take adds a packet with copies of frames that are so many before it.
func (p *soundPlayout) take(packet *rtp.Packet, copies []uint16, now time.Time) {
	if p.came == nil {
		p.came = map[uint16]bool{}
		p.next = packet.SequenceNumber
		p.at = now.Add(soundPatience)
	}
	if int16(packet.SequenceNumber-p.next) >= 0 {
		p.came[packet.SequenceNumber] = true
	}
	for _, back := range copies {
		if int16(packet.SequenceNumber-back-p.next) >= 0 {
			p.came[packet.SequenceNumber-back] = true
		}
	}
	p.play(now)
}

// play hears what is due.
func (p *soundPlayout) play(now time.Time) {
	for p.came != nil && !now.Before(p.at) {
		if p.came[p.next] {
			p.heard++
		} else {
			p.concealed++
		}
		delete(p.came, p.next)
		p.next++
		p.at = p.at.Add(soundInterval)
	}
}
