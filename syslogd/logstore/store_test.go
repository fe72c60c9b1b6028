package logstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/logstore/chunk"
	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/syslog"
)

var (
	_ syslogd.Sink     = (*Store)(nil)
	_ syslogd.Searcher = (*Store)(nil)

	start = time.Date(2026, 11, 19, 10, 0, 0, 0, time.UTC)
)

func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	o.ReserveBytes = -1
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func parse(t testing.TB, q string) *filter.Filter {
	t.Helper()
	f, err := filter.Parse(q)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// plain is a message as comparable text; a parser's private notes are not
// kept by the store.
func plain(m *syslog.Message) string {
	return fmt.Sprintf("%q %d %d.%d %v %v|%v|%v| %q %q %q %q %q %q %v", m.Raw, m.Format, m.Facility, m.Severity, m.HasPRI,
		m.Time, m.Received, m.Sender, m.Host, m.App, m.PID, m.MsgID, m.SD, m.Text, m.Truncated)
}

func search(t testing.TB, s *Store, q syslogd.Query) []string {
	t.Helper()
	var got []string
	for m, err := range s.Search(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, plain(&m))
	}
	return got
}

func put(t testing.TB, s *Store, batch ...syslog.Message) {
	t.Helper()
	if err := s.Put(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
}

func line(text string, received time.Time) syslog.Message {
	return syslog.Parse(text, received, netip.MustParseAddr("10.0.0.9"))
}

func TestPutSealReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	put(t, s, line("<11>Nov 19 10:00:00 web1 nginx[7]: upstream timed out after 42 ms", start), line("no header at all", start.Add(time.Second)))
	check := func(step string) {
		t.Helper()
		if got := search(t, s, syslogd.Query{}); len(got) != 2 || !strings.Contains(got[0], "no header") {
			t.Fatalf("%s: %q", step, got)
		}
		if got := search(t, s, syslogd.Query{Filter: parse(t, `"timed out" host:web1 severity<=err 42`)}); len(got) != 1 {
			t.Fatalf("%s: filtered: %q", step, got)
		}
	}
	check("open")
	s.Close()
	s = open(t, dir, Options{})
	check("replayed")
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	check("sealed")
	put(t, s)
	s.Close()
	s = open(t, dir, Options{})
	check("reopened")
	if st := s.Stats(); st.Messages != 2 || st.Chunks != 1 || st.Head != 0 {
		t.Fatalf("stats %+v", st)
	}
}

// model is the naive store: a list.
type model struct{ all []syslog.Message }

func (m *model) add(batch []syslog.Message) {
	for _, x := range batch {
		normalise(&x, start)
		m.all = append(m.all, x)
	}
}

// timeOf is the time by which a query goes.
func timeOf(q syslogd.Query, m *syslog.Message) time.Time {
	if q.ByReceived {
		return m.Received
	}
	return m.When()
}

func (m *model) matches(q syslogd.Query) []syslog.Message {
	var out []syslog.Message
	for i := range m.all {
		x := &m.all[i]
		w := timeOf(q, x)
		if (q.From.IsZero() || !w.Before(q.From)) && (q.To.IsZero() || w.Before(q.To)) && q.Filter.Match(x) {
			out = append(out, *x)
		}
	}
	slices.SortStableFunc(out, func(a, b syslog.Message) int { return timeOf(q, &a).Compare(timeOf(q, &b)) })
	if !q.Oldest {
		slices.Reverse(out)
	}
	return out
}

// binStart is where the bin of a message begins.
func binStart(q syslogd.Query, x *syslog.Message, width time.Duration) time.Time {
	origin := q.Origin
	if origin.IsZero() {
		origin = time.Unix(0, 0)
	}
	bins := chunk.FloorDiv(timeOf(q, x).UnixNano()-origin.UnixNano(), int64(width))
	return origin.Add(time.Duration(bins) * width).UTC()
}

func (m *model) histogram(q syslogd.Query, width time.Duration) []syslogd.Bin {
	type binKey struct {
		start    time.Time
		severity syslog.Severity
	}
	counts := map[binKey]int64{}
	for _, x := range m.matches(q) {
		counts[binKey{binStart(q, &x, width), x.Severity}]++
	}
	bins := []syslogd.Bin{}
	for k, n := range counts {
		bins = append(bins, syslogd.Bin{Start: k.start, Severity: k.severity, Count: n})
	}
	slices.SortFunc(bins, func(a, b syslogd.Bin) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Severity, b.Severity))
	})
	return bins
}

func (m *model) facets(q syslogd.Query, field string, limit int) []syslogd.Facet {
	counts := map[string]int64{}
	for _, x := range m.matches(q) {
		switch field {
		case "host":
			counts[x.Origin()]++
		case "app":
			counts[x.App]++
		case "severity":
			counts[x.Severity.String()]++
		case "facility":
			counts[x.Facility.String()]++
		}
	}
	list := []syslogd.Facet{}
	for v, n := range counts {
		list = append(list, syslogd.Facet{Value: v, Count: n})
	}
	slices.SortFunc(list, func(a, b syslogd.Facet) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	return list[:min(len(list), limit)]
}

// randomFilter writes a filter that has a chance to match something.
func randomFilter(r *rand.Rand, depth int) string {
	word := func() string {
		w := strings.Map(func(c rune) rune {
			if strings.ContainsRune("\"()|/\x00\n\t \ufffd", c) || c < ' ' {
				return -1
			}
			return c
		}, logtest.Word(r))
		if w == "" || strings.ContainsAny(w, ":=<>!") || strings.HasPrefix(w, "-") {
			return "error"
		}
		return w
	}
	switch k := r.IntN(14); {
	case k < 3:
		return word()
	case k == 3:
		return word() + "*"
	case k == 4:
		return fmt.Sprintf("%q", word()[1:])
	case k == 5:
		return `"` + word() + " " + word() + `"`
	case k == 6:
		return pick(r, "/[0-9]{3}/", "/Error/", "/time/", "/user0/", "/(?i)ERR(or)?/", "/time(out)? /", "/(?i)k/", "/(?i)s/", "/1\\.2|user[0-9]/", "/^(Error|user)+/")
	case k == 7:
		return pick(r, "severity<=err", "severity:notice", "severity>info", "facility:user", "facility!=mail")
	case k == 8:
		return pick(r, "host:web*", "host:10.0.0.1", "host=web1", "sender:10.0.0.0/31", "sender!=10.0.0.2", "host:*")
	case k == 9:
		return pick(r, "app:su", "app:app", "app!=su", "pid:77", "pid>50", "msgid:ID", "sd.k:v9", "sd.k:*", "pid:*")
	case depth > 2:
		return word()
	case k == 10:
		return "-(" + randomFilter(r, depth+1) + ")"
	case k == 11:
		return "(" + randomFilter(r, depth+1) + " or " + randomFilter(r, depth+1) + ")"
	}
	return randomFilter(r, depth+1) + " " + randomFilter(r, depth+1)
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// TestAgainstNaive runs random messages, crashes and queries, and compares
// all answers with those of a list.
func TestAgainstNaive(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		o := Options{ChunkBytes: 4000, SegmentBytes: 20000}
		s := open(t, dir, o)
		m := &model{}
		now := start
		for range 4 + r.IntN(10) {
			switch r.IntN(6) {
			case 0:
				if err := s.Seal(); err != nil {
					t.Fatal(err)
				}
			case 1: // as kill -9: nothing but the files is left
				s.Close()
				s = open(t, dir, o)
			default:
				var batch []syslog.Message
				for range r.IntN(40) {
					now = now.Add(time.Duration(r.Int64N(int64(time.Minute))))
					if r.IntN(60) == 0 {
						now = now.Add(9 * time.Hour)
					}
					x := syslog.Parse(logtest.Line(r), now, netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(4))}))
					switch r.IntN(9) {
					case 0: // a clock that is years off, both ways and around 1970
						x.Time = now.AddDate(r.IntN(80)-70, 0, r.IntN(3))
					case 1, 2, 3:
						x.Time = now.Add(time.Duration(r.NormFloat64() * float64(3*time.Hour)))
					}
					batch = append(batch, x)
				}
				put(t, s, batch...)
				m.add(batch)
			}
		}
		for range 25 {
			compare(t, seed, s, m, randomQuery(r, now))
		}
		s.Close()
	}
}

// TestByReceived counts by our clock what a sender dates six minutes back.
func TestByReceived(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for i := range 3 {
		m := line("<11>1 - web1 a - - - broken", start.Add(time.Duration(i)*time.Minute))
		m.Time = m.Received.Add(-6 * time.Minute)
		put(t, s, m)
		if i == 1 {
			if err := s.Seal(); err != nil {
				t.Fatal(err)
			}
		}
	}
	q := syslogd.Query{From: start, To: start.Add(2 * time.Minute), ByReceived: true}
	if got := search(t, s, q); len(got) != 2 {
		t.Errorf("search: %q", got)
	}
	bins, err := syslogd.Histogram(t.Context(), s, q, time.Hour)
	if err != nil || len(bins) != 1 || bins[0].Count != 2 || !bins[0].Start.Equal(start) {
		t.Errorf("histogram: %v, %v", bins, err)
	}
	facets, err := syslogd.Facets(t.Context(), s, q, "host", 5)
	if diff := gocmp.Diff([]syslogd.Facet{{Value: "web1", Count: 2}}, facets); diff != "" || err != nil {
		t.Errorf("facets: %s, %v", diff, err)
	}
	if q.ByReceived = false; len(search(t, s, q)) != 0 {
		t.Error("found by the sender's clock")
	}
}

func randomQuery(r *rand.Rand, now time.Time) syslogd.Query {
	q := syslogd.Query{Oldest: r.IntN(2) == 0, ByReceived: r.IntN(4) == 0}
	if r.IntN(8) > 0 {
		if f, err := filter.Parse(randomFilter(r, 0)); err == nil {
			q.Filter = f
		}
	}
	span := now.Sub(start) + time.Hour
	if r.IntN(2) == 0 {
		q.From = start.Add(time.Duration(r.Int64N(int64(span))))
	}
	if r.IntN(2) == 0 {
		q.To = start.Add(time.Duration(r.Int64N(int64(span))))
	}
	if r.IntN(3) == 0 {
		q.Limit = 1 + r.IntN(20)
	}
	if r.IntN(2) == 0 {
		q.Origin = start.Add(time.Duration(r.Int64N(int64(span))))
	}
	return q
}

func compare(t *testing.T, seed uint64, s *Store, m *model, q syslogd.Query) {
	want := m.matches(q)
	var texts []string
	for i := range want[:len(want):len(want)] {
		if q.Limit == 0 || i < q.Limit {
			texts = append(texts, plain(&want[i]))
		}
	}
	if diff := gocmp.Diff(texts, search(t, s, q)); diff != "" {
		t.Fatalf("seed %d: search %s %v..%v received %v limit %d oldest %v: %s", seed, q.Filter, q.From, q.To, q.ByReceived, q.Limit, q.Oldest, diff)
	}
	for _, width := range []time.Duration{time.Hour, 7 * time.Minute, 24 * time.Hour} {
		bins, err := syslogd.Histogram(t.Context(), s, q, width)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(m.histogram(q, width), bins); diff != "" {
			t.Fatalf("seed %d: histogram %s %v..%v %v: %s", seed, q.Filter, q.From, q.To, width, diff)
		}
	}
	for _, by := range [][]string{nil, {"severity"}, {"app", "host"}, {syslogd.Pattern}, {"pid", "sender", "facility"}, {"host", "msgid", "sd.k", syslogd.Pattern}} {
		for _, bin := range []time.Duration{0, time.Hour, 13 * time.Minute} {
			got, err := s.Count(t.Context(), q, by, bin)
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(m.count(q, by, bin), got); diff != "" {
				t.Fatalf("seed %d: count %s %v..%v received %v by %q %v: %s", seed, q.Filter, q.From, q.To, q.ByReceived, by, bin, diff)
			}
		}
	}
	for _, field := range []string{"host", "app", "severity", "facility"} {
		list, err := syslogd.Facets(t.Context(), s, q, field, 5)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(m.facets(q, field, 5), list); diff != "" {
			t.Fatalf("seed %d: facets %s %s: %s", seed, q.Filter, field, diff)
		}
	}
}

// count is the naive Count.
func (m *model) count(q syslogd.Query, by []string, bin time.Duration) []syslogd.Group {
	groups := []syslogd.Group{}
	patterns := chunk.NewPatterns()
	for _, x := range m.matches(q) {
		g := syslogd.Group{Count: 1}
		if bin > 0 {
			g.Start = binStart(q, &x, bin)
		}
		for _, f := range by {
			if f == syslogd.Pattern {
				g.Values = append(g.Values, patterns.Of(x.Text, x.When().UnixNano()))
			} else {
				g.Values = append(g.Values, filter.Value(&x, f))
			}
		}
		same := func(o syslogd.Group) bool { return o.Start.Equal(g.Start) && slices.Equal(o.Values, g.Values) }
		if i := slices.IndexFunc(groups, same); i >= 0 {
			groups[i].Count++
		} else {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b syslogd.Group) int {
		return cmp.Or(a.Start.Compare(b.Start), slices.Compare(a.Values, b.Values))
	})
	return groups
}

// TestOutliers has a message of 2037 and one of 1970 in each chunk, as wrong
// clocks make them: a search of an hour opens no other chunks.
func TestOutliers(t *testing.T) {
	s := open(t, t.TempDir(), Options{apart: true})
	const chunks = 20
	for i := range chunks {
		at := start.Add(time.Duration(i) * 2 * time.Hour)
		ahead, behind := line("ahead", at), line("behind", at)
		ahead.Time, behind.Time = time.Date(2037, 1, 1, 0, 0, i, 0, time.UTC), time.Unix(int64(i), 0)
		put(t, s, line("<14>right one", at), ahead, line("<14>right two", at.Add(time.Minute)), behind)
		if err := s.Seal(); err != nil {
			t.Fatal(err)
		}
	}
	opened := func() int {
		n := s.cache.recent.Len()
		s.cache = newCatalogueCache(s.cache.most)
		return n
	}
	now := start.Add(2*chunks*time.Hour - time.Hour)
	if got := search(t, s, syslogd.Query{To: now, Limit: 1}); len(got) != 1 || !strings.Contains(got[0], "right two") {
		t.Errorf("newest: %q", got)
	}
	if n := opened(); n != 1 {
		t.Errorf("newest: %d chunks opened", n)
	}
	if got := search(t, s, syslogd.Query{From: start, Oldest: true, Limit: 3}); len(got) != 3 || !strings.Contains(got[2], "right one") {
		t.Errorf("oldest: %q", got)
	}
	if n := opened(); n != 2 {
		t.Errorf("oldest: %d chunks opened", n)
	}
	hour := syslogd.Query{From: start.Add(4 * time.Hour), To: start.Add(5 * time.Hour)}
	facets, err := syslogd.Facets(t.Context(), s, hour, "host", 5)
	if n := opened(); err != nil || len(facets) != 1 || facets[0].Count != 2 || n != 1 {
		t.Errorf("facets %v, %v, %d chunks opened", facets, err, n)
	}
	bins, err := syslogd.Histogram(t.Context(), s, syslogd.Query{From: start, To: now}, time.Hour)
	if n := opened(); err != nil || len(bins) != chunks || bins[0].Count != 2 || n != 0 {
		t.Errorf("histogram %v, %v, %d chunks opened", bins, err, n)
	}
	var texts []string
	for m, err := range s.Search(t.Context(), syslogd.Query{Oldest: true}) {
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, m.Text)
	}
	if len(texts) != 4*chunks || texts[chunks-1] != "behind" || texts[3*chunks] != "ahead" {
		t.Errorf("all: %q", texts)
	}
}

// TestMoreWordsThanTypes finds each of the lines that are too many to have
// types of their own, open and sealed.
func TestMoreWordsThanTypes(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	word := func(i int) string {
		return strings.Map(func(c rune) rune { return c - '0' + 'g' }, fmt.Sprintf("%06d", i))
	}
	var batch []syslog.Message
	for i := range 3000 {
		batch = append(batch, line(fmt.Sprintf("<13>1 - web1 app%s 7 - - user %s opened %s", word(i), word(i), word(500000+i)), start))
	}
	put(t, s, batch...)
	check := func(step string) {
		t.Helper()
		for i := 1; i < 3000; i += 100 {
			for _, q := range []string{word(i), "app:app" + word(i), `"opened ` + word(500000+i) + `"`, "/user " + word(i) + "/ severity:notice"} {
				if got := search(t, s, syslogd.Query{Filter: parse(t, q)}); len(got) != 1 || !strings.Contains(got[0], "user "+word(i)+" ") {
					t.Fatalf("%s: %s: %q", step, q, got)
				}
			}
		}
	}
	check("open")
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	check("sealed")
}

// TestCatalogueCache keeps what was used last within its bytes.
func TestCatalogueCache(t *testing.T) {
	s := filled(t)
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	search(t, s, syslogd.Query{Filter: parse(t, "GET")})
	both := s.cache.bytes
	if s.cache.recent.Len() != 2 || both == 0 {
		t.Fatalf("%d catalogues, %d bytes", s.cache.recent.Len(), both)
	}
	s.cache = newCatalogueCache(both - 1)
	search(t, s, syslogd.Query{Filter: parse(t, "GET")})
	if s.cache.recent.Len() != 1 || s.cache.bytes >= both || len(s.cache.byInfo) != 1 {
		t.Errorf("%d catalogues, %d bytes of %d", s.cache.recent.Len(), s.cache.bytes, both-1)
	}
}

// TestConcurrent searches while others write, seal and drop; the race
// detector looks on.
func TestConcurrent(t *testing.T) {
	s := open(t, t.TempDir(), Options{ChunkBytes: 2000})
	f := logtest.NewFleet(2, start)
	var batches [][]syslog.Message
	for range 60 {
		var b []syslog.Message
		for range 10 {
			b = append(b, f.Next())
		}
		batches = append(batches, b)
	}
	var writers, readers sync.WaitGroup
	for half := range 2 {
		writers.Go(func() {
			for i := half; i < len(batches); i += 2 {
				if err := s.Put(context.Background(), batches[i]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for last := 0; ; {
				n := 0
				for _, err := range s.Search(context.Background(), syslogd.Query{}) {
					if err != nil {
						t.Error(err)
					}
					n++
				}
				if n < last {
					t.Errorf("%d messages after %d", n, last)
				}
				last = n
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if got := len(search(t, s, syslogd.Query{})); got != 600 {
		t.Errorf("%d messages", got)
	}
	s.Close()
	for _, err := range s.Search(t.Context(), syslogd.Query{}) {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestSearchIsCancelled(t *testing.T) {
	s := filled(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.Search(ctx, syslogd.Query{Filter: parse(t, "/x/")}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
	if _, err := syslogd.Histogram(ctx, s, syslogd.Query{Filter: parse(t, "/x/")}, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
