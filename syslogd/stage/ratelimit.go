package stage

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"rondo/syslogd/syslog"
)

// RateLimitConfig lets so many messages a second pass of each host, or of what
// else tells them apart, and drops the others: a token bucket for each. How
// many were dropped is said in a message of its own,
//
//	[dropped@32473 count="512" host="web1" first="..." last="..."] 512 messages of host=web1 were dropped: more than 100 a second
type RateLimitConfig struct {
	Rate    float64       `yaml:"rate"`     // messages a second
	Burst   int           `yaml:"burst"`    // at once, after a silence; the messages of a second
	By      []string      `yaml:"by"`       // fields; host
	MaxKeys int           `yaml:"max_keys"` // 10000; what is new beyond these shares one bucket
	Summary time.Duration `yaml:"summary"`  // how long the dropped are counted before it is said; 1m
}

const (
	defaultMaxKeys = 10000
	defaultSummary = time.Minute
	maxKeyBytes    = 1024 // of a bucket's name: what is longer is cut, and so shares
	droppedID      = "dropped" + enterprise
	ownApp         = "rondo"
	ownFacility    = syslog.Facility(5) // syslogd's own messages (RFC 5424, 6.2.1)
)

type rateLimit struct {
	rate, burst float64
	by          []string
	maxKeys     int
	summary     time.Duration

	mu      sync.Mutex
	buckets map[string]*bucket
	other   *bucket // of the keys beyond maxKeys
	swept   time.Time
	owing   []*bucket // those that have dropped, in order
}

// A bucket is how many messages of one key may pass at a time, and what was
// dropped since that was last said.
type bucket struct {
	tokens      float64
	at          time.Time
	labels      []byte // the key as parameters of structured data
	host        string
	dropped     uint64
	since       time.Time // of Apply
	first, last time.Time // of the messages
}

func (c *RateLimitConfig) build() (stage, error) {
	s := &rateLimit{rate: c.Rate, by: c.By, maxKeys: c.MaxKeys, summary: c.Summary, buckets: map[string]*bucket{}}
	if len(s.by) == 0 {
		s.by = []string{"host"}
	}
	errs := []error{checkFields("by", s.by...), atLeast("max_keys", &s.maxKeys, 1, defaultMaxKeys)}
	if !(c.Rate > 0 && c.Rate <= 1e9) {
		errs = append(errs, fmt.Errorf("rate: %v is no number of messages a second", c.Rate))
	}
	burst := c.Burst
	errs = append(errs, atLeast("burst", &burst, 1, max(1, int(c.Rate))))
	s.burst = float64(burst)
	if s.summary == 0 {
		s.summary = defaultSummary
	}
	if s.summary < time.Second {
		errs = append(errs, fmt.Errorf("summary: %v is less than a second", s.summary))
	}
	return s, errors.Join(errs...)
}

func (s *rateLimit) apply(now time.Time, w *work) verdict {
	w.key = appendKey(w.key[:0], &w.m, s.by)
	if len(w.key) > maxKeyBytes {
		w.key = w.key[:maxKeyBytes]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.bucket(now, w)
	if b.tokens >= 1 {
		b.tokens--
		return unchanged
	}
	if b.dropped == 0 {
		b.since, b.first = now, w.m.When()
		s.owing = append(s.owing, b)
	}
	b.dropped++
	b.last = w.m.When()
	return dropped
}

// bucket is that of a message, as it is now.
func (s *rateLimit) bucket(now time.Time, w *work) *bucket {
	b := s.buckets[string(w.key)]
	if b == nil {
		b = s.newBucket(now, w)
	}
	s.fill(b, now)
	return b
}

// fill adds what has come in since the bucket was last looked at. A clock that
// was set back adds nothing, once.
func (s *rateLimit) fill(b *bucket, now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(s.burst, b.tokens+s.rate*d.Seconds())
	}
	b.at = now
}

func (s *rateLimit) newBucket(now time.Time, w *work) *bucket {
	if len(s.buckets) >= s.maxKeys {
		s.sweep(now)
	}
	if len(s.buckets) >= s.maxKeys {
		if s.other == nil {
			s.other = &bucket{tokens: s.burst, at: now, labels: syslog.AppendSDParam(nil, "keys", "other")}
		}
		return s.other
	}
	b := &bucket{tokens: s.burst, at: now}
	for _, name := range s.by {
		b.labels = syslog.AppendSDParam(b.labels, name, cut(value(&w.m, name)))
		if name == "host" {
			b.host = strings.Clone(cut(w.m.Host))
		}
	}
	s.buckets[string(w.key)] = b
	return b
}

// cut bounds what a name may cost.
func cut(s string) string { return s[:min(len(s), maxKeyBytes)] }

// sweep forgets the buckets that are full and owe nothing: a new one would be
// the same. It looks once a second at most.
func (s *rateLimit) sweep(now time.Time) {
	if d := now.Sub(s.swept); d >= 0 && d < time.Second {
		return
	}
	s.swept = now
	for key, b := range s.buckets {
		if s.fill(b, now); b.tokens >= s.burst && b.dropped == 0 {
			delete(s.buckets, key)
		}
	}
}

func (s *rateLimit) due(now time.Time, all bool) []syslog.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []syslog.Message
	left := s.owing[:0]
	for _, b := range s.owing {
		if d := now.Sub(b.since); !all && d >= 0 && d < s.summary {
			left = append(left, b)
			continue
		}
		out = append(out, s.tell(now, b))
		b.dropped = 0
	}
	clear(s.owing[len(left):])
	s.owing = left
	return out
}

// tell makes the message that says how many were dropped.
func (s *rateLimit) tell(now time.Time, b *bucket) syslog.Message {
	count := strconv.FormatUint(b.dropped, 10)
	sd := syslog.AppendSDParam([]byte("["+droppedID), "count", count)
	sd = append(sd, b.labels...)
	sd = appendPeriod(sd, b.first, b.last)
	var of []string
	for p := range syslog.SDParams("[x" + string(b.labels) + "]") {
		of = append(of, p.Name+"="+p.Value())
	}
	return syslog.Compose(syslog.Message{
		Facility: ownFacility, Severity: syslog.Warning, HasPRI: true, Time: now, Received: now,
		Host: b.host, App: ownApp, MsgID: "dropped", SD: string(append(sd, ']')),
		Text: fmt.Sprintf("%s messages of %s were dropped: more than %v a second", count, strings.Join(of, " "), s.rate),
	})
}

// appendPeriod appends when the first and the last of some messages were.
func appendPeriod(dst []byte, first, last time.Time) []byte {
	dst = syslog.AppendSDParam(dst, "first", first.UTC().Format(time.RFC3339Nano))
	return syslog.AppendSDParam(dst, "last", last.UTC().Format(time.RFC3339Nano))
}
