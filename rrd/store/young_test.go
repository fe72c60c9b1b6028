package store

import (
	"os"
	"testing"
	"time"

	"rondo/rrd"
)

// TestPieces: rows of a block that is not due are on disk in pieces, from where
// they are read, and from where the block is made, also if its series have
// been silent since and the store was killed. Then the pieces are gone.
func TestPieces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	define := func(k rrd.Key, _ rrd.Type) rrd.Definition {
		d := archives(t, "5m for 5d")(k, rrd.Gauge)
		d.Heartbeat = time.Hour
		return d
	}
	o := Options{Define: define, PieceSeries: 1, Every: time.Hour, Now: late2033}
	st := openStore(t, dir, o)
	send := func(name string, from, to int) {
		for m := from; m < to; m++ {
			if err := st.Append(t.Context(), []rrd.Sample{gauge(name, 300*m, float64(m))}); err != nil {
				t.Fatal(err)
			}
			if err := st.maintain(); err != nil {
				t.Fatal(err)
			}
		}
	}
	reopen := func() {
		if err := st.kill(); err != nil {
			t.Fatal(err)
		}
		st = openStore(t, dir, o)
	}
	send("a", 0, 100)
	y := st.rings[0].young
	if n := len(st.vault.epochs(y)); n == 0 {
		t.Error("there are no pieces")
	}
	if q := st.table.place(0).queue(st.rings[0]); len(q.buf) > 100 {
		t.Errorf("%d bytes of rows are in memory", len(q.buf))
	}
	if n := rows(t, st, "a"); n != 100 {
		t.Errorf("%d rows, sent 100", n)
	}
	reopen()
	if n := rows(t, st, "a"); n != 100 {
		t.Errorf("%d rows after a kill, sent 100", n)
	}
	send("b", 100, 700)
	if n := rows(t, st, "a"); n != 100 {
		t.Errorf("%d rows when the block was due, sent 100", n)
	}
	y = st.rings[0].young
	if epochs := st.vault.epochs(y); len(epochs) > 2 {
		t.Errorf("there are pieces of the blocks %v", epochs)
	}
	closeStore(t, st)
	if err := os.RemoveAll(y.dir); err != nil {
		t.Fatal(err)
	}
	st = openStore(t, dir, o)
	defer closeStore(t, st)
	if n := rows(t, st, "a"); n != 100 {
		t.Errorf("%d rows in blocks, sent 100", n)
	}
}
