package rrdcached

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdfile"
)

// TestTune changes sets with the real rrdtool, which flushes the file, changes
// it, and forgets it.
func TestTune(t *testing.T) {
	need(t, "rrdtool")
	s := serveMem(t, nil)
	c := s.client()
	file := filepath.Join(s.base(), "a.rrd")
	tune := func(args ...string) {
		t.Helper()
		rrdtool(t, append([]string{"tune", file, "--daemon", "unix:" + s.socket()}, args...)...)
	}
	info := func(want string) {
		t.Helper()
		if got := c.ask("INFO a.rrd"); !strings.Contains(got, want+"\n") {
			t.Errorf("want %s:\n%s", want, got)
		}
	}
	c.expect("CREATE a.rrd -s 10 -b 1700000000 DS:v:GAUGE:20:U:U RRA:AVERAGE:0.5:1:10", "0 RRD created OK")
	c.expect("UPDATE a.rrd 1700000010:-1 1700000020:-2", "0 errors, enqueued 2 value(s).")
	tune("--heartbeat", "v:77")
	info("ds[v].minimal_heartbeat 1 77")
	tune("--minimum", "v:0")
	c.expect("UPDATE a.rrd 1700000030:-3", "0 errors, enqueued 1 value(s).")
	tune("--maximum", "v:100.5", "--data-source-rename", "v:w")
	info("ds[w].max 0 1.0050000000e+02")
	tune("--heartbeat", "w:78")
	got := c.ask("FETCH a.rrd AVERAGE 1700000000 1700000029")
	if want := "DSName: w\n1700000010: -1.00000000000000000e+00\n1700000020: -2.00000000000000000e+00\n1700000030: -nan\n"; !strings.HasSuffix(got, want) {
		t.Errorf("after tune --data-source-rename: %s, want %s", got, want)
	}
	tune("RRA#0:+5")
	c.ask("UPDATE a.rrd 1700000040:7") // the next FLUSH writes the file again
	tune("DEL:w", "DS:q:GAUGE:20:U:U") // is no new name
	info("ds[w].index 1 0")
	info("rra[0].rows 1 10")
	if n := s.stats.Snapshot(); n["edits_taken_over"] != 4 || n["edits_refused"] == 0 {
		t.Errorf("edits: %v", n)
	}
}

// TestEditMeanwhile: an update between FLUSH and FORGET stays.
func TestEditMeanwhile(t *testing.T) {
	need(t, "rrdtool")
	s := serveMem(t, nil)
	c := s.client()
	c.expect("CREATE a.rrd -s 10 -b 1700000000 DS:v:GAUGE:20:U:U RRA:AVERAGE:0.5:1:10", "0 RRD created OK")
	c.ask("FLUSH a.rrd")
	rrdtool(t, "tune", filepath.Join(s.base(), "a.rrd"), "--heartbeat", "v:79")
	c.expect("UPDATE a.rrd 1700000010:4", "0 errors, enqueued 1 value(s).")
	c.expect("FORGET a.rrd", "0 Gone!")
	if got := c.ask("INFO a.rrd"); !strings.Contains(got, "ds[v].minimal_heartbeat 1 79\n") || !strings.Contains(got, "last_update 1 1700000010\n") {
		t.Errorf("after the edit:\n%s", got)
	}
}

// TestNoEdit: what a file cannot hold as exactly is no edit, and one that is
// refused is told.
func TestNoEdit(t *testing.T) {
	need(t, "rrdtool")
	s := serveMem(t, nil)
	c := s.client()
	c.expect("CREATE a.rrd -s 10 -b 1700000000 DS:v:GAUGE:20:-0.1:1e300 DS:w:DERIVE:20:U:3 DS:x:COMPUTE:v,w,+,2,*"+
		" RRA:AVERAGE:0.3333:1:10 RRA:HWPREDICT:40:0.1:0.0035:20", "0 RRD created OK")
	c.expect("FLUSH a.rrd", "0 Successfully flushed "+filepath.Join(s.base(), "a.rrd")+".")
	c.expect("FORGET a.rrd", "0 Gone!")
	rrdtool(t, "tune", filepath.Join(s.base(), "a.rrd"), "--data-source-rename", "w:y")
	c.expect("FORGET a.rrd", "0 Gone!")
	if got := c.ask("INFO a.rrd"); !strings.Contains(got, `ds[x].cdef 2 v,y,+,2,*`) {
		t.Errorf("after the edit:\n%s", got)
	}
	rrdtool(t, "tune", filepath.Join(s.base(), "a.rrd"), "DEL:x")
	if got := c.ask("FORGET a.rrd"); !strings.Contains(got, "is not taken over: only names") {
		t.Errorf("an edit that is refused: %s", got)
	}
}

// TestFlushAfterChange: a change that is no update reaches the file, too.
func TestFlushAfterChange(t *testing.T) {
	t.Parallel()
	s := serveMem(t, nil)
	c := s.client()
	c.expect("CREATE a.rrd -s 10 -b 1700000000 DS:v:GAUGE:20:U:U RRA:AVERAGE:0.5:1:10", "0 RRD created OK")
	c.expect("UPDATE a.rrd 1700000010:4", "0 errors, enqueued 1 value(s).")
	c.ask("FLUSH a.rrd")
	if err := s.sets.EditSet(t.Context(), "a", &rrd.SetEdit{Heartbeat: []string{"v:79"}, Resize: []string{"AVERAGE:1=12"}}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is there already
		c.ask("FLUSH a.rrd")
	}
	f, err := os.Open(filepath.Join(s.base(), "a.rrd"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	image, err := rrdfile.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	if d := image.Definition; d.Sources[0].Heartbeat != 79*time.Second || d.Archives[0].Rows != 12 {
		t.Errorf("the file has %v", d.Arguments())
	}
	if n := s.stats.Snapshot()["files_written"]; n != 3 {
		t.Errorf("%d files are written: want those of CREATE, UPDATE and the change", n)
	}
}
