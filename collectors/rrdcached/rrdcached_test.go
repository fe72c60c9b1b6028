package rrdcached

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/rrd"
	"rondo/rrd/rrdfile"
	"rondo/rrd/rrdtest"
)

func TestField(t *testing.T) {
	f := func(line string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, fields(line)); diff != "" {
			t.Errorf("fields(%q) (-want +got):\n%s", line, diff)
		}
	}
	f("")
	f("a", "a")
	f("a b\tc", "a", "b", "c")
	f("  a   b ", "a", "b")
	f(`a\ b c`, "a b", "c")
	f(`\\server a\`, `\server`, `a\`)
}

func TestTimestamp(t *testing.T) {
	f := func(text string, want rrd.Time) {
		t.Helper()
		if got, err := timestamp(text); err != nil || got != want {
			t.Errorf("timestamp(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	f("0", 0)
	f("1700000000", 1700000000e6)
	f("1700000000.5", 1700000000.5e6)
	f("1700000000.250000", 1700000000.25e6)
	for _, bad := range []string{"", "N", "-1", "x", "1x", "+1", " 1", "nan", "99999999999999999999", "1.5.5"} {
		if got, err := timestamp(bad); err == nil {
			t.Errorf("timestamp(%q) = %d", bad, got)
		}
	}
}

func TestLocate(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := errors.Join(os.Mkdir(real, 0o700), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	b, err := openBases([]string{link, dir + "/real/../real"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.close() })
	f := func(file, set string) {
		t.Helper()
		if p, err := b.locate(file); err != nil || p.name() != set {
			t.Errorf("locate(%s) = %q, %v; want %q", file, p.rel, err, set)
		}
	}
	f("a.rrd", "a")
	f("a", "a")
	f("./x//y.rrd", "x/y")
	f("x/.hidden.rrd", "x/.hidden")
	f("a..b.rrd", "a..b")
	f(link+"/a.rrd", "a")
	f(real+"/sub/a.rrd", "sub/a")
	for _, bad := range []string{"..", "../a.rrd", "x/../../a.rrd", "/etc/passwd", real + "/../x", real + "x/a.rrd", "/"} {
		if p, err := b.locate(bad); err == nil {
			t.Errorf("locate(%s) = %v", bad, p)
		}
	}
}

// wantSet is a set of one data source with updates each 10 s.
const wantSet = "CREATE a.rrd -s 10 -b 1700000000 DS:v:GAUGE:20:U:U RRA:AVERAGE:0.5:1:100"

// TestPipeline sends many commands at once: the replies come in order, and
// each command sees what those before it did.
func TestPipeline(t *testing.T) {
	s := serveMem(t, nil)
	counted := &countedSets{SetStore: s.sets}
	s.stop()
	s.sets = counted
	s.start(nil)
	c := s.client()
	var lines []string
	want := []string{"0 RRD created OK\n"}
	lines = append(lines, wantSet)
	for i := 1; i <= 100; i++ {
		lines = append(lines, fmt.Sprintf("UPDATE a.rrd %d:%d", 1700000000+i*10, i))
		want = append(want, "0 errors, enqueued 1 value(s).\n")
	}
	lines = append(lines, "LAST a.rrd", "PING", "UPDATE a.rrd 1:1", "PING")
	want = append(want, "0 1700001000\n", "0 PONG\n",
		"-1 illegal attempt to update using time 1.000000 when last update time is 1700001000.000000 (minimum one second step)\n", "0 PONG\n")
	c.send(lines...)
	for i := range want {
		if got := c.reply(); got != want[i] {
			t.Errorf("%s\n got %q\nwant %q", lines[i], got, want[i])
		}
	}
	if n := counted.calls(); n > 10 {
		t.Errorf("%d commits for %d updates that came at once", n, 101)
	}
}

// countedSets counts the commits.
type countedSets struct {
	rrd.SetStore
	mu   sync.Mutex
	n    int
	fail error
}

func (s *countedSets) UpdateSets(ctx context.Context, batch []rrd.SetUpdate) error {
	s.mu.Lock()
	s.n++
	fail := s.fail
	s.mu.Unlock()
	if fail != nil {
		return fail
	}
	return s.SetStore.UpdateSets(ctx, batch)
}

func (s *countedSets) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// TestBatchIsOneCommit also shows that the one reply tells all errors.
func TestBatchIsOneCommit(t *testing.T) {
	sets := &countedSets{SetStore: rrdtest.NewMemSets(rrdtest.Options{})}
	s := serveSets(t, sets, nil)
	c := s.client()
	c.expect(wantSet, "0 RRD created OK")
	c.expect("BATCH", "0 Go ahead.  End with dot '.' on its own line.")
	for i := 1; i <= 1000; i++ {
		c.send(fmt.Sprintf("UPDATE a.rrd %d:%d", 1700000000+i*10, i))
	}
	c.send("UPDATE a.rrd 1:1", "PING", "UPDATE a.rrd 1700010010:x")
	want := `3 errors
1001 illegal attempt to update using time 1.000000 when last update time is 1700010000.000000 (minimum one second step)
1002 Can't use 'PING' here.
1003 Function update_pdp_prep, case DST_GAUGE - Cannot convert 'x' to float
`
	if got := c.ask("."); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if n := sets.calls(); n != 1 {
		t.Errorf("%d commits", n)
	}
	counts := s.stats.Snapshot()
	for reason, n := range map[string]uint64{"updates": 1000, "late": 1, "bad_value": 1, "sets_created": 1} {
		if counts[reason] != n {
			t.Errorf("%s is counted %d times, not %d", reason, counts[reason], n)
		}
	}
}

// TestStoreFails: nothing is acknowledged that is not stored.
func TestStoreFails(t *testing.T) {
	sets := &countedSets{SetStore: rrdtest.NewMemSets(rrdtest.Options{}), fail: errors.New("no space")}
	s := serveSets(t, sets, nil)
	c := s.client()
	c.expect(wantSet, "0 RRD created OK")
	c.expect("UPDATE a.rrd 1700000010:1", "-1 no space")
	c.send("BATCH", "UPDATE a.rrd 1700000010:1", ".")
	c.reply()
	if got := c.reply(); got != "1 errors\n1 no space\n" {
		t.Errorf("got %q", got)
	}
	if n := s.stats.Snapshot()["not_stored"]; n != 2 {
		t.Errorf("%d updates are counted as not stored", n)
	}
}

// TestEndInBatch: what came is kept, as rrdcached keeps it, though nobody is
// told.
func TestEndInBatch(t *testing.T) {
	s := serveMem(t, nil)
	c := s.client()
	c.expect(wantSet, "0 RRD created OK")
	c.send("BATCH", "UPDATE a.rrd 1700000010:1")
	c.reply()
	s.stop()
	_, st, err := s.sets.DescribeSet("a")
	if err != nil || st.Last != 1700000010e6 {
		t.Errorf("the last update is of %d, %v", st.Last, err)
	}
}

func TestLimits(t *testing.T) {
	s := serveMem(t, func(c *Config) { c.MaxConnections = 2 })
	c := s.client()
	c.send(strings.Repeat("x", 3*maxRead), "PING", strings.Repeat("y", maxLine), "PING", strings.Repeat("z", maxLine-1))
	for _, want := range []string{"-1 Line is longer", "0 PONG\n", "-1 Line is longer", "0 PONG\n", "-1 Unknown command: zzz"} {
		if got := c.reply(); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	second := s.client()
	second.expect("PING", "0 PONG")
	if third := s.client(); third.ask("PING") != "CLOSED\n" {
		t.Error("a third connection is served")
	}
	c.send("BATCH")
	c.reply()
	line := []byte(strings.Repeat("bogus\n", 10_000))
	for range 2 * maxBatch / 10_000 {
		if _, err := c.conn.Write(line); err != nil {
			break
		}
	}
	s.stop()
	if s.stats.Snapshot()["batch_too_long"] != 1 {
		t.Errorf("a batch without end: %v", s.stats.Snapshot())
	}
}

// TestNoReader: who does not read its replies holds back itself, and nobody
// else.
func TestNoReader(t *testing.T) {
	s := serveMem(t, nil)
	s.client().expect(wantSet, "0 RRD created OK")
	lazy := s.client()
	go io.WriteString(lazy.conn, strings.Repeat("FETCH a.rrd AVERAGE 1600000000 1700000000\n", 1000))
	s.client().expect("PING", "0 PONG")
	lazy.conn.Close()
}

func TestTakeOver(t *testing.T) {
	s := serveMem(t, nil)
	d := rrd.SetDefinition{
		Step:     10 * time.Second,
		Sources:  []rrd.DataSource{{Name: "v", Type: rrd.Gauge, Heartbeat: 20 * time.Second, Min: math.NaN(), Max: math.NaN()}},
		Archives: []rrd.SetArchive{{CF: rrd.Average, Steps: 1, Rows: 5}},
	}
	set, err := rrd.NewSet(d, 1700000000e6)
	if err != nil {
		t.Fatal(err)
	}
	image := &rrd.SetImage{Definition: d, State: set.State(), Rings: [][]float64{{1, 2, 3, 4, 5}}}
	var file bytes.Buffer
	if err := rrdfile.Write(&file, image); err != nil {
		t.Fatal(err)
	}
	put := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(s.base(), name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("old.rrd", file.Bytes())
	put("read.rrd", file.Bytes())
	put("bad.rrd", []byte("RRD\x00 and nothing else"))
	outside := filepath.Join(t.TempDir(), "secret.rrd")
	if err := errors.Join(os.WriteFile(outside, file.Bytes(), 0o600), os.Symlink(outside, filepath.Join(s.base(), "link.rrd"))); err != nil {
		t.Fatal(err)
	}
	c := s.client()
	c.expect("UPDATE old.rrd 1700000010:6", "0 errors, enqueued 1 value(s).")
	if got := c.ask("FETCH old.rrd AVERAGE 1699999990 1700000010"); !strings.Contains(got, "1700000000: 5.0") || !strings.Contains(got, "1700000010: 6.0") {
		t.Errorf("the history is not taken over: %s", got)
	}
	c.expect("LAST read.rrd", "0 1700000000")
	if got := c.ask("UPDATE bad.rrd 1700000010:6"); !strings.HasPrefix(got, "-1 "+s.base()+"/bad.rrd: ") {
		t.Errorf("damaged file: %s", got)
	}
	if got := c.ask("LAST link.rrd"); !strings.HasPrefix(got, "-1 ") {
		t.Errorf("a link leads out of the base: %s", got)
	}
	// Where there is no file, the schema says what it is.
	c.expect("UPDATE new.rrd 1700000010:6", "0 errors, enqueued 1 value(s).")
	c.expect("UPDATE load.rrd 1700000010:6:7:8 1700000020:6:7:8", "0 errors, enqueued 2 value(s).")
	for name, want := range map[string][]string{"new": {"value"}, "load": {"ds0", "ds1", "ds2"}} {
		d, _, err := s.sets.DescribeSet(name)
		var got []string
		for _, src := range d.Sources {
			got = append(got, src.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
		if len(d.Archives) != 10 { // 1 + 3 * 3
			t.Errorf("%s has %d archives", name, len(d.Archives))
		}
	}
	s.stop()
	s.start(func(c *Config) { c.Create = false })
	s.client().expect("UPDATE never.rrd 1700000010:6", "-1 No such file: "+s.base()+"/never.rrd")
}

// TestFIFO: what is no file does not hold anybody up.
func TestFIFO(t *testing.T) {
	s := serveMem(t, nil)
	for _, name := range []string{"a.rrd", ".rondo-a.rrd"} {
		if err := syscall.Mkfifo(filepath.Join(s.base(), name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := s.client()
	c.send("UPDATE a.rrd 1700000010:1", "FLUSH a.rrd")
	if got := c.reply() + c.reply(); !strings.HasPrefix(got, "0 errors") || !strings.Contains(got, "Successfully flushed") {
		t.Error(got)
	}
}

// TestCreateAnew: the file is that of the set that took the other's place, also
// where both begin at one time.
func TestCreateAnew(t *testing.T) {
	s := serveMem(t, nil)
	c := s.client()
	for _, source := range []string{"one", "two"} {
		c.send("CREATE a.rrd -b 1700000000 -s 10 DS:" + source + ":GAUGE:20:U:U RRA:AVERAGE:0.5:1:10")
		if got := c.reply(); got != "0 RRD created OK\n" {
			t.Fatal(got)
		}
		f, err := os.Open(filepath.Join(s.base(), "a.rrd"))
		if err != nil {
			t.Fatal(err)
		}
		image, err := rrdfile.Read(f)
		if err := errors.Join(err, f.Close()); err != nil || image.Definition.Sources[0].Name != source {
			t.Errorf("%v, %v, want %s", image, err, source)
		}
	}
}

func TestResolution(t *testing.T) {
	s := serveMem(t, nil)
	c := s.client()
	c.expect("CREATE r.rrd -s 10 -b 1700000000 DS:v:GAUGE:20:U:U RRA:AVERAGE:0.5:1:100 RRA:AVERAGE:0.5:6:100", "0 RRD created OK")
	for cf, step := range map[string]string{"AVERAGE": "10", "AVERAGE:1": "10", "AVERAGE:60": "60", "AVERAGE:300": "60"} {
		if got := c.ask("FETCH r.rrd " + cf + " 1699999500 1700000000"); !strings.Contains(got, "\nStep: "+step+"\n") {
			t.Errorf("%s: %s", cf, got)
		}
	}
	// rrdcached prints memory that is not its own.
	c.expect("FETCH r.rrd AVERAGE 1699999500 1700000000 v x", "-1 field x not found in v")
	c.expect("FETCH r.rrd AVERAGE:x", "-1 Cannot parse resolution `x': Only positive integers are allowed.")
	c.expect("FETCH r.rrd AVERAGE 100 1800000000",
		"-1 rrd_fetch_r failed: the range has 30000000 values, and an answer 8388608 at most: ask for a shorter one, or for longer rows")
	// More than are answered at once without waiting for others.
	if got := c.ask("FETCH r.rrd AVERAGE 1699000000 1700000000"); !strings.HasPrefix(got, "16674 Success\n") {
		t.Errorf("many rows: %.200s", got)
	}
}

func TestConfig(t *testing.T) {
	f := func(change func(*Config), want string) {
		t.Helper()
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); fmt.Sprint(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f(func(*Config) {}, "<nil>")
	f(func(c *Config) { c.Socket = "" }, "neither socket nor listen is set")
	f(func(c *Config) { c.Mode = "999" }, `mode "999": want the octal mode of a socket, such as 0660`)
	f(func(c *Config) { c.Bases = []string{"x"} }, `base "x": want an absolute path`)
	f(func(c *Config) { c.Listen = "0.0.0.0:42217" },
		"listen \"0.0.0.0:42217\" takes plaintext from other machines: name those that may send, as in\n    allow: [10.0.0.0/8]")
}

func TestSocketMode(t *testing.T) {
	s := serveMem(t, func(c *Config) { c.Mode = "0660" })
	st, err := os.Stat(s.socket())
	if err != nil || st.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	s.stop()
	if _, err := os.Stat(s.socket()); err == nil {
		t.Error("the socket is still there")
	}
}
