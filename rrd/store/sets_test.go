package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"rondo/rrd/rrdtest"
)

// A setLife is a store of sets that can be killed and opened again.
type setLife struct {
	*Store
	dir string
	o   Options
	n   int // restarts
}

func (l *setLife) Maintain() error { return l.maintain() }

// Restart begins each fifth time from a snapshot instead.
func (l *setLife) Restart(clean bool) (err error) {
	dir := l.dir
	if l.n++; l.n%5 == 0 {
		dir += "s"
		if err := l.Snapshot(dir); err != nil {
			return err
		}
		if err := errors.Join(l.maintain(), l.writeCheckpoint()); err != nil {
			return err
		}
	}
	if clean {
		err = l.Close()
	} else {
		err = l.kill()
	}
	if err != nil {
		return err
	}
	l.dir = dir
	l.Store, err = Open(l.dir, l.o)
	return err
}

func TestSetModel(t *testing.T) {
	t.Parallel()
	rrdtest.TestSets(t, func(ro rrdtest.Options) (rrdtest.SetLife, func(), error) {
		base, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			return nil, nil, err
		}
		dir := filepath.Join(base, "store")
		o := testOptions(t, ro)
		o.Now = func() time.Time { return time.Unix(2e9, 0) }
		o.StageBytes, o.CheckpointBytes = 2000, 3000
		st, err := Open(dir, o)
		l := &setLife{Store: st, dir: dir, o: o}
		return l, func() {
			if err := errors.Join(l.kill(), os.RemoveAll(base)); err != nil {
				t.Error(err)
			}
		}, err
	})
}
