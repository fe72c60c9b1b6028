package stage

import (
	"container/list"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"rondo/syslogd/syslog"
)

// DedupConfig lets the first of messages that are alike pass, and counts the
// others for as long as the window is open. At its end one message says how
// many there were, if any; the next of them is a first one again.
//
//	[repeated@32473 count="17" first="..." last="..."] message repeated 17 times: [TEXT]
//
// So first messages + the sum of all counts = messages that came.
type DedupConfig struct {
	Window   time.Duration `yaml:"window"`    // from the first message on; 30s
	By       []string      `yaml:"by"`        // fields in which messages are alike; host, app, severity, text
	MaxKeys  int           `yaml:"max_keys"`  // messages that are remembered; 10000. For one more, the oldest is settled before its time
	MaxBytes int           `yaml:"max_bytes"` // likewise, of memory; 16 MiB
}

const (
	defaultWindow   = 30 * time.Second
	maxWindow       = 24 * time.Hour
	defaultMaxBytes = 16 << 20
	runBytes        = 512 // what one costs beside its strings
	repeatedID      = "repeated" + enterprise
)

type dedup struct {
	window   time.Duration
	by       []string
	maxKeys  int
	maxBytes int

	mu     sync.Mutex
	runs   map[string]*list.Element
	order  list.List // of *repeats, the oldest first
	bytes  int
	closed bool // nothing is held back any more
}

// repeats is a first message, and those like it that were held back.
type repeats struct {
	key         string
	m           syslog.Message // without Raw
	opened      time.Time
	count       uint64
	first, last time.Time // of what was held back
}

func (c *DedupConfig) build() (stage, error) {
	s := &dedup{window: c.Window, by: c.By, maxKeys: c.MaxKeys, maxBytes: c.MaxBytes, runs: map[string]*list.Element{}}
	if len(s.by) == 0 {
		s.by = []string{"host", "app", "severity", "text"}
	}
	if s.window == 0 {
		s.window = defaultWindow
	}
	errs := []error{
		checkFields("by", s.by...), atLeast("max_keys", &s.maxKeys, 1, defaultMaxKeys),
		atLeast("max_bytes", &s.maxBytes, 64<<10, defaultMaxBytes),
	}
	if s.window < time.Second || s.window > maxWindow {
		errs = append(errs, fmt.Errorf("window: %v is not between %v and %v", s.window, time.Second, maxWindow))
	}
	return s, errors.Join(errs...)
}

func (s *dedup) apply(now time.Time, w *work) verdict {
	w.key = appendKey(w.key[:0], &w.m, s.by)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return unchanged
	}
	if e := s.runs[string(w.key)]; e != nil {
		r := e.Value.(*repeats)
		if !s.over(now, r) {
			if r.count == 0 {
				r.first = w.m.When()
			}
			r.count++
			r.last = w.m.When()
			return dropped
		}
		w.owed = s.settle(w.owed, now, e)
	}
	s.open(now, w)
	return unchanged
}

// over reports whether a window is: also when the clock was set back by more
// than its length.
func (s *dedup) over(now time.Time, r *repeats) bool {
	d := now.Sub(r.opened)
	return d >= s.window || d < -s.window
}

// open begins to remember a message. One that is larger than all that may be
// remembered is not.
func (s *dedup) open(now time.Time, w *work) {
	r := &repeats{key: string(w.key), m: header(&w.m), opened: now}
	if r.size() > s.maxBytes {
		return
	}
	for len(s.runs) >= s.maxKeys || s.bytes+r.size() > s.maxBytes {
		w.owed = s.settle(w.owed, now, s.order.Front())
	}
	s.bytes += r.size()
	s.runs[r.key] = s.order.PushBack(r)
}

func (r *repeats) size() int {
	n := runBytes + len(r.key)
	for _, field := range texts(&r.m) {
		n += len(*field)
	}
	return n
}

// header is a copy of a message without its line.
func header(m *syslog.Message) syslog.Message {
	c := *m
	c.Raw = ""
	return c.Clone()
}

// settle forgets a message, and appends what there is to say of it.
func (s *dedup) settle(dst []syslog.Message, now time.Time, e *list.Element) []syslog.Message {
	r := s.order.Remove(e).(*repeats)
	delete(s.runs, r.key)
	s.bytes -= r.size()
	if r.count == 0 {
		return dst
	}
	return append(dst, r.summary(now))
}

func (s *dedup) due(now time.Time, all bool) []syslog.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = s.closed || all
	var out []syslog.Message
	for e := s.order.Front(); e != nil && (all || s.over(now, e.Value.(*repeats))); e = s.order.Front() {
		out = s.settle(out, now, e)
	}
	return out
}

// summary is the message that says how often another one was repeated. It
// keeps that one's header and text, so that whoever looks for the message
// finds the count too.
func (r *repeats) summary(now time.Time) syslog.Message {
	count := strconv.FormatUint(r.count, 10)
	m := r.m
	m.Time, m.Received, m.Truncated, m.HasPRI = r.last, now, false, true
	m.SD = addSD(m.SD, repeatedID, appendPeriod(syslog.AppendSDParam(nil, "count", count), r.first, r.last))
	var text strings.Builder
	text.WriteString("message repeated " + count + " times: [")
	text.WriteString(r.m.Text)
	text.WriteByte(']')
	m.Text = text.String()
	return syslog.Compose(m)
}
