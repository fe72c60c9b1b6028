package stage

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// A Pipe takes messages through its stages. It knows no clock and no
// goroutine; its methods may be called by several at a time.
type Pipe struct {
	steps []*step
	works sync.Pool // of *work
}

// step is a stage of a pipe, with what is common to all.
type step struct {
	name   string
	kind   string
	reason Reason // for which it drops messages
	filter *filter.Filter
	stage  stage
	counters
}

// A stage does one thing with a message. It may be used by several goroutines
// at a time.
type stage interface {
	// apply may change w.m, which is a copy.
	apply(now time.Time, w *work) verdict
}

// A debtor is a stage that makes messages of its own: what it has counted
// while it dropped others.
type debtor interface {
	// due returns what is to be said by now, or, before the end, all there is.
	due(now time.Time, all bool) []syslog.Message
}

// A verdict is what became of a message in a stage.
type verdict uint8

const (
	unchanged verdict = iota
	changed
	dropped
)

// maxScratch is how much memory is kept for the next message: a large one must
// not be paid for ever.
const maxScratch = 1 << 20

// work is one message on its way, and the memory that stages need for it.
type work struct {
	m     syslog.Message
	owed  []syslog.Message // to be given out before m, by the stage that is at work
	extra []syslog.Message // what was owed, behind the last stage
	cut   uint64           // values that were left out, by the stage that is at work
	buf   []byte
	key   []byte
	finds finds
	tally []tally // of each step

	// For Trace; nil otherwise.
	observe func(step int, v verdict, before, after *syslog.Message)
	before  syslog.Message
}

// New makes a pipe. The error says all that is wrong, each with its key.
func New(stages []Config) (*Pipe, error) {
	steps, err := build(stages)
	if err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	p := &Pipe{steps: steps}
	p.works.New = func() any { return &work{tally: make([]tally, len(steps))} }
	return p, nil
}

// Remembers reports whether what becomes of a message depends on those before
// it, so that a message that goes through twice is not the same twice.
func (p *Pipe) Remembers() bool {
	return p != nil && slices.ContainsFunc(p.steps, func(s *step) bool {
		_, ok := s.stage.(debtor)
		return ok
	})
}

// Apply takes a batch through the stages, and returns what comes out, in
// order. It does not change the batch, and returns it itself if nothing has
// changed.
func (p *Pipe) Apply(now time.Time, batch []syslog.Message) []syslog.Message {
	if p == nil || len(p.steps) == 0 {
		return batch
	}
	w := p.works.Get().(*work)
	out, copied := batch, false
	for i := range batch {
		m, v := p.run(now, w, &batch[i], 0)
		if v == unchanged && len(w.extra) == 0 {
			if copied {
				out = append(out, *m)
			}
			continue
		}
		if !copied {
			out, copied = append(make([]syslog.Message, 0, len(batch)+len(w.extra)), batch[:i]...), true
		}
		out = append(out, w.extra...)
		w.extra = w.extra[:0]
		if v != dropped {
			out = append(out, *m)
		}
	}
	p.done(w)
	return out
}

// done gives back what Apply has borrowed. What a message says is not held
// beyond its time.
func (p *Pipe) done(w *work) {
	for i := range p.steps {
		p.steps[i].add(&w.tally[i])
	}
	clear(w.extra[:cap(w.extra)])
	clear(w.owed[:cap(w.owed)])
	w.extra, w.m, w.before = w.extra[:0], syslog.Message{}, syslog.Message{}
	if cap(w.key)+cap(w.buf) > maxScratch {
		w.key, w.buf = nil, nil
	}
	p.works.Put(w)
}

// run takes one message through the stages from the one of a number on. The
// message that it returns is m, or w's copy of it.
func (p *Pipe) run(now time.Time, w *work, m *syslog.Message, from int) (*syslog.Message, verdict) {
	whole := unchanged
	for i := from; i < len(p.steps); i++ {
		s := p.steps[i]
		if !s.filter.Match(m) {
			continue
		}
		if m != &w.m {
			w.m = *m
			m = &w.m
		}
		if w.observe != nil {
			w.before = w.m
		}
		v := s.stage.apply(now, w)
		w.tally[i].count(v, w.cut)
		w.cut = 0
		if w.observe != nil {
			w.observe(i, v, &w.before, &w.m)
		}
		if len(w.owed) > 0 {
			p.pass(now, w, w.owed, i)
			w.owed = w.owed[:0]
		}
		if v == dropped {
			return m, v
		}
		whole = max(whole, v)
	}
	return m, whole
}

// pass takes messages that a stage has made through those behind it, to
// w.extra.
func (p *Pipe) pass(now time.Time, w *work, made []syslog.Message, from int) {
	w.tally[from].made += uint64(len(made))
	next := p.works.Get().(*work)
	next.observe = w.observe
	for i := range made {
		m, v := p.run(now, next, &made[i], from+1)
		w.extra = append(w.extra, next.extra...)
		next.extra = next.extra[:0]
		if v != dropped {
			w.extra = append(w.extra, *m)
		}
	}
	next.observe = nil
	p.done(next)
}

// Due returns what the stages have to say by now: how often messages were
// repeated, and how many a limit dropped. It is to be asked once a second or
// so; what it returns goes where the output of Apply goes.
func (p *Pipe) Due(now time.Time) []syslog.Message { return p.settle(now, false) }

// Close returns all that the stages still have to say. Messages that come
// afterwards still go through the pipe, but dedup lets all of them pass.
func (p *Pipe) Close(now time.Time) []syslog.Message { return p.settle(now, true) }

func (p *Pipe) settle(now time.Time, all bool) []syslog.Message {
	if p == nil {
		return nil
	}
	var out []syslog.Message
	for i := range p.steps {
		d, ok := p.steps[i].stage.(debtor)
		if !ok {
			continue
		}
		made := d.due(now, all)
		if len(made) == 0 {
			continue
		}
		w := p.works.Get().(*work)
		p.pass(now, w, made, i)
		out = append(out, w.extra...)
		p.done(w)
	}
	return out
}

func (drop) apply(time.Time, *work) verdict { return dropped }
