package logstore

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rondo/syslogd"
)

// TestSnapshot: snapshots are taken while others put, seal and search. Each
// holds, of each writer, messages 1 to n without a gap or a double, n at least
// what was acknowledged before it began.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	const writers, snapshots = 2, 6
	now := time.Now()
	s := open(t, t.TempDir(), Options{ChunkBytes: 3000, SegmentBytes: 4 << 10})
	var acked [writers]atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	progress := make(chan struct{}, 1)
	for w := range writers {
		wg.Go(func() {
			for n := 1; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				put(t, s, line(fmt.Sprintf("<13>1 - w%d app - - - message %d", w, n), now))
				acked[w].Store(int64(n))
				select {
				case progress <- struct{}{}:
				default:
				}
			}
		})
	}
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				search(t, s, syslogd.Query{Filter: parse(t, "message")})
			}
		}
	})
	base := t.TempDir()
	for i := range snapshots {
		for range 40 {
			<-progress
		}
		var before [writers]int64
		for w := range writers {
			before[w] = acked[w].Load()
		}
		dir := filepath.Join(base, fmt.Sprint(i))
		if err := s.Snapshot(dir); err != nil {
			t.Error(err)
			break
		}
		checkSnapshot(t, dir, before[:])
	}
	close(stop)
	wg.Wait()
}

func checkSnapshot(t *testing.T, dir string, before []int64) {
	t.Helper()
	s := open(t, dir, Options{})
	defer s.Close()
	newest, found := make([]int64, len(before)), make([]int64, len(before))
	for m, err := range s.Search(t.Context(), syslogd.Query{}) {
		var w, n int64
		if err == nil {
			_, err = fmt.Sscanf(m.Host+" "+m.Text, "w%d message %d", &w, &n)
		}
		if err != nil {
			t.Fatal(err)
		}
		newest[w] = max(newest[w], n)
		found[w]++
	}
	for w := range before {
		if newest[w] < before[w] || found[w] != newest[w] {
			t.Errorf("writer %d: %d messages up to number %d; %d were acknowledged before", w, found[w], newest[w], before[w])
		}
	}
	if st := s.Stats(); st.Quarantined+st.Unreadable > 0 {
		t.Errorf("snapshot is damaged: %+v", st)
	}
}

// TestSnapshotOfDropped: what retention has dropped does not come back with a
// snapshot, though it is still in the log.
func TestSnapshotOfDropped(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	put(t, s, line("old", start), line("new", start.AddDate(0, 0, 1)))
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	s.diskMu.Lock()
	dropped := s.drop(key{dayOf(start), defaultClass})
	s.diskMu.Unlock()
	dir := filepath.Join(t.TempDir(), "snapshot")
	if err := s.Snapshot(dir); !dropped || err != nil {
		t.Fatal(dropped, err)
	}
	if got := search(t, open(t, dir, Options{}), syslogd.Query{}); len(got) != 1 {
		t.Errorf("%q", got)
	}
}
