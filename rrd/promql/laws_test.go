package promql

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"

	"rondo/rrd"
)

// TestLaws runs testdata/*.test. A file is read line by line:
//
//	series gauge 10s archives 1x360 6x720     a definition for what follows
//	set x 10s RRA:MAX:0.5:1:60 ...            a set of RRDtool's with a gauge "a", in a real store
//	load 10s: x{ds="a"} 1x100                 its readings
//	load 10s: x{a="b"} 0+1x100 _x5 7          samples at 0s, 10s, ...; _ is none
//	load 3s from 1s: ...                      samples at 1s, 4s, ...
//	at 5m: expr                               an instant query
//	from 0s to 5m step 1m: expr               a range query
//	    {a="b"} 1 2 _ 4                       a series it gives, one value per step
//	    warning: text                         a warning that contains text
//	    info: text
//	    archive: x 10s of 1h, 30/30, 0 gaps
//	    fails: text
//	clear                                     forgets all samples
//
// All that an answer says must be listed, but the archives only where one is.
// Times count from zero, which is not the epoch: no store takes a sample of that age.
func TestLaws(t *testing.T) {
	files, err := filepath.Glob("testdata/*.test")
	if err != nil || len(files) == 0 {
		t.Fatal("no law files", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".test"), func(t *testing.T) { runLaws(t, f) })
	}
}

// zero is 0s of the files: the Unix time 2592000.
const zero = 30 * 86400 * rrd.Second

// A law is one query of a file and what it must give.
type law struct {
	line     int
	start    rrd.Time
	end      rrd.Time
	step     time.Duration // 0: an instant query
	expr     string
	want     []string
	archives bool
}

func runLaws(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	store, def := newMemory(t), rrd.DefaultDefinition()
	var open *law
	flush := func() {
		if open != nil {
			open.check(t, file, store)
		}
		open = nil
	}
	for i, line := range strings.Split(string(text), "\n") {
		fail := func(err error) {
			if err != nil {
				t.Fatalf("%s:%d: %v", file, i+1, err)
			}
		}
		body := strings.TrimSpace(line)
		word, _, _ := strings.Cut(body, " ")
		switch {
		case body == "" || strings.HasPrefix(body, "#"):
		case line != strings.TrimLeft(line, " \t"):
			if open == nil {
				fail(fmt.Errorf("a result without a query"))
			}
			open.want = append(open.want, body)
			open.archives = open.archives || strings.HasPrefix(body, "archive:")
		case word == "clear":
			flush()
			store = newMemory(t)
		case word == "series":
			flush()
			def, err = parseDefinition(body)
			fail(err)
		case word == "set":
			flush()
			fail(store.addSet(body))
		case word == "load":
			flush()
			fail(load(store, def, body))
		default:
			flush()
			open, err = parseLaw(body)
			fail(err)
			open.line = i + 1
		}
	}
	flush()
}

func (l *law) check(t *testing.T, file string, store *memory) {
	t.Helper()
	e := New(store, store, Options{})
	got, err := l.run(t, e)
	if err != nil {
		got = []string{"fails: " + err.Error()}
	}
	// Notes are matched by a part of their text.
	for i, g := range got {
		for _, w := range l.want {
			kind, text, ok := strings.Cut(w, ": ")
			if ok && strings.HasPrefix(g, kind+": ") && strings.Contains(g, text) {
				got[i] = w
			}
		}
	}
	if d := cmp.Diff(l.want, got); d != "" {
		t.Errorf("%s:%d: %s (-want +got)\n%s", file, l.line, l.expr, d)
	}
}

func (l *law) run(t *testing.T, e *Engine) ([]string, error) {
	var got []string
	step := l.step
	a, err := e.instant(t.Context(), l.expr, l.start.Std())
	if l.step == 0 {
		if err != nil {
			return nil, err
		}
		values, err := e.Eval(t.Context(), l.expr, l.start.Std())
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			got = append(got, v.Labels.String()+" "+number(v.Value))
		}
	} else {
		r, err := e.Range(t.Context(), l.expr, l.start.Std(), l.end.Std(), step)
		if err != nil {
			return nil, err
		}
		for _, s := range r.Series {
			got = append(got, s.Labels.String()+l.values(s))
		}
		a = &answer{answered: r.Answered, warnings: r.Warnings, infos: r.Infos}
	}
	for _, w := range a.warnings {
		got = append(got, "warning: "+w)
	}
	for _, w := range a.infos {
		got = append(got, "info: "+w)
	}
	for _, x := range a.answered {
		if l.archives {
			got = append(got, fmt.Sprintf("archive: %s %s of %s, %d/%d, %d gaps", x.Selector, short(x.Row), short(x.Span), x.Filled, x.Expected, x.Gaps))
		}
	}
	return got, nil
}

// values writes one value for each step.
func (l *law) values(s RangeSeries) string {
	var b strings.Builder
	i := 0
	for t := l.start; t <= l.end; t = t.Add(l.step) {
		if i < len(s.Times) && s.Times[i] == t {
			b.WriteString(" " + number(s.Values[i]))
			i++
		} else {
			b.WriteString(" _")
		}
	}
	return b.String()
}

// number writes a value with ten digits: rows are exact, quotients are not.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 10, 64) }

// parseDefinition reads "series TYPE STEP [heartbeat D] archives NxR...".
func parseDefinition(s string) (rrd.Definition, error) {
	d := rrd.DefaultDefinition()
	words := strings.Fields(s)[1:]
	if len(words) < 4 {
		return d, fmt.Errorf("too few words")
	}
	if err := d.Type.UnmarshalText([]byte(words[0])); err != nil {
		return d, err
	}
	d.Step, d.Archives = duration(words[1]), nil
	d.Heartbeat = 2 * d.Step
	words = words[2:]
	if words[0] == "heartbeat" {
		d.Heartbeat, words = duration(words[1]), words[2:]
	}
	for _, w := range words[1:] {
		a := rrd.Archive{XFF: 0.99}
		if _, err := fmt.Sscanf(w, "%dx%d", &a.Steps, &a.Rows); err != nil {
			return d, fmt.Errorf("archive %q: %w", w, err)
		}
		d.Archives = append(d.Archives, a)
	}
	return d, nil
}

// load reads "load STEP [from T]: SERIES VALUES".
func load(m *memory, def rrd.Definition, s string) error {
	head, body, ok := strings.Cut(s, ": ")
	if !ok {
		return fmt.Errorf("load without a series")
	}
	words := strings.Fields(head)
	step, t := duration(words[1]), zero
	if len(words) == 4 {
		t = t.Add(duration(words[3]))
	}
	ls, values, err := newParser().ParseSeriesDesc(body)
	if err != nil {
		return err
	}
	key, err := rrdLabels(ls).Key()
	if err != nil {
		return err
	}
	var samples []point
	for _, v := range values {
		if !v.Omitted {
			samples = append(samples, point{t, v.Value})
		}
		t = t.Add(step)
	}
	m.add(key, def, samples...)
	return nil
}

// parseLaw reads "at T: EXPR" or "from T to T step D: EXPR".
func parseLaw(s string) (*law, error) {
	head, expr, ok := strings.Cut(s, ": ")
	words := strings.Fields(head)
	at := func(i int) rrd.Time { return zero.Add(duration(words[i])) }
	switch {
	case ok && len(words) == 2 && words[0] == "at":
		return &law{start: at(1), end: at(1), expr: expr}, nil
	case ok && len(words) == 6 && words[0] == "from":
		return &law{start: at(1), end: at(3), step: duration(words[5]), expr: expr}, nil
	}
	return nil, fmt.Errorf("not understood: %s", s)
}

// duration reads PromQL's durations; what is wrong shows as a wrong result.
func duration(s string) time.Duration {
	if std, err := time.ParseDuration(s); err == nil {
		return std
	}
	d, err := model.ParseDuration(s)
	if err != nil {
		return -1
	}
	return time.Duration(d)
}
