package agent

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/rrd"
)

// taker is a Pusher that keeps everything, or is away.
type taker struct {
	mu    sync.Mutex
	got   []string
	marks map[string]uint64
	back  chan struct{} // closed when the server is there
}

func newTaker() *taker { return &taker{marks: map[string]uint64{}, back: make(chan struct{})} }

func (k *taker) Marks(ctx context.Context, _ string) (map[string]uint64, error) {
	select {
	case <-k.back:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.marks), nil
}

func (k *taker) Push(_ context.Context, portions []Portion, samples []rrd.Sample) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range portions {
		for _, m := range p.Messages {
			k.got = append(k.got, strings.Clone(m.Text))
		}
		if k.marks[p.Source] = p.To; p.Forget {
			delete(k.marks, p.Source)
		}
	}
	for _, s := range samples {
		k.got = append(k.got, s.Key.String())
	}
	return nil
}

func (k *taker) texts() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.got)
}

func openSpool(t *testing.T, dir string, change func(*SpoolConfig)) *Spool {
	t.Helper()
	c := DefaultSpoolConfig()
	if change != nil {
		change(&c)
	}
	s, err := OpenSpool(dir, c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t *testing.T, s *Spool, texts ...string) {
	t.Helper()
	if err := s.Put(t.Context(), lines(texts...)); err != nil {
		t.Fatal(err)
	}
}

// drain runs the spool until all of it is taken.
func drain(t *testing.T, s *Spool, to *taker) {
	t.Helper()
	stop := start(t, func(ctx context.Context) error { return s.Run(ctx, to) })
	for s.Stats().Waiting > 0 {
		time.Sleep(time.Millisecond)
	}
	stop()
}

func TestSpool(t *testing.T) {
	dir, to := t.TempDir(), newTaker()
	s := openSpool(t, dir, nil)
	put(t, s, "one", "two")
	if err := s.Append(t.Context(), []rrd.Sample{{Key: "load1", Time: 1, Value: 1}}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openSpool(t, dir, nil)
	put(t, s, "three")
	close(to.back)
	drain(t, s, to)
	s.Close()
	s = openSpool(t, dir, nil)
	put(t, s, "four")
	drain(t, s, to)
	if got := to.texts(); !slices.Equal(got, []string{"one", "two", "three", "load1", "four"}) {
		t.Errorf("%q", got)
	}
	if st := s.Stats(); st.Sent != 1 || len(st.Dropped) > 0 {
		t.Errorf("%+v", st)
	}
}

// TestSpoolFull fills the spool: what is sent and what is counted as dropped is
// all there was.
func TestSpoolFull(t *testing.T) {
	const n = 3000
	text := func(i int) string { return fmt.Sprintf("%d %s", i, strings.Repeat("x", 4000)) }
	for _, policy := range []WhenFull{DropOldest, DropNewest, Block} {
		s, to := openSpool(t, t.TempDir(), func(c *SpoolConfig) { c.Bytes, c.WhenFull = minSpool, policy }), newTaker()
		var filling sync.WaitGroup
		filling.Go(func() {
			for i := range n {
				if err := s.Write(t.Context(), lines(text(i))); err != nil {
					t.Error(err)
				}
			}
		})
		if policy == Block { // the server comes back in the middle
			close(to.back)
		} else {
			filling.Wait()
			close(to.back)
		}
		stop := start(t, func(ctx context.Context) error { return s.Run(ctx, to) })
		filling.Wait()
		for s.Stats().Waiting > 0 {
			time.Sleep(time.Millisecond)
		}
		stop()
		got, dropped := to.texts(), int(s.Stats().Dropped["full"])
		if len(got)+dropped != n || (dropped == 0) != (policy == Block) {
			t.Errorf("%s: %d of %d sent, %d dropped", policy, len(got), n, dropped)
		}
		first := map[WhenFull]int{DropOldest: dropped}[policy]
		for i, x := range got {
			if x != text(first+i) {
				t.Errorf("%s: %.10q at place %d, after %d", policy, x, i, first)
				break
			}
		}
		if size := s.Stats().Bytes; size > minSpool {
			t.Errorf("%s: %d bytes", policy, size)
		}
	}
}

func TestSpoolTooOld(t *testing.T) {
	s, to := openSpool(t, t.TempDir(), func(c *SpoolConfig) { c.Age = time.Nanosecond }), newTaker()
	put(t, s, "one", "two")
	close(to.back)
	drain(t, s, to)
	if st := s.Stats(); len(to.texts()) != 0 || st.Dropped["too_old"] != 2 {
		t.Errorf("sent %q, %+v", to.texts(), st)
	}
}

// TestSpoolLost: the disk is lost, or an older one is put back.
func TestSpoolLost(t *testing.T) {
	dir, to := t.TempDir(), newTaker()
	close(to.back)
	s := openSpool(t, dir, nil)
	put(t, s, "one")
	old := filepath.Join(t.TempDir(), "old")
	if err := os.CopyFS(old, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	put(t, s, "two")
	drain(t, s, to)
	s.Close()

	s = openSpool(t, old, nil)
	put(t, s, "3")
	drain(t, s, to)
	if name := s.Source(); len(to.marks) != 1 || to.marks[name] == 0 {
		t.Errorf("marks %v, the spool is %s", to.marks, name)
	}
	s.Close()
	s = openSpool(t, t.TempDir(), nil)
	put(t, s, "four")
	drain(t, s, to)
	if st := s.Stats(); st.Dropped["lost_spools"] != 1 {
		t.Errorf("%+v", st)
	}
	s.Close()
	// A disk that has grown since, beyond what the server has.
	s = openSpool(t, dir, nil)
	to.marks = map[string]uint64{s.Source(): uint64(s.seg.End()) - 3}
	put(t, s, "five")
	drain(t, s, to)
	if got := to.texts(); got[len(got)-1] != "five" || s.Stats().Dropped["damaged"] > 0 {
		t.Errorf("%q, %+v", got, s.Stats())
	}
	to.got = to.got[:5]
	// What was sent from the disk that was put back is sent again: it is another one.
	if got := to.texts(); !slices.Equal(got, []string{"one", "two", "one", "3", "four"}) {
		t.Errorf("%q", got)
	}
}
