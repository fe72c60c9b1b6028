package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"rondo/rrd"
	"rondo/rrd/rrdfile"
	"rondo/rrd/rrdtest"
)

// cmdRRDsame wants two .rrd files to hold the same to the last bit, but for
// what rrdtool chooses at random: rrdsame FILE FILE.
func cmdRRDsame(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: rrdsame FILE FILE")
	}
	a, b := readXML(ts.Check, ts.MkAbs(args[0])), readXML(ts.Check, ts.MkAbs(args[1]))
	if a != b {
		ts.Fatalf("%s and %s differ:\n%s\n%s", args[0], args[1], a, b)
	}
}

// readXML is what a .rrd holds, as our own XML, which has all digits.
func readXML(check func(error), path string) string {
	raw, err := os.ReadFile(path)
	check(err)
	image, err := rrdfile.Decode(raw)
	check(err)
	var b bytes.Buffer
	check(rrdfile.WriteXML(&b, image))
	return fmt.Sprintln(image.State.Last, b.String())
}

// randomImage is the file of a set that has been updated for a while.
func randomImage(t testing.TB, rng *rand.Rand) []byte {
	t.Helper()
	d := rrd.SetDefinition{
		Step:     time.Minute,
		Sources:  []rrd.DataSource{{Name: "v", Type: rrd.Gauge, Heartbeat: time.Hour, Min: -1e9, Max: 1e9}},
		Archives: []rrd.SetArchive{{CF: rrd.Average, Steps: 1, Rows: 200, XFF: 0.5}, {CF: rrd.Max, Steps: 7, Rows: 300, XFF: 0.5}},
	}
	s, err := rrd.NewSet(d, 1_700_000_000*rrd.Second)
	if err != nil {
		t.Fatal(err)
	}
	image := &rrd.SetImage{Definition: d, State: s.State()}
	for _, a := range d.Archives {
		ring := make([]float64, a.Rows)
		for i := range ring {
			ring[i] = rng.NormFloat64()
		}
		image.Rings = append(image.Rings, ring)
	}
	raw, err := rrdfile.Append(nil, image)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// writeTree writes n files, and returns the directory.
func writeTree(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		file := filepath.Join(dir, fmt.Sprint("rack", i%7), fmt.Sprintf("s%d.rrd", i))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, randomImage(t, rng), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestImportKilled kills the server in the middle of an import, and then the
// import; run again it is complete, and what comes out is what went in.
func TestImportKilled(t *testing.T) {
	const files = 600
	tree := writeTree(t, files)
	p := newProc(t, crashConfig)
	rondo := func(args ...string) (*exec.Cmd, *lockedBuffer) {
		var out lockedBuffer
		cmd := exec.Command("rondo", append(args, "--data", filepath.Join(p.dir, "data"))...)
		cmd.Stdout, cmd.Stderr = &out, &out
		return cmd, &out
	}
	sets := func() int {
		out, _ := exec.Command("curl", "-s", p.url("/api/sets")).Output()
		return bytes.Count(out, []byte("\n"))
	}
	for _, victim := range []string{"server", "import"} {
		p.start()
		had := sets()
		cmd, out := rondo("import", "rrd", tree, "--jobs=2") // so slow that it is killed in time
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(patience); sets() <= had && time.Now().Before(end); {
		}
		if victim == "import" {
			_ = cmd.Process.Kill()
		}
		p.kill()
		err := cmd.Wait()
		if victim == "server" && (err == nil || !strings.Contains(out.String(), "run it again to go on") || strings.Contains(out.String(), "\nrefused")) {
			t.Errorf("after the server was killed: %v: %s", err, out.String())
		}
	}
	p.start()
	left := files - sets()
	cmd, out := rondo("import", "rrd", tree)
	if err := cmd.Run(); err != nil {
		t.Fatal(err, out.String())
	}
	if want := fmt.Sprintf("imported %d, already there %d, refused 0\n", left, files-left); out.String() != want {
		t.Errorf("want %q, got %q", want, out.String())
	}
	back := t.TempDir()
	cmd, out = rondo("export", "rrd", "--all", "--to", back)
	if err := cmd.Run(); err != nil {
		t.Fatal(err, out.String())
	}
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range files {
		file := filepath.Join(fmt.Sprint("rack", i%7), fmt.Sprintf("s%d.rrd", i))
		if diff := cmp.Diff(readXML(check, filepath.Join(tree, file)), readXML(check, filepath.Join(back, file))); diff != "" {
			t.Fatalf("%s: -before +after\n%s", file, diff)
		}
	}
	p.stop()
}

// TestImportFinds walks a tree with all that may lie in one.
func TestImportFinds(t *testing.T) {
	raw := string(randomImage(t, rand.New(rand.NewPCG(1, 1))))
	tree := t.TempDir()
	elsewhere := writeTree(t, 1)
	for name, text := range map[string]string{
		"a.rrd": raw, "a.xml": raw, "B.RRD": raw, "sub/c.rrd.xml": raw, "notes.txt": "no", "empty.rrd": "", "sub/d\n.rrd": raw,
	} {
		file := filepath.Join(tree, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"dangling.rrd": "nowhere", "link.rrd": "a.rrd", "dir.rrd": elsewhere} {
		if err := os.Symlink(to, filepath.Join(tree, name)); err != nil {
			t.Fatal(err)
		}
	}
	store := rrdtest.NewMemSets(rrdtest.Options{})
	server := httptest.NewServer(rrdfile.Commands(store))
	defer server.Close()
	var out, stderr bytes.Buffer
	err := run(t.Context(), []string{"import", "rrd", "--server", server.URL, "--jobs=1", tree}, &out, &stderr)
	if err == nil || err.Error() != "4 of 9 files were refused" {
		t.Error(err)
	}
	if got := fmt.Sprintf("%q", store.ListSets("")); got != `["B" "a" "link" "sub/c" "sub/d\n"]` {
		t.Error("sets", got)
	}
	want := strings.ReplaceAll(`refused TREE/a.xml: its name a is that of TREE/a.rrd already
refused TREE/dangling.rrd: no such file or directory
refused TREE/dir.rrd: it is no regular file
refused TREE/empty.rrd: rrdfile: the file is empty
`, "TREE", tree)
	lines := strings.SplitAfter(stderr.String(), "\n")
	slices.Sort(lines)
	if diff := cmp.Diff(want, strings.Join(lines, "")); diff != "" {
		t.Error("-want +got\n" + diff)
	}
}

// TestTally prints to a terminal.
func TestTally(t *testing.T) {
	var out bytes.Buffer
	y := &tally{out: &out, bar: true, verb: imported, began: time.Now()}
	for range 4 {
		y.find()
	}
	y.finish()
	y.skip()
	y.refuse("evil\x1b[2J.rrd", errors.New("no"))
	y.progress()
	want := `^\r\x1b\[K` + regexp.QuoteMeta(`refused evil\u001b[2J.rrd: no`) + `\n\r\[={22} {8}\] 3 of 4 files, [0-9]+/s, 1 refused\x1b\[K$`
	if !regexp.MustCompile(want).Match(out.Bytes()) {
		t.Errorf("%q", out.String())
	}
}
