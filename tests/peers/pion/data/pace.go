package main

import (
	"sync"
	"time"
)

// pace is how fast we read: what is not read stays in the window that we gave the server.
type pace struct {
	mutex   sync.Mutex
	changed *sync.Cond
	// bitsPerSecond is 0 while nothing is read, and below it while there is no limit.
	bitsPerSecond int
	// next is when the next message may be read.
	next time.Time
}

func newPace() *pace {
	p := &pace{bitsPerSecond: -1}
	p.changed = sync.NewCond(&p.mutex)
	return p
}

func (p *pace) set(bitsPerSecond int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.bitsPerSecond = bitsPerSecond
	p.next = time.Now()
	p.changed.Broadcast()
}

// wait returns when the next message may be read.
func (p *pace) wait() {
	const step = 20 * time.Millisecond
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for p.bitsPerSecond == 0 {
		p.changed.Wait()
	}
	for p.bitsPerSecond > 0 && time.Now().Before(p.next) {
		p.mutex.Unlock()
		time.Sleep(step)
		p.mutex.Lock()
	}
}

// took counts what was read.
func (p *pace) took(bytes int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.bitsPerSecond <= 0 {
		return
	}
	if now := time.Now(); p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(bytes) * 8 * time.Second / time.Duration(p.bitsPerSecond))
}
