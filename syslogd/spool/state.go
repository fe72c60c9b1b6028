package spool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"rondo/rrd/seglog"
)

// The cursors of all queues are one file, as JSON, and the one before it:
//
//	spool/queues   spool/queues.old
const (
	stateFile    = "queues"
	stateVersion = 1
)

// A stored spool is what its file says. What the log has behind End is added
// to it when the spool is opened.
type storedSpool struct {
	Version int           `json:"version"`
	Log     string        `json:"log"`
	End     seglog.Pos    `json:"end"` // of what was committed
	Number  uint64        `json:"number"`
	LastID  uint64        `json:"last_id"`
	Queues  []storedQueue `json:"queues"`
}

type storedQueue struct {
	ID        uint64            `json:"id"`
	Name      string            `json:"name"`
	Limits    storedLimits      `json:"limits"` // for the time when it is an orphan
	Left      time.Time         `json:"left,omitzero"`
	Total     storedPlace       `json:"total"`
	Head      storedPlace       `json:"head"`
	Again     []storedSpan      `json:"again,omitempty"` // in front of head
	Unwritten uint64            `json:"unwritten"`
	Delivered uint64            `json:"delivered"`
	Dropped   map[Reason]uint64 `json:"dropped"`
}

type storedLimits struct {
	Bytes    int64         `json:"bytes"`
	Age      time.Duration `json:"age"`
	WhenFull Policy        `json:"when_full"`
}

// A storedPlace is a place's pos, ordinal and bytes.
type storedPlace [3]uint64

func (p place) stored() storedPlace { return storedPlace{uint64(p.pos), p.ordinal, p.bytes} }

func (p storedPlace) place() place { return place{seglog.Pos(p[0]), p[1], p[2]} }

// A storedSpan is where a span begins and where it ends.
type storedSpan [2]storedPlace

// snapshot says how the queue stands. What is in flight is to be sent again
// after a crash.
func (q *Queue) snapshot() storedQueue {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := storedQueue{
		ID: q.id, Name: q.name, Limits: storedLimits(q.limits), Left: q.left, Total: q.total.stored(), Head: q.head.stored(),
		Unwritten: q.unwritten, Delivered: q.delivered, Dropped: maps.Clone(q.dropped),
	}
	for _, sp := range joined(slices.Concat(q.flight, q.again)) {
		s.Again = append(s.Again, storedSpan{sp.from.stored(), sp.to.stored()})
	}
	return s
}

// restore makes a queue of what was stored.
func (s *Spool) restore(st storedQueue) *Queue {
	q := s.newQueue(st.ID, st.Name)
	q.limits, q.left = Limits(st.Limits).withDefaults(), st.Left
	q.total, q.head = st.Total.place(), s.within(st.Head.place())
	q.unwritten, q.delivered = st.Unwritten, st.Delivered
	if st.Dropped != nil {
		q.dropped = st.Dropped
	}
	for _, sp := range st.Again {
		q.again = append(q.again, span{s.within(sp[0].place()), sp[1].place()})
	}
	return q
}

// within is p, or from the beginning of a log that does not reach p: somebody
// has moved it away. Ordinals say what is missing.
func (s *Spool) within(p place) place {
	if p.pos > s.log.End() {
		p.pos = s.log.First()
	}
	return p
}

// recover finds where the last run stopped.
func (s *Spool) recover() error {
	st, err := s.load()
	if err != nil {
		return err
	}
	s.id, s.number, s.lastID = st.Log, st.Number, st.LastID
	if s.id == "" {
		s.id = strconv.FormatUint(rand.Uint64(), 36)
	}
	for _, q := range st.Queues {
		s.queues = append(s.queues, s.restore(q))
	}
	if err := s.scan(); err != nil {
		return err
	}
	// The clock keeps numbers apart that were given out, and then lost in a
	// crash or replaced by a backup, from those that will be.
	s.number = max(s.number, uint64(time.Now().UnixMicro()))
	return nil
}

// load reads the file, or the one before it if it is damaged.
func (s *Spool) load() (st storedSpool, err error) {
	path := filepath.Join(s.dir, stateFile)
	for _, p := range []string{path, path + ".old"} {
		var data []byte
		data, err = os.ReadFile(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return st, err
		}
		st = storedSpool{}
		err = json.Unmarshal(data, &st)
		if err == nil && st.Version != stateVersion {
			return st, fmt.Errorf("%s: version %d is not known", p, st.Version)
		}
		if err == nil {
			return st, nil
		}
		s.o.Log.Error("the cursors of the queues are damaged", "file", p, "err", err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return storedSpool{}, nil
	}
	return storedSpool{}, nil
}

// scan makes the marks, and adds to the queues what was appended after their
// cursors were written. Of all segments but the last, it reads one record.
func (s *Spool) scan() error {
	var t tail
	segments := s.log.Segments()
	for i, base := range segments {
		last := i+1 == len(segments)
		for rec, err := range s.log.Records(base) {
			if _, damaged := errors.AsType[*seglog.DamageError](err); damaged {
				continue // what is behind it says all
			}
			if err != nil {
				return err
			}
			if !last && rec.Pos >= segments[i+1] {
				break
			}
			if _, err := readTail(rec.Data, rec.Pos, &t); err == nil {
				s.seen(rec, &t)
			}
			if !last {
				break
			}
		}
	}
	return nil
}

// seen notes a record that an earlier run has written.
func (s *Spool) seen(rec seglog.Record, t *tail) {
	s.number = max(s.number, t.number+t.count)
	if at := time.UnixMilli(t.at); s.marks.due(rec.Pos, at) {
		s.marks = s.marks.add(mark{pos: rec.Pos, at: at, places: slices.Clone(t.queues)})
	}
	for _, e := range t.queues {
		if e.id > s.lastID {
			s.lastID = e.id
			s.queues = append(s.queues, s.unknown(e))
		}
	}
	for _, q := range s.queues {
		if e, _, ok := t.of(q.id); ok && e.end().ordinal > q.total.ordinal {
			if q.head.ordinal == q.total.ordinal {
				q.head.pos = min(q.head.pos, rec.Pos)
			}
			q.total = e.end()
		}
	}
}

// unknown makes an orphan of a queue whose name was lost with the file of the
// cursors, so that what it has is told and counted.
func (s *Spool) unknown(e entry) *Queue {
	q := s.newQueue(e.id, "unknown-"+strconv.FormatUint(e.id, 10))
	q.total, q.head = e.place, e.place
	return q
}

// keepEvery is how often cursors are written.
const keepEvery = time.Second

// keepUp writes the cursors as long as the spool is open.
func (s *Spool) keepUp() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ticker := time.NewTicker(keepEvery)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-s.stop:
			return
		case now := <-ticker.C:
			s.expire(now)
			err := s.keep(ctx)
			if err != nil && !failing {
				s.o.Log.Error("the cursors of the queues cannot be written; what is delivered now is delivered again after a restart", "err", err)
			}
			failing = err != nil
		}
	}
}

// keep writes the cursors, and then removes what lies before all of them. The
// log comes first: a cursor must never be ahead of what a crash leaves.
func (s *Spool) keep(ctx context.Context) error {
	s.keeping.Lock()
	defer s.keeping.Unlock()
	st, first := s.state()
	data, err := json.Marshal(st)
	if err != nil {
		return err
	}
	if bytes.Equal(data, s.stored) {
		return nil
	}
	if err := s.log.Commit(ctx, st.End); err != nil {
		return err
	}
	if err := writeState(filepath.Join(s.dir, stateFile), data); err != nil {
		return err
	}
	s.stored = data
	s.mu.Lock()
	s.marks = s.marks.cut(first)
	s.mu.Unlock()
	return s.log.Cut(first)
}

// state is what is to be stored, and where the log may be cut.
func (s *Spool) state() (st storedSpool, first seglog.Pos) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.log.End()
	st = storedSpool{Version: stateVersion, Log: s.id, End: end, Number: s.number, LastID: s.lastID}
	first = end
	for _, q := range s.queues {
		q.catchUp(end)
		sq := q.snapshot()
		st.Queues = append(st.Queues, sq)
		first = min(first, sq.Head.place().pos)
		for _, sp := range sq.Again {
			first = min(first, sp[0].place().pos)
		}
	}
	return st, first
}

// catchUp moves the place of a queue that has nothing to send to the end of
// the log, so that it does not hold back what is of others.
func (q *Queue) catchUp(end seglog.Pos) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head.ordinal == q.total.ordinal {
		q.head = place{end, q.total.ordinal, q.total.bytes}
	}
}

// writeState replaces the file: after a crash it is the old one or the new one,
// or one of them is beside it.
func writeState(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return seglog.SyncDir(filepath.Dir(path))
}

// Snapshot makes dir a copy of the queues, of which nothing may be written to:
// a spool opened on a copy of it delivers what had not been delivered, and
// perhaps some messages again. dir must be on the same file system.
func (s *Spool) Snapshot(dir string) error {
	if err := s.keep(context.Background()); err != nil {
		return fmt.Errorf("spool: snapshot: %w", err)
	}
	s.keeping.Lock() // nothing is cut meanwhile
	defer s.keeping.Unlock()
	err := s.log.Snapshot(filepath.Join(dir, "log"), 0, s.log.End())
	if err == nil {
		err = os.Link(filepath.Join(s.dir, stateFile), filepath.Join(dir, stateFile))
	}
	if err != nil {
		return fmt.Errorf("spool: snapshot: %w", err)
	}
	return nil
}
