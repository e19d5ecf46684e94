package main

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// event is what is told of one thing that happened. Every line has its name and the milliseconds
// since the program began as well.
type event map[string]any

// reporter writes events, one a line, from any goroutine.
type reporter struct {
	mutex   sync.Mutex
	out     *json.Encoder
	started time.Time
}

func newReporter(out io.Writer) *reporter {
	return &reporter{out: json.NewEncoder(out), started: time.Now()}
}

func (r *reporter) tell(name string, fields event) {
	line := event{"event": name, "ms": time.Since(r.started).Milliseconds()}
	for key, value := range fields {
		line[key] = value
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	// Who does not read us any more has ended.
	_ = r.out.Encode(line)
}

// fail tells of an error; what finishes the sentence "cannot …".
func (r *reporter) fail(what string, err error) {
	r.tell("error", event{"message": "cannot " + what + ": " + err.Error()})
}
