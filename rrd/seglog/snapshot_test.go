package seglog

import (
	"fmt"
	"sync"
	"testing"
)

// TestSnapshot: while records are appended, segments turn and old ones are
// cut, each snapshot is a log that holds all that was there when it began, in
// order and without damage.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	o := Options{SegmentBytes: 4 << 10, Linger: -1}
	l, err := Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			end, err := l.Append(fmt.Appendf(nil, "record %060d", i))
			if err == nil && i%200 == 0 {
				err = l.Cut(end - min(end, 32<<10))
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 30 {
		from, end, dir := l.First(), l.End(), t.TempDir()
		if err := l.Snapshot(dir, from, end); err != nil {
			t.Fatal(err)
		}
		checkSnapshot(t, dir, o, end)
	}
	close(stop)
	wg.Wait()
	from := l.segments[len(l.segments)-1]
	dir := t.TempDir()
	if err := l.Snapshot(dir, from+50, l.End()); err != nil {
		t.Fatal(err)
	}
	if got := checkSnapshot(t, dir, o, l.End()); got != from {
		t.Errorf("snapshot from %d begins at %d, want %d", from+50, got, from)
	}
}

func checkSnapshot(t *testing.T, dir string, o Options, end Pos) (first Pos) {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.End() != end || s.dropped != 0 {
		t.Fatalf("snapshot ends at %d, %d bytes dropped; the log was at %d", s.End(), s.dropped, end)
	}
	last := -1
	for rec, err := range s.Records(0) {
		var n int
		if err == nil {
			_, err = fmt.Sscanf(string(rec.Data), "record %d", &n)
		}
		if err != nil || last >= 0 && n != last+1 {
			t.Fatalf("record %d after %d: %v", n, last, err)
		}
		last = n
	}
	return s.First()
}
