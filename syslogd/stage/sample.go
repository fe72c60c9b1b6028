package stage

import (
	"errors"
	"hash/fnv"
	"strconv"
	"sync/atomic"
	"time"

	"rondo/syslogd/syslog"
)

// SampleConfig lets one message in so many pass. What passes says the rate,
// [sampled@32473 one_in="10"], so that counts of it can be scaled.
type SampleConfig struct {
	OneIn int `yaml:"one_in"`
	// By names fields: messages that agree in them pass together or not at all,
	// on every server alike, such as all lines of a trace. Without it, and for
	// messages that have none of the fields, every so manieth passes, the first
	// one first.
	By []string `yaml:"by"`
}

type sample struct {
	oneIn  uint64
	by     []string
	params []byte
	seen   atomic.Uint64
}

func (c *SampleConfig) build() (stage, error) {
	errs := []error{checkFields("by", c.By...)}
	if c.OneIn < 1 {
		errs = append(errs, errors.New("one_in: want 1 or more: one message in so many passes"))
	}
	s := &sample{oneIn: uint64(max(c.OneIn, 1)), by: c.By}
	s.params = syslog.AppendSDParam(nil, "one_in", strconv.Itoa(c.OneIn))
	return s, errors.Join(errs...)
}

const sampledID = "sampled" + enterprise

func (s *sample) apply(_ time.Time, w *work) verdict {
	if !s.passes(w) {
		return dropped
	}
	if s.oneIn == 1 {
		return unchanged
	}
	w.m.SD = addSD(w.m.SD, sampledID, s.params)
	return changed
}

func (s *sample) passes(w *work) bool {
	w.key = appendKey(w.key[:0], &w.m, s.by)
	if len(w.key) == 4*len(s.by) { // no values
		return (s.seen.Add(1)-1)%s.oneIn == 0
	}
	h := fnv.New64a()
	_, _ = h.Write(w.key) // a hash takes all that it is given
	return mix(h.Sum64())%s.oneIn == 0
}

// mix spreads what FNV leaves to the low bits (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
