package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// unsynced is a Store whose Append does not wait for the device: what dies in
// these tests is the process.
type unsynced struct{ *Store }

func (u unsynced) Append(ctx context.Context, batch []rrd.Sample) error { return u.Write(ctx, batch) }

// life is a Store that can be killed and opened again.
type life struct {
	unsynced
	n int // restarts
}

func (l *life) Overwrite(k rrd.Key, t rrd.Time, value float64) (rrd.Row, error) {
	a, err := l.Store.Overwrite(context.Background(), Overwrite{Key: k, Time: t, Value: value, By: "model"})
	if err != nil || a.Old == nil {
		return rrd.Row{End: rrd.At(a.Slot)}, err
	}
	return rrd.Row{End: rrd.At(a.Slot), Count: a.Old.Count, Sum: a.Old.Sum, Min: a.Old.Min, Max: a.Old.Max, Last: a.Old.Last}, err
}

func (l *life) Maintain() error { return l.maintain() }

// Restart is reborn; what the store does after its snapshot must not reach it.
func (l *life) Restart(clean bool) (err error) {
	l.Store, err = reborn(l.Store, &l.n, clean, func() error {
		err := l.Write(context.Background(), []rrd.Sample{gauge("g1", 0, 1), gauge("after", 0, 1)})
		if isBatchError(err) {
			return nil
		}
		return err
	})
	return err
}

// reborn closes or kills a store and opens it again: each fifth of n times
// from a snapshot, after which the store had a while to live.
func reborn(st *Store, n *int, clean bool, after func() error) (*Store, error) {
	dir := st.dir
	if *n++; *n%5 == 0 {
		dir += "s"
		if err := errors.Join(st.Snapshot(dir), after(), st.maintain(), st.checkpointNow()); err != nil {
			return st, err
		}
	}
	end := st.kill
	if clean {
		end = st.Close
	}
	if err := end(); err != nil {
		return st, err
	}
	return Open(dir, st.o)
}

func (st *Store) checkpointNow() error {
	st.flushMu.Lock()
	defer st.flushMu.Unlock()
	return st.writeCheckpoint()
}

// Redefine gives one series another definition.
func (l *life) Redefine(k rrd.Key, d rrd.Definition) error {
	def, err := l.table.intern(d)
	if err != nil {
		return err
	}
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	id, _ := l.table.lookup(k)
	cv := newConverter(l.Store)
	_, err = l.redefine(l.table.pages[id/pageSeries:id/pageSeries+1], map[uint32]*definition{id: def}, cv, func() error { return nil })
	return err
}

// kill ends a store as if its process were killed: what it has not written is
// lost.
func (st *Store) kill() error {
	close(st.stop)
	st.end()
	st.wg.Wait()
	return st.closeFiles()
}

// TestModel: whatever happens to a store, be it that it goes on from a
// snapshot, it answers as the model does: with blocks that are often written
// before they are due, since memory is small, and with blocks in pieces.
func TestModel(t *testing.T) {
	t.Parallel()
	rrdtest.TestModel(t, func(draw *rapid.T, ro rrdtest.Options) (rrdtest.Life, func(), error) {
		inPieces := rapid.Bool().Draw(draw, "in pieces")
		base, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			return nil, nil, err
		}
		dir := filepath.Join(base, "store")
		o := testOptions(t, ro)
		o.StageBytes, o.CheckpointBytes = 2000, 3000
		if inPieces {
			o.StageBytes, o.PieceSeries = 0, 1
		}
		st, err := Open(dir, o)
		l := &life{unsynced: unsynced{st}}
		return l, func() {
			if err := errors.Join(l.kill(), os.RemoveAll(base)); err != nil {
				t.Error(err)
			}
		}, err
	})
}
