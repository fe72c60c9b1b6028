package logstore

import (
	"slices"
	"time"

	"rondo/syslogd/syslog"
)

// writing is a batch on its way into the log and the heads. It is made
// before the lock is taken, and its memory is used again.
type writing struct {
	own     []syslog.Message // as the store keeps them; the batch is the caller's
	keys    []key            // of own
	apart   []syslog.Message // own, one key after the other, if it has several
	runs    []run
	buf     []byte
	records [][]byte // parts of buf, one for each run; or one that holds them and the marks
	marks   []markedAt
}

// run is a part of a batch that goes into one head and one record.
type run struct {
	key   key
	batch []syslog.Message
}

const (
	maxPortion = 1 << 20 // about how many bytes of messages are written at once
	maxScratch = 4 << 20 // larger buffers are not kept
)

func (s *Store) writing() *writing {
	if w, ok := s.scratch.Get().(*writing); ok {
		return w
	}
	return &writing{}
}

func (s *Store) written(w *writing) {
	clear(w.own) // they hold on to the caller's strings
	clear(w.apart)
	clear(w.marks)
	w.own, w.apart, w.runs, w.records, w.marks = w.own[:0], w.apart[:0], w.runs[:0], w.records[:0], w.marks[:0]
	if cap(w.buf) <= maxScratch && cap(w.own) <= maxScratch/256 {
		s.scratch.Put(w)
	}
}

func (w *writing) prepare(c *Config, batch []syslog.Message, now time.Time) {
	size := 0
	w.own = slices.Grow(w.own[:0], len(batch))
	for i := range batch {
		w.own = append(w.own, batch[i])
		normalise(&w.own[i], now)
		size += weightOf(&batch[i])
	}
	w.split(c)
	// With room for all of it, buf does not move while records point into it;
	// if it does all the same, they keep the old one.
	w.buf = slices.Grow(w.buf[:0], size)
	for _, r := range w.runs {
		from := len(w.buf)
		w.buf = appendRecord(w.buf, r.key, r.batch)
		w.records = append(w.records, w.buf[from:])
	}
}

// weightOf is about how many bytes of a record, and of a chunk that is not yet
// compressed, a message takes. Most have their fields in their line.
func weightOf(m *syslog.Message) int {
	fields := 0
	for _, f := range fieldsOf(m) {
		fields += len(*f)
	}
	return max(len(m.Raw), fields) + messageWeight
}

// messageWeight is that of an empty message.
const messageWeight = 64

// portion is how many messages of a batch are written at once: there are more
// only if they are no more than maxPortion, so that records and chunks have a
// bound that batches have not.
func portion(batch []syslog.Message) int {
	weight := 0
	for n := range batch {
		if weight += weightOf(&batch[n]); weight > maxPortion && n > 0 {
			return n
		}
	}
	return len(batch)
}

// split cuts the batch into runs. Keys that take turns would make a record for
// each message, so theirs are brought together.
func (w *writing) split(c *Config) {
	w.keys = w.keys[:0]
	var different []key // in order of their first message
	for i := range w.own {
		k := c.keyOf(&w.own[i])
		if w.keys = append(w.keys, k); (i == 0 || k != w.keys[i-1]) && !slices.Contains(different, k) {
			different = append(different, k)
		}
	}
	if len(different) == 1 {
		w.runs = append(w.runs, run{different[0], w.own})
		return
	}
	w.apart = slices.Grow(w.apart[:0], len(w.own))
	for _, k := range different {
		from := len(w.apart)
		for i := range w.own {
			if w.keys[i] == k {
				w.apart = append(w.apart, w.own[i])
			}
		}
		w.runs = append(w.runs, run{k, w.apart[from:]})
	}
}
