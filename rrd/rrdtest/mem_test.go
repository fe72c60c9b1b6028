package rrdtest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rondo/rrd"
)

func TestMem(t *testing.T) {
	TestStore(t, func(_ *testing.T, o Options) Store { return NewMem(o) })
}

func TestWindow(t *testing.T) {
	w := window{Window: rrd.Window{Length: 100}}
	f := func(at rrd.Time, want rrd.Offer) {
		t.Helper()
		if got := w.Insert(rrd.Point{Time: at}); got != want {
			t.Errorf("at %d: %d, want %d", at, got, want)
		}
	}
	f(1000, rrd.Taken)
	f(901, rrd.Taken)
	f(1020, rrd.Taken)
	if diff := cmp.Diff([]rrd.Point{{Time: 901}}, w.settle()); diff != "" {
		t.Errorf("settled (-want +got):\n%s", diff)
	}
	f(901, rrd.TooLate)
	f(921, rrd.Taken)
}
