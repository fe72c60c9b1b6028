package collectors

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd"
)

// A store takes samples slowly, and fails or refuses when told to.
type store struct {
	wait   time.Duration
	err    error
	refuse string // the key that it refuses

	mu      sync.Mutex
	keys    []string
	batches []int
}

func (s *store) Append(_ context.Context, batch []rrd.Sample) error {
	time.Sleep(s.wait)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.batches = append(s.batches, len(batch))
	refused := &rrd.BatchError{}
	for i, x := range batch {
		if string(x.Key) == s.refuse {
			refused.Refused = append(refused.Refused, rrd.Refused{Index: i, Reason: rrd.RefusedLate})
			continue
		}
		s.keys = append(s.keys, strings.Clone(string(x.Key)))
	}
	if refused.Refused != nil {
		return refused
	}
	return nil
}

func newEnv(s *store) Env {
	return Env{Log: slog.New(slog.DiscardHandler), Store: s, Stats: &Stats{}}
}

// words makes a sample of each line.
func words(dst []rrd.Sample, block string) []rrd.Sample {
	for line := range strings.Lines(block) {
		if w := strings.TrimSpace(line); w != "" {
			dst = append(dst, rrd.Sample{Key: rrd.Key(w)})
		}
	}
	return dst
}

func TestBufferGathersWhileAppending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{wait: time.Second}
		b := NewFeed(newEnv(s)).NewBuffer(t.Context())
		for _, block := range []string{"a\n", "b\nc\n", "\n", "d\n"} {
			if err := b.Add(t.Context(), block, words); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.keys, []string{"a", "b", "c", "d"}) || !slices.Equal(s.batches, []int{1, 3}) {
			t.Errorf("keys %v in batches %v", s.keys, s.batches)
		}
	})
}

// TestBufferHoldsBack wants Add to wait where MaxPending is on its way.
func TestBufferHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{wait: time.Second}
		b := NewFeed(newEnv(s)).NewBuffer(t.Context())
		start := time.Now()
		half := strings.Repeat(" ", MaxPending/2-2) + "a\n"
		for range 3 {
			if err := b.Add(t.Context(), half, words); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("the third half waited %v, want until the first was stored", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := b.Add(ctx, half+half, words); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		_ = b.Close()
	})
}

func TestBufferBringsHomeAfterCancel(t *testing.T) {
	s := &store{}
	ctx, cancel := context.WithCancel(t.Context())
	b := NewFeed(newEnv(s)).NewBuffer(ctx)
	if err := b.Add(ctx, "a\n", words); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := b.Close(); err != nil || len(s.keys) != 1 {
		t.Errorf("stored %v, %v", s.keys, err)
	}
}

func TestFeedCounts(t *testing.T) {
	s := &store{refuse: "b"}
	env := newEnv(s)
	f := NewFeed(env)
	if err := f.Append(t.Context(), words(nil, "a\nb\nc\n")); err != nil {
		t.Errorf("refused samples are no error, got %v", err)
	}
	s.err = errors.New("disk full")
	if err := f.Append(t.Context(), words(nil, "d\ne\n")); err == nil {
		t.Error("no error of a failed store")
	}
	got := env.Stats.Snapshot()
	if got["samples"] != 2 || got["late"] != 1 || got["not_stored"] != 2 {
		t.Errorf("counted %v", got)
	}
}

func TestFeedSplitsBatches(t *testing.T) {
	s := &store{}
	if err := NewFeed(newEnv(s)).Append(t.Context(), make([]rrd.Sample, maxBatch+1)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.batches, []int{maxBatch, 1}) {
		t.Errorf("batches of %v", s.batches)
	}
}

// A writer is a store that can write without waiting.
type writer struct {
	store
	flushed bool
}

func (w *writer) Write(ctx context.Context, batch []rrd.Sample) error {
	return w.store.Append(ctx, batch)
}

func (w *writer) Append(context.Context, []rrd.Sample) error {
	return errors.New("TCP must not wait for the device at every block")
}

func (w *writer) Flush(context.Context) error {
	w.flushed = true
	return w.err
}

func TestFeedWritesAndFlushes(t *testing.T) {
	w := &writer{}
	f := NewFeed(Env{Log: slog.New(slog.DiscardHandler), Store: w, Stats: &Stats{}})
	if err := f.Write(t.Context(), "a\nb\n", words); err != nil || !slices.Equal(w.keys, []string{"a", "b"}) {
		t.Errorf("stored %v, %v", w.keys, err)
	}
	if err := f.Flush(t.Context()); err != nil || !w.flushed {
		t.Errorf("flushed %v, %v", w.flushed, err)
	}
	w.err = errors.New("disk full")
	if f.Write(t.Context(), "c\n", words) == nil || f.Flush(t.Context()) == nil {
		t.Error("no error of a failed store")
	}
}
