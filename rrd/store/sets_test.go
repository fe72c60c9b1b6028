package store

import (
	"errors"
	"os"
	"testing"
	"time"

	"rondo/rrd/rrdtest"
)

// A setLife is a store of sets that can be killed and opened again.
type setLife struct {
	*Store
	dir string
	o   Options
}

func (l *setLife) Maintain() error { return l.maintain() }

func (l *setLife) Restart(clean bool) (err error) {
	if clean {
		err = l.Close()
	} else {
		err = l.kill()
	}
	if err != nil {
		return err
	}
	l.Store, err = Open(l.dir, l.o)
	return err
}

func TestSetModel(t *testing.T) {
	t.Parallel()
	rrdtest.TestSets(t, func(ro rrdtest.Options) (rrdtest.SetLife, func(), error) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			return nil, nil, err
		}
		o := testOptions(t, ro)
		o.Now = func() time.Time { return time.Unix(2e9, 0) }
		o.StageBytes, o.CheckpointBytes = 2000, 3000
		st, err := Open(dir, o)
		l := &setLife{st, dir, o}
		return l, func() {
			if err := errors.Join(l.kill(), os.RemoveAll(dir)); err != nil {
				t.Error(err)
			}
		}, err
	})
}
