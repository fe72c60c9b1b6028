package seglog

import (
	"bytes"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// model is what a log must hold: all that was committed, and of the rest only
// what was once appended, at the very place where it was appended.
type model struct {
	appended  map[Pos][]byte // by position
	committed map[Pos][]byte
	cut       Pos
}

// check reads the whole log, compares, and returns what it holds.
func (m *model) check(t *rapid.T, l *Log) map[Pos][]byte {
	found := map[Pos][]byte{}
	last := Pos(0)
	for r, err := range l.Records(0) {
		if err != nil {
			if !isDamage(err) {
				t.Fatal(err)
			}
			continue
		}
		if r.Pos < last {
			t.Fatalf("record at %d comes after position %d", r.Pos, last)
		}
		last = r.End
		want := m.appended[r.Pos]
		if !bytes.Equal(want, r.Data) {
			t.Fatalf("record at %d was never appended there: %q", r.Pos, r.Data)
		}
		found[r.Pos] = want
	}
	for pos, data := range m.committed {
		if pos >= m.cut && found[pos] == nil {
			t.Fatalf("committed record at %d is lost: %q", pos, data)
		}
	}
	return found
}

// TestCrashStates runs random operations over a file system that forgets what
// was not synced, crashes it at random moments into random states that a
// power failure could leave, and goes on from there.
func TestCrashStates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := newCrashFS()
		o := Options{FS: fs, SegmentBytes: 300, MaxRecord: 200, Linger: -1, Idle: 1 << 60}
		m := &model{appended: map[Pos][]byte{}, committed: map[Pos][]byte{}}
		var l *Log
		open := func() {
			var err error
			if l, err = Open("d", o); err != nil {
				t.Fatal(err)
			}
			// What Open leaves is durable, so it counts as committed.
			m.appended = m.check(t, l)
			m.committed = maps.Clone(m.appended)
		}
		open()
		defer func() { l.Close() }()
		serial := 0
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				recs, at := make([][]byte, rapid.IntRange(1, 4).Draw(t, "records")), Pos(0)
				for i := range recs {
					serial++
					recs[i] = fmt.Appendf(nil, "%d%s", serial, bytes.Repeat([]byte("x"), rapid.IntRange(0, 60).Draw(t, "size")))
					at += Pos(frameSize + len(recs[i]))
				}
				end, err := l.Append(recs...)
				if err != nil {
					t.Fatal(err)
				}
				for at = end - at; len(recs) > 0; recs = recs[1:] {
					m.appended[at] = recs[0]
					at += Pos(frameSize + len(recs[0]))
				}
			},
			"commit": func(t *rapid.T) {
				end := l.End()
				if err := l.Commit(t.Context(), end); err != nil {
					t.Fatal(err)
				}
				maps.Copy(m.committed, m.appended)
			},
			"cut": func(t *rapid.T) {
				if err := l.Cut(Pos(rapid.Uint64Range(0, uint64(l.Synced())).Draw(t, "before"))); err != nil {
					t.Fatal(err)
				}
				m.cut = max(m.cut, l.First())
			},
			"reopen": func(*rapid.T) {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				open()
			},
			"kill": func(*rapid.T) { // the page cache survives
				l.fail(ErrClosed)
				l.Close()
				open()
			},
			"crash": func(t *rapid.T) {
				fs = fs.crash(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "fate") })
				l.Close() // the old life ends; it writes to the old file system
				o.FS = fs
				open()
			},
			"": func(t *rapid.T) { m.check(t, l) },
		})
	})
}
