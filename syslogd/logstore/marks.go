package logstore

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"rondo/rrd/seglog"
	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

// A record with marks holds what one PutMarked wrote: a record of the log is
// there after a crash or is not, while of several some may be.
//
//	version 2 | now ms varint | count | marks | records, each a string
//	mark:     source string | position | ms since it was renewed
//
// The records inside are those of messages, one for each run.
const markedVersion = 2

const (
	maxMarked = 8 << 20 // about how many bytes of messages one PutMarked may have
	maxSource = 512     // bytes of a mark's source

	defaultMaxMarks = 500_000
	leastMarkExpiry = 400 * 24 * time.Hour
)

// marks are the marks of all sources. They live in the log only: each has a
// record in it that is not cut, since whoever cuts the log writes anew those
// that would go with it (Store.moveMarks).
//
// A mark that was not renewed for markExpiry is forgotten, and beyond maxMarks
// the one that was renewed longest ago is: its source would be read again from
// the beginning, if it is still there. A mark at 0 is as none, and is not kept.
type marks struct {
	mu     sync.Mutex
	all    map[string]mark
	max    int
	expiry time.Duration
	gone   int64 // forgotten
}

type mark struct {
	pos     uint64
	renewed int64      // Unix milliseconds
	at      seglog.Pos // of its newest record in the log
}

func newMarks(o *Options) *marks {
	longest := o.Config.Retention
	for _, c := range o.Config.Classes {
		longest = max(longest, c.Retention)
	}
	return &marks{all: map[string]mark{}, max: o.MaxMarks, expiry: max(leastMarkExpiry, 2*longest)}
}

// markedAt is a mark and when it was renewed, in Unix milliseconds.
type markedAt struct {
	syslogd.Mark
	renewed int64
}

// set notes marks that are in the log at a position.
func (m *marks) set(marks []markedAt, at seglog.Pos) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range marks {
		if m.all[x.Source] = (mark{x.Pos, x.renewed, at}); x.Pos == 0 {
			delete(m.all, x.Source)
		}
	}
	if len(m.all) > m.max {
		m.evict()
	}
}

// evict forgets those renewed longest ago, those of imports before all others: a
// sender that is still there does not lose its mark to them. It forgets a few
// at once, for it looks at all.
func (m *marks) evict() {
	names := make([]string, 0, len(m.all))
	for name := range m.all {
		names = append(names, name)
	}
	kept := func(source string) int {
		if strings.HasPrefix(source, syslogd.ImportMarks) {
			return 0
		}
		return 1
	}
	slices.SortFunc(names, func(a, b string) int {
		x, y := m.all[a], m.all[b]
		return cmp.Or(kept(a)-kept(b), cmp.Compare(x.renewed, y.renewed), cmp.Compare(x.at, y.at), cmp.Compare(a, b))
	})
	for _, name := range names[:len(names)-m.max+m.max/50] {
		delete(m.all, name)
		m.gone++
	}
}

// expire forgets marks that are too old.
func (m *marks) expire(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldest := now.Add(-m.expiry).UnixMilli()
	for name, x := range m.all {
		if x.renewed < oldest {
			delete(m.all, name)
			m.gone++
		}
	}
}

// before lists the marks whose record lies before a position.
func (m *marks) before(p seglog.Pos) (old []markedAt) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, x := range m.all {
		if x.at < p {
			old = append(old, markedAt{syslogd.Mark{Source: name, Pos: x.pos}, x.renewed})
		}
	}
	return old
}

func (m *marks) counts() (kept int, gone int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.all), m.gone
}

// Marks implements syslogd.Marker. What they say may not be on the device yet:
// that it is says a Put which began later. They come in order of their source.
func (s *Store) Marks(prefix string) []syslogd.Mark {
	s.marks.mu.Lock()
	defer s.marks.mu.Unlock()
	var found []syslogd.Mark
	for name, x := range s.marks.all {
		if strings.HasPrefix(name, prefix) {
			found = append(found, syslogd.Mark{Source: name, Pos: x.pos})
		}
	}
	slices.SortFunc(found, func(a, b syslogd.Mark) int { return strings.Compare(a.Source, b.Source) })
	return found
}

// PutMarked implements syslogd.Marker: the messages and the marks are one record
// of the log. The error is syslogd.ErrMarked if they are too much for that.
func (s *Store) PutMarked(ctx context.Context, batch []syslog.Message, marks []syslogd.Mark) error {
	if err := checkMarked(batch, marks); err != nil {
		return err
	}
	end, err := s.writeMarked(ctx, batch, marks)
	if err == nil {
		err = s.log.Commit(ctx, end)
	}
	if err != nil {
		return fmt.Errorf("logstore: put with marks: %w", err)
	}
	return nil
}

func checkMarked(batch []syslog.Message, marks []syslogd.Mark) error {
	size := 0
	for i := range batch {
		size += weightOf(&batch[i])
	}
	for _, m := range marks {
		if m.Source == "" || len(m.Source) > maxSource {
			return fmt.Errorf("logstore: %w: a source of %d bytes", syslogd.ErrMarked, len(m.Source))
		}
		size += len(m.Source)
	}
	if size > maxMarked {
		return fmt.Errorf("logstore: %w: %d bytes, at most %d", syslogd.ErrMarked, size, maxMarked)
	}
	return nil
}

func (s *Store) writeMarked(ctx context.Context, batch []syslog.Message, marks []syslogd.Mark) (seglog.Pos, error) {
	w, now := s.writing(), time.Now()
	defer s.written(w)
	if len(batch) > 0 {
		w.prepare(&s.o.Config, batch, now)
	}
	for _, m := range marks {
		w.marks = append(w.marks, markedAt{syslogd.Mark{Source: strings.Clone(m.Source), Pos: m.Pos}, now.UnixMilli()})
	}
	if len(marks) > 0 {
		w.records = [][]byte{appendMarked(nil, now.UnixMilli(), w.marks, w.records)}
	}
	return s.writeInto(ctx, w, now)
}

// appendMarked writes a record with marks, around those of messages.
func appendMarked(dst []byte, now int64, marks []markedAt, records [][]byte) []byte {
	dst = binary.AppendVarint(append(dst, markedVersion), now)
	dst = binary.AppendUvarint(dst, uint64(len(marks)))
	for _, m := range marks {
		dst = binary.AppendUvarint(syslog.AppendBinaryString(dst, m.Source), m.Pos)
		dst = binary.AppendVarint(dst, now-m.renewed)
	}
	for _, r := range records {
		dst = append(binary.AppendUvarint(dst, uint64(len(r))), r...)
	}
	return dst
}

// readMarked reads a record with marks.
func readMarked(b string) (marks []markedAt, records []string, err error) {
	r := syslog.NewBinaryReader(b)
	r.Byte()
	now, n := r.Varint(), r.Uvarint()
	if n > uint64(r.Len()) {
		return nil, nil, errRecord
	}
	for range n {
		m := syslogd.Mark{Source: strings.Clone(r.String()), Pos: r.Uvarint()}
		marks = append(marks, markedAt{m, now - r.Varint()})
	}
	for r.Len() > 0 {
		records = append(records, r.String())
	}
	if r.Err() != nil {
		return nil, nil, errRecord
	}
	return marks, records, nil
}

func isMarked(record string) bool { return record != "" && record[0] == markedVersion }

// moveMarks writes the marks anew that a cut of the log would remove, and waits
// until they are on the device. It returns up to where the log may be cut.
func (s *Store) moveMarks(ctx context.Context, before seglog.Pos) (seglog.Pos, error) {
	first, end, err := s.rewriteMarks(before)
	if err != nil || end == 0 {
		return first, err
	}
	return first, s.log.Commit(ctx, end)
}

// rewriteMarks appends them with s.mu held, so that none is older than what is
// in the log already. The end is 0 where there are none.
func (s *Store) rewriteMarks(before seglog.Pos) (first, end seglog.Pos, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	start := s.log.End()
	first = s.log.AfterCut(before)
	old := s.marks.before(first)
	if len(old) == 0 {
		return first, 0, nil
	}
	var records [][]byte
	for part := range slices.Chunk(old, maxMarked/maxSource) {
		records = append(records, appendMarked(nil, time.Now().UnixMilli(), part, nil))
	}
	end, err = s.log.Append(records...)
	if err == nil {
		s.marks.set(old, start)
	}
	return first, end, err
}
