package tail

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	histories = flag.Int("tail.histories", 500, "how many random histories of rotation")
	firstSeed = flag.Uint64("tail.seed", 1, "of the first history")
	tell      = flag.Bool("tail.tell", false, "print what happens")
)

// A written line, and what is known of it.
type written struct {
	content int // the generation that it was written to
	seq     int
	partial bool // it may be delivered, but need not be
}

// A history is a random sequence of what programs, logrotate, the tailer and
// the receiver do, and what must come of it.
type history struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand
	fs   *memFS
	tl   *Tailer // nil: it is down
	cfg  Config
	logs []*logFile

	state    []byte // what the state file has
	marks    map[string]uint64
	got      []string
	lines    map[string]written
	must     map[string]bool
	loses    bool // the state file, at times
	failNext int  // 1: the next batch is stored, but that is not told; 2: it is not stored
	contents int
	trace    []string
}

// A logFile is what a program writes.
type logFile struct {
	path    string
	n       *inode // which the program has open
	content map[*inode]int
	seq     int
	partial string
}

var errCrash = errors.New("crash")

func (h *history) Put(_ context.Context, b Batch) error {
	if h.failNext == 2 {
		h.failNext = 0
		return errCrash
	}
	for i := range b.Messages {
		h.got = append(h.got, strings.Clone(b.Messages[i].Text))
	}
	if *tell {
		for _, m := range b.Messages {
			fmt.Printf("   + %.14s %s\n", m.Text, m.SD)
		}
	}
	for _, m := range b.Marks {
		h.marks[m.Source] = m.Pos
	}
	for _, id := range b.Forget {
		delete(h.marks, id)
	}
	if h.failNext == 1 {
		h.failNext = 0
		return errCrash
	}
	return nil
}

func (h *history) note(format string, args ...any) {
	h.trace = append(h.trace, fmt.Sprintf(format, args...))
}

func (h *history) start() {
	log := slog.DiscardHandler
	if *tell {
		log = slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	tl, err := New(h.cfg, Options{Log: slog.New(log), Host: "h"})
	if err != nil {
		h.t.Fatal(err)
	}
	tl.fs = h.fs
	var saved savedState
	if h.state != nil {
		if saved, err = parseState(h.state); err != nil {
			h.t.Fatalf("seed %d: %v\n%s", h.seed, err, h.state)
		}
	}
	var marks []Mark
	for s, p := range h.marks {
		marks = append(marks, Mark{s, p})
	}
	slices.SortFunc(marks, func(a, b Mark) int { return strings.Compare(a.Source, b.Source) })
	tl.begin(saved, marks, h.fs.now)
	h.tl = tl
}

// stop ends the tailer, as a crash does: it has saved at some time before, or
// not.
func (h *history) stop() {
	h.tl.end()
	h.tl = nil
}

func (h *history) save() {
	for _, p := range h.tl.positions.byID {
		if p.home != nil {
			p.seen = h.fs.now.Unix()
		}
	}
	h.tl.settle()
	h.state = appendState(nil, h.tl.known, h.tl.positions.byID)
}

// step lets the tailer do something. It reports whether it did.
func (h *history) step() bool {
	did, err := h.tl.step(h.t.Context(), h.fs.now, h)
	if err != nil {
		h.note("crash")
		if !h.loses || h.pick(2) == 0 {
			h.save() // as Run does; else all of it was killed
		}
		h.stop()
		return false
	}
	if did && (!h.loses || h.pick(2) == 0) {
		h.save() // as it does each second
	}
	return did
}

// drain lets it do all there is to do. What can be read must then have been.
func (h *history) drain() {
	h.tl.rescan = true
	for range 10000 {
		if !h.step() {
			break
		}
	}
	if h.tl != nil {
		h.require()
	}
}

// require: all whole lines that are in some file must have been delivered by
// the end.
func (h *history) require() {
	for _, n := range h.fs.names {
		content := n.content()
		for {
			line, rest, ok := bytes.Cut(content, []byte("\n"))
			if !ok {
				break
			}
			h.must[strings.TrimLeft(string(line), "\x00")] = true
			content = rest
		}
	}
}

func (h *history) pick(n int) int { return h.r.IntN(n) }

func (h *history) line(l *logFile) string {
	l.seq++
	text := fmt.Sprintf("%c%06d line of a log", filepath.Base(l.path)[0], l.seq)
	switch h.pick(4) {
	case 0:
		text += strings.Repeat(" x", h.pick(100))
	case 1:
		text += strings.Repeat(" y", h.pick(900))
	}
	return fmt.Sprintf("%s %06d", text, l.seq)
}

func (h *history) addLine(l *logFile, text string, partial bool) {
	c, ok := l.content[l.n]
	if !ok {
		h.contents++
		c = h.contents
		l.content[l.n] = c
	}
	h.lines[text] = written{c, l.seq, partial}
}

func (h *history) append(l *logFile) {
	if l.n == nil {
		l.n = h.fs.create(l.path)
		if h.pick(4) == 0 && l.partial == "" {
			l.n.write([]byte("# header\n"))
		}
	}
	for range 1 + h.pick(5) {
		text, split := l.partial, false
		if text == "" {
			text = h.line(l)
			l.n.write([]byte(text + "\n"))
		} else {
			rest := text[len(text)/2:]
			l.n.write([]byte(rest + "\n"))
			l.partial = ""
			if split = h.fs.names[l.path] != l.n; split { // its beginning may have been taken for a line
				h.addLine(l, rest, true)
			}
		}
		h.addLine(l, text, split)
	}
	if h.pick(6) == 0 {
		l.partial = h.line(l)
		half := l.partial[:len(l.partial)/2]
		l.n.write([]byte(half))
		h.addLine(l, half, true)
		h.addLine(l, l.partial, true)
	}
}

// end of what the program writes to a file.
func (h *history) letGo(l *logFile) {
	l.n, l.partial = nil, ""
}

func (h *history) shift(l *logFile) {
	for i := 5; i >= 1; i-- {
		for _, ext := range []string{"", ".gz"} {
			from := fmt.Sprintf("%s.%d%s", l.path, i, ext)
			if i == 5 {
				h.fs.remove(from)
				continue
			}
			h.fs.rename(from, fmt.Sprintf("%s.%d%s", l.path, i+1, ext))
		}
	}
}

func (h *history) renameRotate(l *logFile) {
	if h.fs.names[l.path] == nil {
		return
	}
	h.shift(l)
	h.maybe()
	h.fs.rename(l.path, l.path+".1")
	h.maybe()
	if h.pick(3) > 0 && l.n != nil { // else the program goes on writing to it for a while
		h.letGo(l)
	}
	h.maybe()
}

func (h *history) copyTruncate(l *logFile) {
	if l.n == nil || l.partial != "" || h.fs.names[l.path] != l.n {
		return
	}
	h.shift(l)
	cp := h.fs.create(l.path + ".1")
	data := slices.Clone(l.n.data)
	for at := 0; at < len(data); {
		n := min(len(data)-at, 1+h.pick(2*len(data)))
		cp.write(data[at : at+n])
		at += n
		h.maybe()
	}
	if h.pick(3) == 0 && !h.loses { // see the package comment
		h.append(l) // which may be lost
		for l.partial != "" {
			h.append(l)
		}
		h.maybe()
	}
	h.fs.tick(time.Millisecond)
	l.n.set(nil)
	delete(l.content, l.n)
	h.contents++
	l.content[l.n] = h.contents
	if h.pick(4) == 0 {
		l.n.write(make([]byte, h.pick(5000))) // a program that does not append
	}
	h.maybe()
}

func (h *history) rewrite(l *logFile) {
	if l.n == nil || h.fs.names[l.path] != l.n {
		return
	}
	old := len(l.n.data)
	l.partial = ""
	h.fs.tick(time.Millisecond)
	l.n.set(nil)
	delete(l.content, l.n)
	if h.pick(2) == 0 {
		h.maybe()
	}
	switch h.pick(3) {
	case 0: // same size
		for len(l.n.data) < old {
			text := h.line(l)
			if left := old - len(l.n.data); len(text)+1 > left-40 {
				if left < 40 {
					break
				}
				text = text[:8] + strings.Repeat("z", left-1-8)
			}
			h.addLine(l, text, false)
			l.n.write([]byte(text + "\n"))
		}
	case 1:
		h.append(l)
	case 2:
		for len(l.n.data) <= old {
			h.append(l)
		}
	}
}

func (h *history) deleteCreate(l *logFile) {
	h.fs.remove(l.path)
	if h.pick(3) > 0 {
		h.letGo(l)
	}
	h.maybe()
}

func (h *history) gzip(l *logFile) {
	path := fmt.Sprintf("%s.%d", l.path, 1+h.pick(3))
	n := h.fs.names[path]
	if n == nil || n == l.n || len(n.data) == 0 || h.fs.names[path+".gz"] != nil {
		return
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(n.data)
	_ = w.Close()
	z := h.fs.create(path + ".gz")
	z.plain = n.data
	packed := b.Bytes()
	half := h.pick(len(packed))
	z.write(packed[:half])
	h.maybe()
	z.write(packed[half:])
	z.changed = n.changed
	h.maybe()
	h.fs.remove(path)
	h.maybe()
}

// maybe lets the tailer do something between two calls of others.
func (h *history) maybe() {
	h.fs.tick(time.Duration(h.pick(2000)) * time.Millisecond)
	if h.tl == nil {
		return
	}
	switch h.pick(4) {
	case 0:
		h.note("  drain")
		h.drain()
	case 1:
		h.note("  step")
		h.tl.rescan = h.tl.rescan || h.pick(2) == 0
		for _, f := range h.tl.those(func(*file) bool { return true }) {
			if h.pick(2) == 0 {
				h.tl.enqueue(f)
			}
		}
		h.step()
	}
}

func (h *history) agent() {
	if h.tl == nil {
		h.note("agent starts")
		if h.loses && h.pick(2) == 0 {
			h.note("without its state")
			h.state = nil
		}
		h.start()
		return
	}
	switch h.pick(7) {
	case 0:
		h.note("agent stops")
		h.save()
		h.stop()
	case 1:
		h.note("agent is killed")
		h.stop()
	case 2:
		h.note("receiver will store, and crash")
		h.failNext = 1
	case 3:
		h.note("receiver will crash")
		h.failNext = 2
	case 4:
		h.note("agent saves")
		h.save()
	case 5:
		h.note("time passes")
		h.fs.tick(2 * time.Minute)
		h.drain()
	case 6:
		h.note("agent drains")
		h.drain()
	}
}

func (h *history) act() {
	l := h.logs[h.pick(len(h.logs))]
	h.fs.tick(time.Duration(h.pick(3000)) * time.Millisecond)
	switch k := h.pick(20); {
	case k < 7:
		h.note("append to %s", l.path)
		h.append(l)
	case k < 12:
		h.agent()
	case k < 14:
		h.note("rename %s", l.path)
		h.renameRotate(l)
	case k < 16:
		h.note("copytruncate %s", l.path)
		h.copyTruncate(l)
	case k < 17:
		h.note("rewrite %s", l.path)
		h.rewrite(l)
	case k < 18:
		h.note("delete %s", l.path)
		h.deleteCreate(l)
	default:
		h.note("gzip an old %s", l.path)
		h.gzip(l)
	}
}

func (h *history) run() {
	h.start()
	h.drain()
	for range 10 + h.pick(60) {
		h.act()
		if *tell {
			for _, s := range h.trace {
				fmt.Println(s)
			}
			h.trace = h.trace[:0]
			h.show()
		}
	}
	h.finish()
	h.check()
}

func (h *history) show() {
	var names []string
	for path, n := range h.fs.names {
		names = append(names, fmt.Sprintf("%s=%d(%d)", path, n.ino, len(n.data)))
	}
	slices.Sort(names)
	fmt.Println("      ", names, "delivered", len(h.got), h.cfg.Files[0].Paths)
}

// finish lets the tailer read whatever there is.
func (h *history) finish() {
	h.failNext = 0
	if h.tl == nil {
		h.start()
	}
	h.drain()
	for range 4 {
		h.fs.tick(3 * time.Minute)
		h.drain()
	}
}

func (h *history) check() {
	fail := func(format string, args ...any) {
		h.t.Errorf("-tail.seed=%d: "+format, append([]any{h.seed}, args...)...)
	}
	seen := map[string]bool{}
	last := map[int]int{}
	for _, text := range h.got {
		if text == "# header" {
			continue
		}
		w, ok := h.lines[text]
		switch {
		case !ok:
			fail("delivered, but not written: %.60q", text)
		case seen[text]:
			fail("delivered twice: %.60q", text)
		case w.seq < last[w.content]:
			fail("out of order: %.60q after %d", text, last[w.content])
		}
		seen[text] = true
		last[w.content] = max(last[w.content], w.seq)
	}
	for text := range h.must {
		if !seen[text] && !h.lines[text].partial && text != "# header" && text != "" {
			fail("lost: %.60q, which is in %q", text, h.in(text))
		}
	}
}

// in are the files that have a line.
func (h *history) in(text string) (names []string) {
	for path, n := range h.fs.names {
		if bytes.Contains(n.content(), []byte(text)) {
			names = append(names, path)
		}
	}
	return names
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{
		t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 7)), fs: newMemFS(),
		marks: map[string]uint64{}, lines: map[string]written{}, must: map[string]bool{},
	}
	globs := [][]string{{"/log/*.log"}, {"/log/*.log*"}, {"/log/**"}, {"/log/a.log", "/log/b.log"}, {"/**/*.log"}}
	h.cfg = Config{Files: []Input{{Paths: globs[h.pick(len(globs))], MaxLine: 4096}}}
	h.cfg.BatchBytes = []int{0, 4096}[h.pick(2)]
	h.cfg.MaxOpen = []int{0, 1, 2}[h.pick(3)]
	h.loses = h.pick(3) == 0
	for _, name := range []string{"/log/a.log", "/log/b.log"}[:1+h.pick(2)] {
		h.logs = append(h.logs, &logFile{path: name, content: map[*inode]int{}})
	}
	return h
}

func TestHistories(t *testing.T) {
	for i := range uint64(*histories) {
		h := newHistory(t, *firstSeed+i)
		h.run()
		if t.Failed() {
			return
		}
	}
	t.Logf("%d histories, from seed %d", *histories, *firstSeed)
}
