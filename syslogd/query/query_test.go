package query

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/logstore/chunk"
	"rondo/syslogd/syslog"
)

// list is the naive store.
type list struct {
	all []syslog.Message
	// streaming refuses to count, so that the pipes have to.
	streaming bool
}

func (l list) Search(ctx context.Context, q syslogd.Query) iter.Seq2[syslog.Message, error] {
	return func(yield func(syslog.Message, error) bool) {
		for i := range l.all {
			m := l.all[len(l.all)-1-i]
			if q.Oldest {
				m = l.all[i]
			}
			if ctx.Err() != nil {
				yield(m, context.Cause(ctx))
				return
			}
			if q.Filter.Match(&m) && !yield(m, nil) {
				return
			}
		}
	}
}

func (l list) Count(_ context.Context, q syslogd.Query, by []string, bin time.Duration) ([]syslogd.Group, error) {
	if l.streaming {
		return nil, syslogd.ErrTooManyGroups
	}
	var groups []syslogd.Group
	patterns := chunk.NewPatterns()
	for i := range l.all {
		m := &l.all[i]
		if !q.Filter.Match(m) {
			continue
		}
		g := syslogd.Group{Count: 1}
		if bin > 0 {
			g.Start = m.When().Truncate(bin)
		}
		for _, f := range by {
			if f == syslogd.Pattern {
				g.Values = append(g.Values, patterns.Of(m.Text, m.When().UnixNano()))
			} else {
				g.Values = append(g.Values, filter.Value(m, f))
			}
		}
		same := func(o syslogd.Group) bool { return o.Start.Equal(g.Start) && slices.Equal(o.Values, g.Values) }
		if k := slices.IndexFunc(groups, same); k >= 0 {
			groups[k].Count++
		} else {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b syslogd.Group) int {
		return cmp.Or(a.Start.Compare(b.Start), slices.Compare(a.Values, b.Values))
	})
	return groups, nil
}

func (l list) Tail(context.Context, *filter.Filter) iter.Seq2[syslog.Message, syslogd.TailStatus] {
	return func(func(syslog.Message, syslogd.TailStatus) bool) {}
}

func messages(lines string) (l list) {
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	for line := range strings.Lines(lines) {
		l.all = append(l.all, syslog.Parse(strings.TrimSpace(line), at, netip.MustParseAddr("10.0.0.9")))
	}
	return l
}

func parse(t testing.TB, s string) *Query {
	t.Helper()
	q, err := Parse(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return q
}

// table writes an answer as the file has it.
func table(t *testing.T, s syslogd.Searcher, text string, o Options) string {
	t.Helper()
	q := parse(t, text)
	var b strings.Builder
	columns := q.Schema().Columns
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	b.WriteString(strings.Join(names, " | ") + "\n")
	status, err := q.Run(t.Context(), s, o, func(r *Row) error {
		if len(q.Pipes) == 0 {
			b.WriteString(r.Get("time").String() + " " + r.Get("host").String() + " " + r.Get("message").String() + "\n")
			return nil
		}
		cells := make([]string, len(columns))
		for i, name := range names {
			cells[i] = r.Get(name).String()
		}
		b.WriteString(strings.Join(cells, " | ") + "\n")
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", text, err)
	}
	for _, n := range status.Notes {
		b.WriteString("note " + n + "\n")
	}
	if w := status.Words(); w != "" {
		b.WriteString("incomplete: " + w + "\n")
	}
	return b.String()
}

// TestAnswers asks a store that counts, and one that does not: both must
// answer alike.
func TestAnswers(t *testing.T) {
	file, err := os.ReadFile("testdata/query.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(file), "messages\n")
	lines, rest, _ := strings.Cut(rest, "\n\n")
	store := messages(lines)
	for _, block := range strings.Split(rest, "\n\n") {
		text, want, _ := strings.Cut(strings.TrimLeft(block, "\n"), "\n")
		text = strings.TrimPrefix(text, "query ")
		for _, streaming := range []bool{false, true} {
			store.streaming = streaming
			if d := gocmp.Diff(strings.TrimRight(want, "\n"), strings.TrimRight(table(t, store, text, Options{}), "\n")); d != "" {
				t.Errorf("%s (streaming %v): %s", text, streaming, d)
			}
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	f := func(s string, offset int, want string) {
		t.Helper()
		_, err := Parse(s)
		e, ok := errors.AsType[*SyntaxError](err)
		if !ok || e.Offset != offset || !strings.Contains(e.Error(), want) {
			t.Errorf("%q: %v, want offset %d and %q", s, err, offset, want)
		}
	}
	f("hots:web | top app", 0, "did you mean host?")
	f("a |", 3, "a pipe is expected: stats, top")
	f("a | b", 4, `write "or"`)
	f("a | stat count()", 4, "did you mean stats?")
	f("a | stats", 9, "a function is expected")
	f("a | stats cont()", 10, "did you mean count()?")
	f("a | stats count", 15, "brackets")
	f("a | stats sum()", 14, "name of a column")
	f("a | stats sum(pid", 17, "not closed")
	f("a | stats count() by hots", 21, "did you mean host?")
	f("a | stats count() by host, host", 27, "twice")
	f("a | stats count() by bin(1x)", 25, "time span")
	f("a | stats count() by bin(1m), bin(2m)", 30, "twice")
	f("a | stats count(), count()", 26, "rename")
	f("a | stats count() by host bin(1m)", 26, "pipe should end")
	f("a | top", 7, "a name is expected")
	f("a | top 0 app", 8, "from 1 on")
	f("a | top 5 app | fields host", 23, "no column")
	f("a | top app | patterns", 22, "leaves none")
	f("a | limit", 9, "wants a number")
	f("a | where", 9, "wants a filter")
	f("a | where cuont>3", 10, `no column "cuont"`)
	f("a | where pid>x", 10, "not a number")
	f("a | top app | where count>1 count>x", 28, "not a number")
	f("a | extract user=<user>", 12, "wants a pattern")
	f(`a | extract "user=<us er>"`, 18, "is no name")
	f(`a | extract "user=<user>" from nothing`, 31, "no column")
	f(`a | fields host | json`, 22, "no column")
	f("a | sort by sum(pid) desc", 12, "no column")
	f(strings.Repeat("a", MaxLength+1), MaxLength, "longer")
	f("a"+strings.Repeat(" | limit 1", MaxPipes+1), 331, "more than")
}

func TestCanonical(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		if got := parse(t, s).Canonical(); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	f("A  host:web* |STATS Count( ) , P95( pid ) as p by ( Program , bin( 90s ) )", "a host:web* | stats count(), p95(pid) as p by app, bin(90s)")
	f("| top app", "| top 10 app")
	f("|head 3|sort TIME DESC,host asc", "| limit 3 | sort by time desc, host")
}

func TestLimits(t *testing.T) {
	store := messages("")
	for i := range 100 {
		store.all = append(store.all, messages("<14>1 2026-11-21T07:00:01Z web"+string(rune('a'+i%26))+" app 7 - - text "+strings.Repeat("x", i)).all...)
	}
	store.streaming = true
	f := func(text string, l Limits, want string) {
		t.Helper()
		got := table(t, store, text, Options{Limits: l})
		if !strings.HasSuffix(got, "incomplete: "+want+"\n") {
			t.Errorf("%s: %s", text, got)
		}
	}
	f("| stats count() by host", Limits{Groups: 10}, "at most 10 groups (60 left out)")
	f("| sort by host", Limits{Held: 10}, "at most 10 rows to sort (90 left out)")
	f("| stats uniq(message)", Limits{Values: 10}, "at most 10 values (90 left out)")
	f("| fields host", Limits{Rows: 10}, "at most 10 rows")
	if got := table(t, store, "| sort by host", Options{Limits: Limits{Bytes: 10000}}); !strings.Contains(got, "at most 10000 bytes of memory") {
		t.Error(got)
	}
	if got := table(t, store, "| sort by host | limit 3", Options{Limits: Limits{Held: 100}}); strings.Contains(got, "incomplete") {
		t.Error(got)
	}
	if got := table(t, store, "| stats count()", Options{Limits: Limits{Time: 1}}); !strings.Contains(got, "incomplete: no more than 1ns") {
		t.Error(got)
	}
}

// TestCancel ends with the context's own cause.
func TestCancel(t *testing.T) {
	gone := errors.New("client is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	store := messages("<14>1 - a b - - - c")
	_, err := parse(t, "| sort by host").Run(ctx, store, Options{}, func(*Row) error { return nil })
	if !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	full := errors.New("disk full")
	_, err = parse(t, "").Run(t.Context(), store, Options{}, func(*Row) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}
