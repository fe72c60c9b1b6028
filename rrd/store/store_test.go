package store

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// testOptions are for tests that look after maintenance themselves.
func testOptions(t testing.TB, o rrdtest.Options) Options {
	t.Helper()
	return Options{
		Define: o.Define, Now: o.Now, LateWindow: o.LateWindow, FutureLimit: o.Future,
		Every: time.Hour, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

func openStore(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	st, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func closeStore(t testing.TB, st *Store) {
	t.Helper()
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	rrdtest.TestStore(t, func(t *testing.T, o rrdtest.Options) rrdtest.Store {
		st := openStore(t, t.TempDir(), testOptions(t, o))
		t.Cleanup(func() { closeStore(t, st) })
		return st
	})
}

// maintained is a Store that does all that is due after each Append.
type maintained struct{ *Store }

func (m maintained) Append(ctx context.Context, batch []rrd.Sample) error {
	err := m.Store.Append(ctx, batch)
	if mErr := m.maintain(); mErr != nil {
		return mErr
	}
	return err
}

func TestConformanceWithFlushes(t *testing.T) {
	t.Parallel()
	rrdtest.TestStore(t, func(t *testing.T, o rrdtest.Options) rrdtest.Store {
		so := testOptions(t, o)
		so.StageBytes = 1000 // so that everything goes to disk again and again
		st := openStore(t, t.TempDir(), so)
		t.Cleanup(func() { closeStore(t, st) })
		return maintained{st}
	})
}
