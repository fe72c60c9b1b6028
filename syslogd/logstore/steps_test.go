package logstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rondo/syslogd"
	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/syslog"
)

// crashes is how many times TestCrashAtSteps crashes; RONDO_LOG_CRASHES asks
// for more.
func crashes(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("RONDO_LOG_CRASHES"))
	if err != nil {
		return 16
	}
	t.Logf("%d crashes", n)
	return n
}

// TestCrashAtSteps stops a store between any two changes that it makes to the
// disk while it seals, merges, cuts the log and drops days, or when nothing
// happens at all. What is left opens, with all that was stored, no message
// twice, and the marks.
func TestCrashAtSteps(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 9))
	seen := map[string]int{}
	for left := crashes(t); left > 0; {
		c := &crashing{t: t, r: r, seen: seen, dir: t.TempDir(), now: start, marks: map[string]uint64{}}
		c.run(min(left, 8))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		left -= 8
	}
	t.Logf("seed %d, crashes at %v", seed, seen)
}

type crashing struct {
	t       *testing.T
	r       *rand.Rand
	seen    map[string]int
	dir     string
	now     time.Time
	s       *Store
	model   model
	at      int // steps until the crash
	crashed string
	left    string // what is left of the store
	marks   map[string]uint64
}

func (c *crashing) options() Options {
	return Options{
		Config:     Config{Retention: 30 * time.Hour, MaxBytes: 1 << 30, Classes: []Class{{Name: "debug", Filter: parse(c.t, "severity=debug"), Retention: time.Hour}}},
		ChunkBytes: 2000, SegmentBytes: 8 << 10, step: c.step,
	}
}

// step leaves the store as it is on the disk now.
func (c *crashing) step(at string) {
	if c.at--; c.at != 0 || c.crashed != "" {
		return
	}
	c.crashed = at
	if err := os.CopyFS(c.left, os.DirFS(c.dir)); err != nil {
		c.t.Error(err)
	}
}

// run crashes so many times, and goes on with what is left.
func (c *crashing) run(times int) {
	for i := range times {
		c.s = open(c.t, c.dir, c.options())
		c.crashed, c.left, c.at = "", filepath.Join(c.t.TempDir(), strconv.Itoa(i)), 1+c.r.IntN(12)
		for range 30 {
			if c.act(); c.crashed != "" {
				break
			}
		}
		c.at = 1
		c.s.diskMu.Lock()
		c.step("rest")
		c.s.diskMu.Unlock()
		c.seen[c.crashed]++
		c.s.Close()
		c.dir = c.left
		c.check()
	}
}

// act does one thing, and waits until all that follows from it is done.
func (c *crashing) act() {
	switch k := c.r.IntN(10); {
	case k < 6:
		var batch []syslog.Message
		for range 1 + c.r.IntN(5) {
			batch = append(batch, syslog.Parse(fmt.Sprintf("<%d>%s", 8+c.r.IntN(8), logtest.Line(c.r)), c.now, netip.Addr{}))
		}
		c.model.add(batch)
		mark := syslogd.Mark{Source: fmt.Sprint("source ", c.r.IntN(40)), Pos: c.r.Uint64()}
		c.marks[mark.Source] = mark.Pos
		putMarked(c.t, c.s, []syslogd.Mark{mark}, batch...)
		for c.s.backlogLen() > 0 {
			time.Sleep(time.Millisecond)
		}
		c.s.diskMu.Lock()
		defer c.s.diskMu.Unlock()
	case k < 9:
		if err := c.s.Seal(); err != nil {
			c.t.Error(err)
		}
	default:
		c.now = c.now.Add(time.Duration(c.r.IntN(20)) * time.Hour)
		if err := c.s.Seal(); err != nil {
			c.t.Error(err)
		}
		c.s.retain(c.now)
	}
}

// check opens what is left, and compares it with all that was stored and is
// not too old.
func (c *crashing) check() {
	c.t.Helper()
	o := c.options()
	o.step = nil
	s := open(c.t, c.dir, o)
	defer s.Close()
	if err := s.Seal(); err != nil {
		c.t.Error(err)
	}
	s.retain(c.now)
	c.model.all = slices.DeleteFunc(c.model.all, func(m syslog.Message) bool {
		class := o.Config.class(o.Config.classOf(&m))
		return dayOf(m.Received) < dayOf(c.now.Add(-class.Retention))
	})
	var want []string
	for _, x := range c.model.all {
		want = append(want, plain(&x))
	}
	got := search(c.t, s, syslogd.Query{})
	slices.Sort(want)
	slices.Sort(got)
	if diff := gocmp.Diff(want, got); diff != "" {
		c.t.Errorf("crash %s: %s", c.crashed, diff)
	}
	if st := s.Stats(); st.Quarantined+st.Unreadable > 0 {
		c.t.Errorf("crash %s: %+v", c.crashed, st)
	}
	marks := map[string]uint64{}
	for _, m := range s.Marks("") {
		marks[m.Source] = m.Pos
	}
	if diff := gocmp.Diff(c.marks, marks); diff != "" {
		c.t.Errorf("crash %s: marks: %s", c.crashed, diff)
	}
}

// TestFlippedBits damages single bits of the files of chunks, merged ones too:
// each costs its chunk at most, and no message comes out wrong.
func TestFlippedBits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 11))
	dir, m := t.TempDir(), &model{}
	s := open(t, dir, Options{ChunkBytes: 1 << 20})
	for i := range 14 {
		batch := []syslog.Message{syslog.Parse(fmt.Sprintf("message %d %s", i, logtest.Line(r)), start.Add(time.Duration(i)*time.Hour), netip.Addr{})}
		put(t, s, batch...)
		m.add(batch)
		if err := s.Seal(); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	if err := os.RemoveAll(filepath.Join(dir, "log")); err != nil { // else it would be replayed
		t.Fatal(err)
	}
	stored := map[string]bool{}
	for i := range m.all {
		stored[plain(&m.all[i])] = true
	}
	for range 30 {
		left := filepath.Join(t.TempDir(), "left")
		if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		file := flip(t, r, left)
		s, err := Open(left, Options{ReserveBytes: -1})
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, q := range []string{"", "message", "host:web1 or 7"} {
			for _, got := range search(t, s, syslogd.Query{Filter: parse(t, q)}) {
				if !stored[got] {
					t.Errorf("never stored: %s", got)
				}
			}
		}
		s.Close()
	}
}

// flip changes a bit of the files that Badger keeps values in.
func flip(t *testing.T, r *rand.Rand, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "chunks", "*", "*.vlog"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	name := files[r.IntN(len(files))]
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 0 {
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestDamagedTable damages the lengths at the end of a table, which Badger
// follows without a look: the day is set aside, and the others are served.
func TestDamagedTable(t *testing.T) {
	for _, at := range []int{1, 4, 5, 12, 1 << 20} { // from the end
		dir := t.TempDir()
		s := open(t, dir, Options{})
		put(t, s, line("first", start), line("second", start.AddDate(0, 0, 1)))
		if err := s.Seal(); err != nil {
			t.Fatal(err)
		}
		s.Close()
		tables, err := filepath.Glob(filepath.Join(dir, "chunks/20261119-default/*.sst"))
		if err != nil || len(tables) == 0 {
			t.Fatal(tables, err)
		}
		b, err := os.ReadFile(tables[0])
		if err != nil {
			t.Fatal(err)
		}
		if at > len(b) {
			b = b[:3]
		} else {
			b[len(b)-at] ^= 0x80
		}
		if err := errors.Join(os.WriteFile(tables[0], b, 0o600), os.RemoveAll(filepath.Join(dir, "log"))); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, Options{})
		if got := search(t, s, syslogd.Query{}); len(got) != 1 || s.Stats().Quarantined != 1 {
			t.Errorf("%d bytes from the end: %q", at, got)
		}
		s.Close()
	}
}
