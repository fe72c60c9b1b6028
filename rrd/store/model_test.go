package store

import (
	"context"
	"errors"
	"os"
	"testing"

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
	dir string
	o   Options
}

func (l *life) Maintain() error { return l.maintain() }

func (l *life) Restart(clean bool) (err error) {
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

// kill ends a store as if its process were killed: what it has not written is
// lost.
func (st *Store) kill() error {
	close(st.stop)
	st.wg.Wait()
	return st.closeFiles()
}

func TestModel(t *testing.T) {
	t.Parallel()
	rrdtest.TestModel(t, func(ro rrdtest.Options) (rrdtest.Life, func(), error) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			return nil, nil, err
		}
		o := testOptions(t, ro)
		o.StageBytes, o.CheckpointBytes = 2000, 3000
		st, err := Open(dir, o)
		l := &life{unsynced{st}, dir, o}
		return l, func() {
			if err := errors.Join(l.kill(), os.RemoveAll(dir)); err != nil {
				t.Error(err)
			}
		}, err
	})
}
