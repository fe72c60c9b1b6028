package statsd

import (
	"math/rand/v2"
	"strings"
	"time"

	"rondo/rrd"
)

const (
	// maxSet bounds the values that a set tells apart in one interval.
	maxSet = 10_000
	// maxRoom bounds the memory that all timers' and sets' values of an
	// interval take, in bytes.
	maxRoom = 64 << 20
	// setValueSize is what a set's value takes beside its own bytes.
	setValueSize = 64
)

// An identity is a metric as its lines name it.
type identity struct{ name, tags string }

// A metric is what one name has summed up to since the last flush.
type metric struct {
	kind   kind
	keys   []rrd.Key // of what it is flushed as
	heard  time.Time
	sum    float64 // counter, timer
	value  float64 // gauge
	timer  *reservoir
	values map[string]struct{} // set
}

// An aggregator sums up lines between flushes. It is not safe for concurrent
// use.
type aggregator struct {
	maxNames int
	expire   time.Duration
	metrics  map[identity]*metric
	random   *rand.Rand
	room     int // left for values, in bytes
	lines    int // taken since counts was last taken away
	// counts says what was left out, by reason, since it was last taken away.
	counts map[string]int
	first  error  // of the lines left out
	line   string // that first was about
}

func newAggregator(maxNames int, expire time.Duration) *aggregator {
	return &aggregator{
		maxNames: maxNames,
		expire:   expire,
		metrics:  make(map[identity]*metric),
		random:   rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		room:     maxRoom,
		counts:   make(map[string]int),
	}
}

// packet takes all lines of a packet. Bad ones are counted and left out.
func (a *aggregator) packet(p string, now time.Time) {
	for more := true; more; {
		var s string
		s, p, more = strings.Cut(p, "\n")
		if s = strings.TrimSuffix(s, "\r"); s == "" {
			continue
		}
		if err := a.take(s, now); err != nil {
			a.refuse(err, s)
		}
	}
}

// refuse counts a line that was left out.
func (a *aggregator) refuse(err error, s string) {
	reason := "malformed"
	switch err {
	case errUnsupported:
		reason = "unsupported"
	case errNames:
		reason = string(rrd.RefusedSeriesMax)
	case errValue:
		reason = string(rrd.RefusedValue)
	}
	a.counts[reason]++
	if a.first == nil {
		a.first, a.line = err, strings.Clone(s[:min(len(s), 200)])
	}
}

func (a *aggregator) take(s string, now time.Time) error {
	l, err := parseLine(s)
	if err != nil {
		return err
	}
	// All values first: a line that is refused leaves nothing behind.
	if l.kind != set {
		for v := range strings.SplitSeq(l.values, ":") {
			if _, err := parseValue(v); err != nil {
				return err
			}
		}
	}
	m, err := a.metric(l)
	if err != nil {
		return err
	}
	m.heard = now
	for v := range strings.SplitSeq(l.values, ":") {
		a.add(m, l, v)
	}
	a.lines++
	return nil
}

// metric finds or makes what l names.
func (a *aggregator) metric(l line) (*metric, error) {
	if m := a.metrics[identity{l.name, l.tags}]; m != nil {
		if m.kind != l.kind {
			return nil, errOtherType
		}
		return m, nil
	}
	if len(a.metrics) >= a.maxNames {
		return nil, errNames
	}
	keys, err := keysOf(l)
	if err != nil {
		return nil, err
	}
	m := &metric{kind: l.kind, keys: keys}
	if l.kind == timer {
		m.timer = &reservoir{}
	}
	// The line is part of a packet, which need not live as long.
	a.metrics[identity{strings.Clone(l.name), strings.Clone(l.tags)}] = m
	return m, nil
}

// timerParts are the names that a timer is flushed as, in the order of
// flushTimer.
var timerParts = [...]string{"_count", "_sum", "_min", "_max", "_mean", "_p50", "_p90", "_p99"}

func keysOf(l line) ([]rrd.Key, error) {
	if strings.IndexByte(l.name, 0xff) >= 0 {
		return nil, rrd.ErrNotUTF8
	}
	ls, err := labels(l.tags)
	if err != nil {
		return nil, err
	}
	parts := []string{""}
	if l.kind == timer {
		parts = timerParts[:]
	}
	keys := make([]rrd.Key, len(parts))
	for i, part := range parts {
		if keys[i], err = rrd.NewKey(strings.Clone(l.name+part), ls...); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// add takes one value, which is a number where the kind wants one.
func (a *aggregator) add(m *metric, l line, text string) {
	v, _ := parseValue(text)
	switch l.kind {
	case set:
		a.addToSet(m, text)
	case counter:
		m.sum += v / l.rate
	case gauge:
		if text[0] == '+' || text[0] == '-' {
			v += m.value
		}
		m.value = v
	case timer:
		if m.timer.add(v, l.rate, a.random, a.room >= 8) {
			a.room -= 8
		}
	}
}

func (a *aggregator) addToSet(m *metric, text string) {
	if _, known := m.values[text]; known {
		return
	}
	size := setValueSize + len(text)
	if len(m.values) >= maxSet || a.room < size {
		a.counts["set_full"]++
		return
	}
	a.room -= size
	if m.values == nil {
		m.values = make(map[string]struct{})
	}
	m.values[strings.Clone(text)] = struct{}{}
}

// flush appends the samples of the interval that ends at end, and starts the
// next one.
func (a *aggregator) flush(dst []rrd.Sample, end time.Time) []rrd.Sample {
	at := rrd.At(end)
	a.room = maxRoom
	for id, m := range a.metrics {
		if end.Sub(m.heard) > a.expire {
			delete(a.metrics, id)
			continue
		}
		switch m.kind {
		case counter:
			dst = append(dst, rrd.Sample{Key: m.keys[0], Time: at, Value: m.sum, Type: rrd.Absolute})
			m.sum = 0
		case gauge:
			dst = append(dst, rrd.Sample{Key: m.keys[0], Time: at, Value: m.value, Type: rrd.Gauge})
		case set:
			dst = append(dst, rrd.Sample{Key: m.keys[0], Time: at, Value: float64(len(m.values)), Type: rrd.Gauge})
			m.values = nil
		case timer:
			dst = m.flushTimer(dst, at)
		}
	}
	return dst
}

func (m *metric) flushTimer(dst []rrd.Sample, at rrd.Time) []rrd.Sample {
	r := m.timer
	values := [...]float64{r.count, r.sum, r.min, r.max, r.sum / r.count, 0, 0, 0}
	n := len(values)
	if r.seen == 0 {
		n = 2 // nothing is known of no values but their count and sum
	} else {
		r.sort()
		values[5], values[6], values[7] = r.percentile(50), r.percentile(90), r.percentile(99)
	}
	for i, v := range values[:n] {
		t := rrd.Gauge
		if i < 2 {
			t = rrd.Absolute
		}
		dst = append(dst, rrd.Sample{Key: m.keys[i], Time: at, Value: v, Type: t})
	}
	r.reset()
	return dst
}
