package agent

import (
	"context"
	"errors"
	"maps"
	"time"

	"rondo/rrd"
	"rondo/rrd/seglog"
	"rondo/syslogd/syslog"
)

// A Pusher brings portions and samples to the server; a Client is one.
type Pusher interface {
	// Marks waits until the server has said how far each source is stored.
	Marks(ctx context.Context, prefix string) (map[string]uint64, error)
	Push(ctx context.Context, portions []Portion, samples []rrd.Sample) error
}

const (
	drainBytes    = 512 << 10 // of records, in one push
	drainMessages = 20_000
	drainSamples  = 10_000
)

// Run sends what is in the spool until ctx ends. It begins where the server has
// got to.
func (s *Spool) Run(ctx context.Context, to Pusher) error {
	at, err := s.resume(ctx, to)
	for err == nil {
		var d drained
		if d, err = s.next(ctx, at); err != nil {
			break
		}
		if d.portion.To == d.portion.From {
			select {
			case <-ctx.Done():
				return nil
			case <-s.more:
			}
			continue
		}
		if err = to.Push(ctx, []Portion{d.portion}, d.samples); err == nil {
			at = seglog.Pos(d.portion.To)
			s.settle(at, len(d.portion.Messages))
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// resume finds where to go on. A spool that the server knows and that is not
// this one was on a disk that is lost, with what was in it.
func (s *Spool) resume(ctx context.Context, to Pusher) (seglog.Pos, error) {
	marks, err := to.Marks(ctx, spoolPrefix)
	if err != nil {
		return 0, err
	}
	at := seglog.Pos(marks[s.name])
	if !s.holds(at) {
		s.log.Error("the spool is not the one that the server knows: a disk was put back; it is sent anew, and some of it was sent before")
		if err := s.rename(); err != nil {
			return 0, err
		}
		at = 0
	}
	delete(marks, s.name)
	var lost []Portion
	for name := range marks {
		s.log.Error("a spool of this machine is lost, with what was not sent of it", "spool", name)
		lost = append(lost, Portion{Source: name, Forget: true})
	}
	s.mu.Lock()
	s.dropped["lost_spools"] += uint64(len(lost))
	s.taken = max(at, s.seg.First())
	s.mu.Unlock()
	if len(lost) > 0 {
		return at, to.Push(ctx, lost[:min(len(lost), maxPortions)], nil)
	}
	return at, nil
}

// holds reports whether a position is the beginning of a record, or the end. In
// a spool that was put back, and has grown since, it is most likely neither.
func (s *Spool) holds(at seglog.Pos) bool {
	if at > s.seg.End() {
		return false
	}
	for _, err := range s.seg.Records(at) {
		damage, damaged := errors.AsType[*seglog.DamageError](err)
		return !damaged || damage.From != at
	}
	return true
}

// drained is what a step of Run takes out of the spool.
type drained struct {
	portion Portion
	samples []rrd.Sample
}

// next reads what follows a position, as much as goes into one push. It is on
// the disk before it is sent: the position after it must not be used again for
// something else after a power cut.
func (s *Spool) next(ctx context.Context, at seglog.Pos) (d drained, err error) {
	end := s.seg.End()
	if err := s.seg.Commit(ctx, end); err != nil {
		return d, err
	}
	d.portion = Portion{Source: s.Source(), From: uint64(max(at, s.firstSent(at))), To: uint64(at)}
	size := 0
	for r, err := range s.seg.Records(at) {
		if damage, ok := errors.AsType[*seglog.DamageError](err); ok {
			s.log.Error("part of the spool is damaged, left out", "err", err)
			s.count("damaged", 1)
			d.portion.To = uint64(damage.To)
			continue
		}
		if err != nil {
			return d, err
		}
		if r.End > end {
			break
		}
		if err := s.take(&d, string(r.Data)); err != nil {
			s.log.Error("record of the spool is left out", "at", uint64(r.Pos), "err", err)
			s.count("damaged", 1)
		}
		d.portion.To = uint64(r.End)
		if size += len(r.Data); size > drainBytes || len(d.portion.Messages) > drainMessages || len(d.samples) > drainSamples {
			break
		}
	}
	d.portion.From = min(d.portion.From, d.portion.To)
	return d, nil
}

// firstSent is where a portion begins that follows at: there, or where the
// spool begins if what lay between was dropped.
func (s *Spool) firstSent(at seglog.Pos) seglog.Pos {
	if first := s.seg.First(); at != 0 && first > at {
		return first
	}
	return at
}

// take adds a record to what is sent, unless it is too old.
func (s *Spool) take(d *drained, data string) error {
	x, err := readSpooled(data)
	if err != nil {
		return err
	}
	if s.c.Age > 0 && time.Since(x.at) > s.c.Age {
		s.count("too_old", x.messages)
		return nil
	}
	var messages []syslog.Message
	switch x.kind {
	case framePortion:
		messages, err = readMessages(x.payload, maxMessages)
		d.portion.Messages = append(d.portion.Messages, messages...)
	case frameSamples:
		d.samples, err = readSamples(d.samples, x.payload)
	default:
		err = ErrWire
	}
	return err
}

// settle notes that the server has all before a position.
func (s *Spool) settle(at seglog.Pos, messages int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = at
	s.sent += uint64(messages)
	if s.seg.AfterCut(at) > s.seg.First() {
		s.cut(at)
	}
	close(s.room)
	s.room = make(chan struct{})
}

// Source is the spool's name at the server.
func (s *Spool) Source() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name
}

func (s *Spool) rename() error {
	name, err := newSpoolName(s.dir)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.name = name
	return nil
}

func (s *Spool) count(reason string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(reason, n)
}

// SpoolStats is how a spool stands.
type SpoolStats struct {
	Bytes   uint64            `json:"bytes"`   // on disk
	Waiting uint64            `json:"waiting"` // bytes that the server does not have
	Sent    uint64            `json:"sent"`    // messages
	Dropped map[string]uint64 `json:"dropped"` // messages by reason: full, disk_full, too_old, failed; places: damaged; spools: lost_spools
}

// Stats returns the figures of now; counts are since the start.
func (s *Spool) Stats() SpoolStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := SpoolStats{Bytes: uint64(s.size()), Sent: s.sent, Dropped: map[string]uint64{}}
	if end := s.seg.End(); end > s.taken {
		st.Waiting = uint64(end - s.taken)
	}
	maps.Copy(st.Dropped, s.dropped)
	maps.DeleteFunc(st.Dropped, func(_ string, n uint64) bool { return n == 0 })
	return st
}
