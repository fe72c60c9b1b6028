package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// A tally counts what becomes of the files of an import or export. On a
// terminal it shows a bar, elsewhere a line now and then; a refused file gets
// a line at once. Its methods may be called by many at one time.
type tally struct {
	mu      sync.Mutex
	out     io.Writer // standard error
	bar     bool
	began   time.Time
	verb    string // imported or exported
	found   int
	done    int
	skipped int
	refused []refusedFile
	inside  func() string // how far things are within the files; nil: nobody knows
}

// A refusedFile is one that stays as it is, and why.
type refusedFile struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// The verbs of a tally.
const imported, exported = "imported", "exported"

func newTally(verb string, stderr errorWriter) *tally {
	f, ok := stderr.Writer.(*os.File)
	if ok {
		info, err := f.Stat()
		ok = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return &tally{out: stderr, bar: ok, began: time.Now(), verb: verb}
}

func (t *tally) find()   { t.count(&t.found) }
func (t *tally) finish() { t.count(&t.done) }
func (t *tally) skip()   { t.count(&t.skipped) }

func (t *tally) count(n *int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*n++
}

// refuse notes a file and prints it.
func (t *tally) refuse(file string, reason error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused = append(t.refused, refusedFile{file, reason.Error()})
	if t.bar {
		_, _ = io.WriteString(t.out, "\r\x1b[K")
	}
	_, _ = fmt.Fprintf(&plainWriter{w: t.out}, "refused %s: %v\n", file, reason)
}

// show prints how far things are until stop is closed.
func (t *tally) show(stop <-chan struct{}) {
	every := 10 * time.Second
	if t.bar {
		every = 200 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.progress()
		case <-stop:
			if t.bar {
				_, _ = io.WriteString(t.out, "\r\x1b[K")
			}
			return
		}
	}
}

func (t *tally) progress() {
	t.mu.Lock()
	defer t.mu.Unlock()
	const width = 30
	worked := t.worked()
	rate := float64(worked) / max(time.Since(t.began).Seconds(), 1e-3)
	line := fmt.Sprintf("%d of %d files, %.0f/s, %d refused", worked, max(t.found, worked), rate, len(t.refused))
	if t.inside != nil {
		line += ", " + t.inside()
	}
	if !t.bar {
		_, _ = fmt.Fprintln(t.out, line)
		return
	}
	full := width * worked / max(t.found, worked, 1)
	_, _ = fmt.Fprintf(t.out, "\r[%s%s] %s\x1b[K", strings.Repeat("=", full), strings.Repeat(" ", width-full), line)
}

// worked is how many files are done with.
func (t *tally) worked() int { return t.done + t.skipped + len(t.refused) }

// sum prints the summary, and is an error if a file was refused.
func (t *tally) sum(out io.Writer, format string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if format == "json" {
		slices.SortFunc(t.refused, func(a, b refusedFile) int { return cmp.Compare(a.File, b.File) })
		if err := json.NewEncoder(out).Encode(map[string]any{
			t.verb: t.done, "skipped": t.skipped, "refused": append([]refusedFile{}, t.refused...),
		}); err != nil {
			return err
		}
	} else {
		skipped := ""
		if t.verb == imported {
			skipped = fmt.Sprintf("already there %d, ", t.skipped)
		}
		fmt.Fprintf(out, "%s %d, %srefused %d\n", t.verb, t.done, skipped, len(t.refused))
		t.reasons(out)
	}
	if n := len(t.refused); n > 0 {
		return fmt.Errorf("%d of %d files were refused", n, t.worked())
	}
	return nil
}

// reasons prints how often each reason was the one, the most frequent first.
func (t *tally) reasons(out io.Writer) {
	const most = 20
	counts := map[string]int{}
	for _, r := range t.refused {
		counts[r.Reason]++
	}
	sorted := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b))
	})
	for i, reason := range sorted {
		if i == most {
			fmt.Fprintf(out, "  and %d other reasons\n", len(sorted)-most)
			return
		}
		fmt.Fprintf(out, "  %d  %s\n", counts[reason], reason)
	}
}
