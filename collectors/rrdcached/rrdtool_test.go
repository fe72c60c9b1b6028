package rrdcached

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/rrd"
)

// rrdtool runs the real one.
func rrdtool(t testing.TB, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(need(t, "rrdtool"), args...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("rrdtool %s: %v\n%s%s", strings.Join(args, " "), err, &out, &errs)
	}
	return out.String()
}

// A twin is a set that rrdtool keeps through us, and the same in a file that
// it keeps itself.
type twin struct {
	t      testing.TB
	daemon string
	ours   string // as the daemon is told
	local  string
}

// both runs a command with the set and with the file, and compares. The file's
// name in a command is FILE.
func (w twin) both(args ...string) string {
	w.t.Helper()
	with := func(file string, more ...string) string {
		all := append([]string{args[0]}, more...)
		for _, a := range args[1:] {
			all = append(all, strings.ReplaceAll(a, "FILE", file))
		}
		return strings.ReplaceAll(rrdtool(w.t, all...), file, "FILE")
	}
	ours, theirs := with(w.ours, "--daemon", w.daemon), with(w.local)
	if diff := cmp.Diff(alike(theirs), alike(ours)); diff != "" {
		w.t.Errorf("rrdtool %s: file (-), daemon (+):\n%s", strings.Join(args, " "), diff)
	}
	return ours
}

// alike takes out what may differ: the row of a ring that is the newest, which
// RRDtool draws by lot, and what a file has of the newest rows beside its
// rings, which nothing depends on.
func alike(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, ".cur_row = ") && !strings.Contains(line, "ary_value>") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// TestRRDtool uses the real rrdtool as its users do, over the unix socket and
// over TCP, and compares what it gets with what it has in a file.
func TestRRDtool(t *testing.T) {
	need(t, "rrdtool")
	s := serveMem(t, func(c *Config) { c.Listen = "127.0.0.1:0" })
	dir := t.TempDir()
	w := twin{t, "unix:" + s.socket(), filepath.Join(s.base(), "net", "eth0.rrd"), filepath.Join(dir, "local.rrd")}
	if err := os.Mkdir(filepath.Join(s.base(), "net"), 0o700); err != nil {
		t.Fatal(err) // rrdtool wants the real path of a directory that is there
	}
	start := time.Now().Unix()/300*300 - 86400
	w.both("create", "FILE", "-s", "60", "-b", fmt.Sprint(start),
		"DS:in:COUNTER:120:0:U", "DS:out:GAUGE:120:U:U",
		"RRA:AVERAGE:0.5:1:1440", "RRA:AVERAGE:0.5:5:600", "RRA:MAX:0.5:5:600")
	var values []string
	for i := range 300 {
		values = append(values, fmt.Sprintf("%d:%d:%.2f", start+int64(i+1)*60+int64(i%7), 1000*i*i, float64(i*i%977)/7))
	}
	for n := 0; n < len(values); n += 50 {
		w.both(append([]string{"update", "FILE"}, values[n:n+50]...)...)
	}
	at := start + 301*60
	// A template names one data source; the other one is unknown.
	w.both("update", "FILE", "-t", "out", fmt.Sprintf("%d:42", at))
	w.both("update", "FILE", "--", fmt.Sprintf("%d:1:2", at+60))

	from, to := fmt.Sprint(start), fmt.Sprint(at+600)
	for _, cf := range []string{"AVERAGE", "MAX"} {
		if got := w.both("fetch", "FILE", cf, "-s", from, "-e", to); !strings.Contains(got, "e+0") {
			t.Errorf("fetch %s has no numbers:\n%s", cf, got)
		}
	}
	w.both("fetch", "FILE", "AVERAGE", "-s", fmt.Sprint(start-200_000), "-e", to)
	w.both("xport", "-s", from, "-e", to, "DEF:a=FILE:in:AVERAGE", "DEF:b=FILE:out:MAX", "CDEF:c=a,b,+", "XPORT:c:sum", "XPORT:b")
	w.both("info", "FILE")
	w.both("first", "FILE")
	w.both("first", "FILE", "--rraindex", "1")
	w.both("last", "FILE")
	w.both("lastupdate", "FILE") // flushes, and reads the file itself
	w.both("dump", "FILE")
	w.graph(from, to)

	rrdtool(t, "update", "--daemon", w.daemon, w.ours, "N:5:6")
	last, err := strconv.ParseInt(strings.TrimSpace(rrdtool(t, "last", "--daemon", w.daemon, w.ours)), 10, 64)
	if err != nil || time.Since(time.Unix(last, 0)) > time.Minute {
		t.Errorf("last after an update at N: %d, %v", last, err)
	}
	tcp := s.TCPAddr().String()
	rrdtool(t, "create", "--daemon", tcp, "far.rrd", "-s", "10", "DS:v:GAUGE:20:U:U", "RRA:LAST:0.5:1:10")
	rrdtool(t, "update", "--daemon", tcp, "far.rrd", "N:1")
	if got, want := rrdtool(t, "list", "--daemon", tcp, "/"), "far.rrd\nnet\n"; got != want {
		t.Errorf("list: %q, want %q", got, want)
	}
	if got, want := rrdtool(t, "list", "--recursive", "--daemon", w.daemon, "/"), "far.rrd\nnet/eth0.rrd\n"; got != want {
		t.Errorf("list: %q, want %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(s.base(), "far.rrd")); err == nil {
		t.Error("a file was written for a client of another machine")
	}
}

// TestCreateDefaults: without --step rrdtool sends a step of 0, which stands
// for 300 s, and without --start time begins ten seconds ago.
func TestCreateDefaults(t *testing.T) {
	s := serveMem(t, nil)
	for name, args := range map[string][]string{"bare": nil, "started": {"-b", "1700000000"}} {
		file := filepath.Join(s.base(), name+".rrd")
		from := time.Now().Unix() - 10
		rrdtool(t, slices.Concat([]string{"create", file, "--daemon", "unix:" + s.socket()}, args,
			[]string{"DS:v:GAUGE:600:U:U", "RRA:AVERAGE:0.5:1:10"})...)
		to := time.Now().Unix() - 10
		if args != nil {
			from, to = 1700000000, 1700000000
		}
		d, state, err := s.sets.DescribeSet(name)
		if last := int64(state.Last / rrd.Second); err != nil || d.Step != 300*time.Second || last < from || last > to {
			t.Errorf("%s: step %v, time from %d, want %d to %d, %v", name, d.Step, last, from, to, err)
		}
	}
}

// graph compares the pictures themselves.
func (w twin) graph(from, to string) {
	w.t.Helper()
	draw := func(file string, more ...string) []byte {
		png := filepath.Join(w.t.TempDir(), "g.png")
		rrdtool(w.t, append(append([]string{"graph", png}, more...), "-s", from, "-e", to,
			"DEF:a="+file+":in:AVERAGE", "DEF:b="+file+":out:MAX", "LINE1:a#ff0000:in", "AREA:b#00ff00:out",
			"GPRINT:a:MAX:%.9le", "GPRINT:b:AVERAGE:%.9le")...)
		raw, err := os.ReadFile(png)
		if err != nil {
			w.t.Fatal(err)
		}
		return raw
	}
	ours, theirs := draw(w.ours, "--daemon", w.daemon), draw(w.local)
	if !bytes.HasPrefix(ours, []byte("\x89PNG")) || !bytes.Equal(ours, theirs) {
		w.t.Errorf("the graph through the daemon (%d bytes) is another one than that of the file (%d bytes)", len(ours), len(theirs))
	}
}
