package rrdfile

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rondo/rrd"
)

var runs = flag.Int("rrdfile.runs", 80, "how many random files rrdtool makes and continues")

// An rrdtool is one process that takes commands from a pipe.
type rrdtool struct {
	t   testing.TB
	dir string
	in  io.WriteCloser
	out *bufio.Reader
}

func startRRDtool(t testing.TB) *rrdtool {
	path, err := exec.LookPath("rrdtool")
	if err != nil {
		t.Skip("NOT TESTED WITH RRDTOOL: it is not installed")
	}
	cmd := exec.Command(path, "-")
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	return &rrdtool{t: t, dir: t.TempDir(), in: in, out: bufio.NewReader(out)}
}

// do runs a command that must be taken, and returns its output.
func (r *rrdtool) do(format string, args ...any) string {
	r.t.Helper()
	out, e := r.try(format, args...)
	if e != "" {
		r.t.Fatalf(format+": %s", append(args, e)...)
	}
	return out
}

// try runs a command and returns its output and its error.
func (r *rrdtool) try(format string, args ...any) (output, e string) {
	r.t.Helper()
	if _, err := fmt.Fprintf(r.in, format+"\n", args...); err != nil {
		r.t.Fatal(err)
	}
	var b strings.Builder
	for {
		line, err := r.out.ReadString('\n')
		if err != nil {
			r.t.Fatalf("rrdtool ended at "+format, args...)
		}
		if strings.HasPrefix(line, "OK ") {
			return b.String(), ""
		}
		if e, ok := strings.CutPrefix(line, "ERROR: "); ok {
			return b.String(), e
		}
		b.WriteString(line)
	}
}

func (r *rrdtool) path(name string) string { return filepath.Join(r.dir, name) }

// A recipe is a random file: how to create it, and endless updates.
type recipe struct {
	*rand.Rand
	create string
	types  []string
	now    int64 // microseconds
	step   int64
	count  []uint64
}

func pick[T any](g *rand.Rand, of ...T) T { return of[g.IntN(len(of))] }

func newRecipe(seed uint64) *recipe {
	g := rand.New(rand.NewPCG(seed, 1))
	r := &recipe{Rand: g, step: pick[int64](g, 1, 5, 60, 300), now: (1_700_000_000 + g.Int64N(100_000)) * 1e6}
	var b strings.Builder
	fmt.Fprintf(&b, "--start %d --step %d", r.now/1e6, r.step)
	for i := range 1 + g.IntN(4) {
		t := pick(g, "GAUGE", "COUNTER", "DERIVE", "ABSOLUTE", "DCOUNTER", "DDERIVE")
		if seed%2 == 0 { // so that there are files of versions 3 and 4
			t = "GAUGE"
		}
		r.types = append(r.types, t)
		fmt.Fprintf(&b, " DS:a_name-%d:%s:%d:%s:%s", i, t, r.step*pick[int64](g, 1, 2, 10), pick(g, "U", "0", "-3.7"), pick(g, "U", "1e6", "0.1e3"))
	}
	r.count = make([]uint64, len(r.types))
	if g.IntN(3) == 0 {
		b.WriteString(" DS:sum:COMPUTE:a_name-0,-300,*,DUP,UN,INF,UNKN,IF,ADDNAN")
	}
	if g.IntN(2) == 0 {
		b.WriteString(holtWinters(g))
	}
	for range 1 + g.IntN(5) {
		fmt.Fprintf(&b, " RRA:%s:%s:%d:%d", pick(g, "AVERAGE", "MIN", "MAX", "LAST"), pick(g, "0", "0.3", "0.5", "0.999"),
			pick(g, 1, 1, 2, 3, 12), pick(g, 1, 2, 7, 40))
	}
	r.create = b.String()
	return r
}

// holtWinters is archives of that family, which come first.
func holtWinters(g *rand.Rand) string {
	smooth := pick(g, "", "", ":smoothing-window=0.6")
	window := 1 + g.IntN(28)
	return pick(g,
		" RRA:HWPREDICT:9:0.1:0.0035:4", " RRA:MHWPREDICT:9:0.5:0.3:3",
		fmt.Sprintf(" RRA:%s:20:0.4:0.02:7:2 RRA:SEASONAL:7:0.3:1%s RRA:DEVSEASONAL:7:0.2:1%s RRA:DEVPREDICT:9:3 RRA:FAILURES:12:%d:%d:3",
			pick(g, "HWPREDICT", "MHWPREDICT"), smooth, smooth, 1+g.IntN(window), window))
}

// update is the arguments of the next update.
func (r *recipe) update() string {
	switch r.IntN(10) {
	case 0:
		r.now += r.Int64N(50 * r.step * 1e6)
	case 1, 2:
		r.now += r.Int64N(2 * r.step * 1e6)
	default:
		r.now += r.step * 1e6
	}
	r.now++
	text := fmt.Sprintf("%d.%06d", r.now/1e6, r.now%1e6)
	if r.IntN(2) == 0 {
		r.now -= r.now % 1e6
		r.now += 1e6
		text = fmt.Sprint(r.now / 1e6)
	}
	for i, t := range r.types {
		r.count[i] += r.Uint64N(1000)
		switch {
		case r.IntN(8) == 0:
			text += ":U"
		case t == "GAUGE" || t == "ABSOLUTE" || t == "DCOUNTER" || t == "DDERIVE":
			text += fmt.Sprintf(":%.*f", r.IntN(7), 100*r.Float64())
		default:
			text += fmt.Sprint(":", r.count[i])
		}
	}
	return text
}

// TestContinues has rrdtool make a file, reads and writes it, and has rrdtool
// go on with both.
func TestContinues(t *testing.T) {
	tool := startRRDtool(t)
	theirs, ours := tool.path("theirs.rrd"), tool.path("ours.rrd")
	for seed := range uint64(*runs) {
		r := newRecipe(seed)
		tool.do("create %s %s", theirs, r.create)
		for range r.IntN(60) {
			tool.do("update %s %s", theirs, r.update())
		}
		image := readFile(t, theirs)
		writeFile(t, ours, image)
		for _, command := range []string{"dump", "info"} {
			want, got := tool.do("%s %s", command, theirs), tool.do("%s %s", command, ours)
			if want, got = bare(want), bare(got); want != got {
				t.Fatalf("seed %d: %s: -rrdtool +rondo\n%s", seed, command, cmp.Diff(want, got))
			}
		}
		for range 1 + r.IntN(60) {
			update := r.update()
			tool.do("update %s %s", theirs, update)
			tool.do("update %s %s", ours, update)
		}
		if diff := diffImages(readFile(t, theirs), readFile(t, ours)); diff != "" {
			t.Fatalf("seed %d: after more updates: -theirs +ours\n%s", seed, diff)
		}
	}
}

// TestXML has rrdtool dump a file, reads and writes the XML, and has rrdtool
// restore it; and it takes the way over XML without rrdtool, which is exact.
func TestXML(t *testing.T) {
	tool := startRRDtool(t)
	file, restored, xmlFile := tool.path("a.rrd"), tool.path("b.rrd"), tool.path("a.xml")
	for seed := range uint64(*runs / 2) {
		r := newRecipe(seed)
		tool.do("create %s %s", file, r.create)
		for range r.IntN(60) {
			tool.do("update %s %s", file, r.update())
		}
		dump := tool.do("dump %s", file)
		image, err := ReadXML(strings.NewReader(dump))
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, dump)
		}
		restore := func(text []byte) string {
			if err := os.WriteFile(xmlFile, text, 0o600); err != nil {
				t.Fatal(err)
			}
			tool.do("restore --force-overwrite %s %s", xmlFile, restored)
			return bare(tool.do("dump %s", restored))
		}
		if want, got := restore([]byte(dump)), restore(encodeXML(t, image)); want != got {
			t.Fatalf("seed %d: -rrdtool's dump +rondo's, restored\n%s", seed, cmp.Diff(want, got))
		}
		exact := readFile(t, file)
		again, err := ReadXML(bytes.NewReader(encodeXML(t, exact)))
		if err != nil {
			t.Fatal(err)
		}
		asXML(exact)
		if diff := diffImages(exact, again); diff != "" {
			t.Fatalf("seed %d: over XML: %s", seed, diff)
		}
	}
}

// asXML takes from an image what its XML has no place for: microseconds, and
// where a season begins.
func asXML(image *rrd.SetImage) {
	image.State.Last -= image.State.Last % rrd.Second
	for a := range image.State.Seasons {
		if s := &image.State.Seasons[a]; len(s.Values) > 0 {
			rows := image.Definition.Archives[a].Rows
			oldest := (s.Newest + 1) % rows * (len(s.Values) / rows)
			s.Newest, s.Values = rows-1, slices.Concat(s.Values[oldest:], s.Values[:oldest])
		}
	}
}

var fleeting = regexp.MustCompile(`(?m)^(filename|rra\[\d+\]\.cur_row) = .*$|<(primary|secondary)_value>.*$`)

// bare removes from a text of rrdtool what it chose at random, the
// file's name, and what it only uses within an update.
func bare(text string) string { return fleeting.ReplaceAllString(text, "") }

func readFile(t testing.TB, path string) *rrd.SetImage {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	image, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func writeFile(t testing.TB, path string, image *rrd.SetImage) {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, image); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func encodeXML(t testing.TB, image *rrd.SetImage) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteXML(&b, image); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// diffImages compares to the last bit, unknown equal to unknown.
func diffImages(a, b *rrd.SetImage) string {
	if bytes.Equal(imageBytes(a), imageBytes(b)) {
		return ""
	}
	return cmp.Diff(a, b, cmp.Comparer(func(x, y float64) bool {
		return math.Float64bits(x) == math.Float64bits(y) || math.IsNaN(x) && math.IsNaN(y)
	}))
}

// imageBytes is the same for equal images.
func imageBytes(image *rrd.SetImage) []byte {
	e := encoder{image.State.AppendBinary(image.Definition.AppendBinary(nil))}
	for _, ring := range image.Rings {
		e.doubles(ring...)
	}
	return e.b
}
