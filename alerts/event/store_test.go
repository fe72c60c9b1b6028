package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/alerts/state"
	"rondo/syslogd/syslog"
)

// now is when all tests are.
func now() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// logLines is a log store that can fail.
type logLines struct {
	mu     sync.Mutex
	broken error
	texts  []string
}

func (l *logLines) Put(_ context.Context, batch []syslog.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return l.broken
	}
	for _, m := range batch {
		l.texts = append(l.texts, m.App+" "+m.MsgID+" "+m.SD+" "+m.Text)
	}
	return nil
}

func open(t testing.TB, disk state.Store, change func(*Options)) *Store {
	t.Helper()
	o := Options{Config: DefaultConfig(), Log: slog.New(slog.DiscardHandler), Host: "here"}
	if change != nil {
		change(&o)
	}
	s, err := Open(disk, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func add(t testing.TB, s *Store, e Event) (Event, Outcome) {
	t.Helper()
	if e.Source == "" {
		e.Source = SourceAPI
	}
	e, what, err := s.Add(t.Context(), e, now())
	if err != nil {
		t.Fatal(err)
	}
	return e, what
}

func titles(es []Event) (out []string) {
	for _, e := range es {
		out = append(out, e.Title)
	}
	return out
}

func TestAddAndList(t *testing.T) {
	disk := state.NewMemory()
	s := open(t, disk, nil)
	add(t, s, Event{Title: "old", At: now().Add(-48 * time.Hour)})
	add(t, s, Event{Title: "long\n one ", At: now().Add(-3 * time.Hour), End: now().Add(-time.Hour), Tags: []string{"deploy", "deploy", " "}, Labels: map[string]string{"group": "web"}, Who: "Ann"})
	add(t, s, Event{Title: "new", Tags: []string{"config"}})
	for _, c := range []struct {
		q    Query
		want []string
	}{
		{Query{}, []string{"new", "long  one", "old"}},
		{Query{From: now().Add(-2 * time.Hour)}, []string{"new", "long  one"}}, // it lasted into the range
		{Query{From: now().Add(-2 * time.Hour), To: now().Add(-time.Minute)}, []string{"long  one"}},
		{Query{Tags: []string{"deploy"}}, []string{"long  one"}},
		{Query{Tags: []string{"deploy", "config"}}, nil},
		{Query{Tags: []string{"deploy", "config"}, Any: true}, []string{"new", "long  one"}},
		{Query{Labels: map[string]string{"group": "web"}}, []string{"long  one"}},
		{Query{Text: "ONE group:web who:ann"}, []string{"long  one"}},
		{Query{Text: "one group:db"}, nil},
		{Query{Limit: 1}, []string{"new"}},
	} {
		if d := cmp.Diff(c.want, titles(s.List(c.q))); d != "" {
			t.Errorf("%+v (-want +got)\n%s", c.q, d)
		}
	}
	again := open(t, disk, nil)
	if d := cmp.Diff(s.List(Query{}), again.List(Query{})); d != "" {
		t.Errorf("after a restart (-want +got)\n%s", d)
	}
}

func TestKeys(t *testing.T) {
	s := open(t, state.NewMemory(), nil)
	began := now().Add(-10 * time.Minute)
	first, what := add(t, s, Event{Title: "deploy 1", Key: "k", At: began, Who: "ann"})
	if what != Added {
		t.Error(what)
	}
	for _, c := range []struct {
		name string
		news Event
		want Outcome
		end  time.Time
	}{
		{"a retry", Event{Title: "deploy 1", Key: "k"}, Known, time.Time{}},
		{"the end", Event{Title: "deploy 1", Key: "k", End: now()}, Amended, now()},
		{"the end again", Event{Title: "deploy 1", Key: "k", End: now()}, Known, now()},
	} {
		e, what := add(t, s, c.news)
		if what != c.want || e.ID != first.ID || !e.At.Equal(began) || !e.End.Equal(c.end) || e.Who != "ann" {
			t.Errorf("%s: %s %+v", c.name, what, e)
		}
	}
	if _, what := add(t, s, Event{Title: "of another source", Key: "k", Source: "hook:x"}); what != Added {
		t.Error("sources share keys")
	}
	if _, err := s.Remove(t.Context(), first.ID, "bob", now()); err != nil {
		t.Fatal(err)
	}
	if _, what := add(t, s, Event{Title: "deploy 1", Key: "k"}); what != Dropped {
		t.Errorf("a removed event came back: %s", what)
	}
	if _, err := s.Get(first.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("a removed event is shown: %v", err)
	}
}

// TestAnyOrder has news of an event come in any order: what is known at the end
// is the same.
func TestAnyOrder(t *testing.T) {
	at := func(m int) time.Time { return now().Add(time.Duration(m) * time.Minute) }
	news := []Event{
		{Title: "deploy", Key: "k", At: at(-9), Revised: at(-9), Tags: []string{"deploy"}},
		{Title: "deploy", Key: "k", At: at(-9), Revised: at(-8), Tags: []string{"deploy"}, Text: "running"},
		{Title: "deploy", Key: "k", At: at(-9), Revised: at(-5), Tags: []string{"deploy", "failed"}, Text: "no", End: at(-5)},
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := open(t, state.NewMemory(), nil)
		for _, e := range rapid.Permutation(news).Draw(rt, "order") {
			add(t, s, e)
		}
		got := s.List(Query{})[0]
		if !got.same(news[2]) {
			rt.Errorf("%+v", got)
		}
	})
}

func TestRefused(t *testing.T) {
	s := open(t, state.NewMemory(), nil)
	for want, e := range map[string]Event{
		"title is missing":                        {Title: " \n "},
		"title has 201 bytes":                     {Title: strings.Repeat("x", 201)},
		"milliseconds":                            {Title: "x", At: time.UnixMilli(1763726400)},
		"ends (2026-11-21T11:00:00Z) before":      {Title: "x", At: now(), End: now().Add(-time.Hour)},
		"at most a year":                          {Title: "x", At: now().Add(-9000 * time.Hour), End: now()},
		"want an address that begins with http":   {Title: "x", Link: "javascript:alert(1)"},
		"17 tags":                                 {Title: "x", Tags: strings.Split("a b c d e f g h i j k l m n o p q", " ")},
		"name and value take at most 128":         {Title: "x", Labels: map[string]string{"group": strings.Repeat("x", 129)}},
		"more than a year ahead":                  {Title: "x", At: now().Add(9000 * time.Hour)},
		"older than what is kept (events: age":    {Title: "x", At: now().Add(-4 * 366 * 24 * time.Hour)},
		"key has 257 bytes, at most 256":          {Title: "x", Key: strings.Repeat("k", 257)},
		"link has 1025 bytes, at most 1024 bytes": {Title: "x", Link: strings.Repeat("k", 1025)},
	} {
		_, _, err := s.Add(t.Context(), e, now())
		if !errors.Is(err, ErrBad) || !strings.Contains(err.Error(), strings.TrimSuffix(want, " bytes")) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if n := s.Snapshot()["refused_bad"]; n != 12 {
		t.Errorf("%d refused", n)
	}
}

// TestBounds fills a store: the noisy source gives, and a deploy of two years
// ago stays.
func TestBounds(t *testing.T) {
	disk := state.NewMemory()
	bound := func(o *Options) { o.Config.Keep = 100 }
	s := open(t, disk, bound)
	add(t, s, Event{Title: "deploy", At: now().Add(-2 * 365 * 24 * time.Hour)})
	for i := range 300 {
		add(t, s, Event{Title: fmt.Sprint("scale ", i), Source: SourceAutoscale, At: now().Add(time.Duration(i) * time.Second)})
	}
	if s.Len() != 100 || s.Snapshot()["dropped_full"] != 201 {
		t.Errorf("%d kept, %v", s.Len(), s.Snapshot())
	}
	got := titles(s.List(Query{}))
	if got[0] != "scale 299" || got[99] != "deploy" {
		t.Errorf("kept %s to %s", got[0], got[99])
	}
	if again := open(t, disk, bound); again.Len() != 100 {
		t.Errorf("%d after a restart", again.Len())
	}
	// Too old is too old, whoever has most.
	if _, _, err := s.Add(t.Context(), Event{Title: "later", Source: SourceAPI}, now().Add(2*366*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := titles(s.List(Query{})); slices.Contains(got, "deploy") || s.Snapshot()["dropped_age"] != 1 {
		t.Errorf("%v", s.Snapshot())
	}
}

// TestOneFails has one of the two stores fail: without the state store nothing
// has happened, without the log store the line comes later, after a restart too.
func TestOneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, lines := state.NewMemory(), &logLines{broken: errors.New("disk full")}
		o := func(o *Options) { o.Lines = lines }
		s := open(t, disk, o)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		e, _ := add(t, s, Event{Title: "deploy 1", Key: "k", Labels: map[string]string{"group": "we\"b"}, Tags: []string{"deploy"}})
		time.Sleep(time.Minute)
		stop()
		<-ended
		if len(lines.texts) != 0 || len(s.List(Query{})) != 1 {
			t.Fatalf("%q, %v", lines.texts, s.List(Query{}))
		}

		s = open(t, disk, o)
		ctx, stop = context.WithCancel(t.Context())
		go func() { ended <- s.Run(ctx) }()
		synctest.Wait()
		lines.mu.Lock()
		lines.broken = nil
		lines.mu.Unlock()
		time.Sleep(time.Minute)
		add(t, s, Event{Title: "deploy 1", Key: "k", Text: "with\nmore", Source: SourceAPI})
		add(t, s, Event{Title: "deploy 1", Key: "k", Source: SourceAPI}) // no news: no line
		synctest.Wait()
		if _, err := s.Remove(t.Context(), e.ID, "ann", now()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want := []string{
			`rondo-event added [event@32473 event="` + e.ID + `" what="added" group="we\"b" tags="deploy" source="api"] deploy 1`,
			`rondo-event amended [event@32473 event="` + e.ID + `" what="amended" group="we\"b" tags="deploy" source="api"] amended: deploy 1: with more`,
			`rondo-event removed [event@32473 event="` + e.ID + `" what="removed" who="ann" source="api"] removed: deploy 1`,
		}
		if d := cmp.Diff(want, lines.texts); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		if err := disk.Close(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Add(t.Context(), Event{Title: "lost", Source: SourceAPI}, now()); !errors.Is(err, state.ErrClosed) || len(s.List(Query{})) != 0 {
			t.Errorf("%v, %v", err, s.List(Query{}))
		}
		stop()
		<-ended
		for kept := range open(t, state.NewMemory(), nil).waiting {
			t.Errorf("a line waits for ever: %s", kept)
		}
	})
}

func TestParseTime(t *testing.T) {
	for text, want := range map[string]time.Time{
		"now": now(), "-5m": now().Add(-5 * time.Minute), "now-2d": now().Add(-48 * time.Hour), "-1y": now().Add(-365 * 24 * time.Hour), "-5min": now().Add(-5 * time.Minute),
		"2026-11-21T12:00:00Z": now(), "1795262400": now(), "1795262400000": now(), "2021-04-28 21:50:00 +0200": time.Date(2021, 4, 28, 19, 50, 0, 0, time.UTC),
		"yesterday": {}, "": {}, "-": {}, "NaN": {}, "1e30": {}, "-99999y": {},
	} {
		got, err := ParseTime(text, now())
		if (err != nil) != want.IsZero() || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
