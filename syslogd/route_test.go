package syslogd

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/syslogd/filter"
	"rondo/syslogd/out"
	"rondo/syslogd/out/forward"
	"rondo/syslogd/spool"
	"rondo/syslogd/stage"
	"rondo/syslogd/syslog"
)

func messages(from, to int) []syslog.Message {
	var batch []syslog.Message
	for i := from; i < to; i++ {
		line := fmt.Sprintf("<%d>1 2026-10-11T22:14:15.000003Z h%d app %d - - message %d", 8+i%8, i%3, i, i)
		batch = append(batch, syslog.Parse(line, received(), netip.Addr{}))
	}
	return batch
}

func parsed(t testing.TB, text string) *filter.Filter {
	t.Helper()
	f, err := filter.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// routerTo makes a router with the queues of these names, in dir.
func routerTo(t testing.TB, store Sink, dir string, names []string, routes ...RouteConfig) *Router {
	t.Helper()
	s, err := spool.Open(dir, spool.Options{Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var configs []spool.QueueConfig
	for _, name := range names {
		configs = append(configs, spool.QueueConfig{Name: name})
	}
	o := RouterOptions{Store: store, Spool: s, Stats: NewStats(), Log: quiet()}
	if o.Queues, err = s.Queues(configs); err != nil {
		t.Fatal(err)
	}
	for _, c := range routes {
		if err := c.Validate(names); err != nil {
			t.Fatal(err)
		}
		r, err := c.Build(names)
		if err != nil {
			t.Fatal(err)
		}
		o.Routes = append(o.Routes, r)
	}
	return NewRouter(o)
}

// runQueue delivers a queue, and returns what stops that.
func runQueue(t testing.TB, q *spool.Queue, d out.Destination) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx, d) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// relayTo is a router that sends everything to a syslog server, and stores it.
func relayTo(t testing.TB, c forward.Config, dir string) (r *Router, run func() (stop func())) {
	t.Helper()
	d, err := forward.New(c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	r = routerTo(t, newMemory(), dir, []string{"test"}, RouteConfig{Name: "test", To: []string{"test", StoreName}})
	return r, func() func() { return runQueue(t, r.Queues[0], d) }
}

func putAll(t testing.TB, r *Router, batch []syslog.Message) {
	t.Helper()
	if err := r.Put(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

// A table of routes, and where messages go.
func TestRoutes(t *testing.T) {
	drop := []stage.Config{{Filter: parsed(t, "app:noise"), Drop: true}}
	const lines = "<11>Oct 11 22:14:15 h a: one\n<14>Oct 11 22:14:15 h b: two\n<11>Oct 11 22:14:15 h noise: three\n<15>Oct 11 22:14:15 h b: four"
	f := func(name string, routes []RouteConfig, want string) {
		t.Helper()
		store := newMemory()
		r := routerTo(t, store, t.TempDir(), []string{"x", "y"}, routes...)
		var batch []syslog.Message
		for line := range strings.SplitSeq(lines, "\n") {
			batch = append(batch, syslog.Parse(line, received(), netip.Addr{}))
		}
		putAll(t, r, batch)
		var got []string
		got = append(got, "store: "+strings.Join(store.texts(), " "))
		for _, q := range r.Queues {
			if n := q.Stats().Routed; n > 0 {
				far := &kept{want: int(n), done: make(chan struct{})}
				stop := runQueue(t, q, far)
				<-far.done
				stop()
				got = append(got, q.Name()+": "+strings.Join(far.texts, " "))
			}
		}
		counts := r.Stats.Snapshot()
		for _, c := range routes {
			n := func(what string) uint64 { return counts["route_"+c.Name+"_"+what] }
			if n("received")+n("made") != n("filtered")+n("staged")+n("already")+n("routed") {
				t.Errorf("%s: the counts of %s do not add up: %v", name, c.Name, counts)
			}
			got = append(got, fmt.Sprintf("%s %d/%d", c.Name, n("routed"), n("received")))
		}
		if n := counts["unrouted"]; n > 0 {
			got = append(got, fmt.Sprintf("unrouted %d", n))
		}
		if is := strings.Join(got, "; "); is != want {
			t.Errorf("%s:\n got %s\nwant %s", name, is, want)
		}
	}
	f("no routes", nil, "store: one two three four")
	f("to two", []RouteConfig{{Name: "r", To: []string{"x", "y"}}},
		"store: ; x: one two three four; y: one two three four; r 4/4")
	f("by severity, and the rest is stored", []RouteConfig{
		{Name: "errors", Filter: parsed(t, "severity<=err"), To: []string{"x", "store"}, Final: true}, {Name: "rest", To: []string{"store"}},
	}, "store: one two three four; x: one three; errors 2/4; rest 2/2")
	f("once to each", []RouteConfig{
		{Name: "errors", Filter: parsed(t, "severity<=err"), To: []string{"x"}}, {Name: "all", To: []string{"x", "store"}},
	}, "store: one two three four; x: one two three four; errors 2/4; all 4/4")
	f("already there", []RouteConfig{{Name: "a", To: []string{"x"}}, {Name: "b", To: []string{"x"}}},
		"store: ; x: one two three four; a 4/4; b 0/4")
	f("stages of a route", []RouteConfig{
		{Name: "clean", Stages: drop, To: []string{"x"}}, {Name: "all", To: []string{"x", "y", "store"}},
	}, "store: one two three four; x: one two four; y: one two three four; clean 3/4; all 4/4")
	f("final keeps what stages drop", []RouteConfig{
		{Name: "clean", Stages: drop, To: []string{"x"}, Final: true}, {Name: "all", To: []string{"store"}},
	}, "store: ; x: one two four; clean 3/4; all 0/0")
	f("nowhere", []RouteConfig{{Name: "errors", Filter: parsed(t, "severity<=err"), To: []string{"store"}}},
		"store: one three; errors 2/4; unrouted 2")
}

func TestRoutesAreChecked(t *testing.T) {
	fail := func(want string, c RouteConfig) {
		t.Helper()
		if err := c.Validate([]string{"x"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	fail("name: ", RouteConfig{To: []string{"x"}})
	fail("to: a route leads", RouteConfig{Name: "a"})
	fail(`to: there is no destination "z"`, RouteConfig{Name: "a", To: []string{"z"}})
	fail("twice", RouteConfig{Name: "a", To: []string{"x", "x"}})
	fail("stages: 1:", RouteConfig{Name: "a", To: []string{"x"}, Stages: []stage.Config{{}}})
}

// What a stage of a route has to say goes where the route leads.
func TestRouteSummaries(t *testing.T) {
	store := newMemory()
	dedup := []stage.Config{{Dedup: &stage.DedupConfig{Window: time.Hour}}}
	r := routerTo(t, store, t.TempDir(), nil, RouteConfig{Name: "r", Stages: dedup, To: []string{StoreName}})
	batch := messages(0, 1)
	for range 5 {
		putAll(t, r, batch)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := store.texts(); len(got) != 2 || !strings.Contains(got[1], "repeated 4 times") {
		t.Errorf("%q", got)
	}
}

// kept is a destination that keeps texts until it has as many as are wanted.
type kept struct {
	texts []string
	want  int
	done  chan struct{}
}

func (k *kept) Open(context.Context) (out.Session, error) { return k, nil }
func (k *kept) Send(_ context.Context, b out.Batch) error {
	for i := range b.Messages {
		k.texts = append(k.texts, strings.Clone(b.Messages[i].Text))
	}
	if len(k.texts) == k.want {
		close(k.done)
	}
	return nil
}
func (k *kept) Flush(context.Context) error  { return nil }
func (k *kept) Settled() (n, refused uint64) { return uint64(len(k.texts)), 0 }
func (k *kept) Broken() <-chan struct{}      { return nil }
func (k *kept) Close(context.Context) error  { return nil }

// The whole way: into one server, along a route with a filter, to another.
func TestRelay(t *testing.T) {
	for _, cfg := range []forward.Config{
		{}, {Framing: forward.Newline}, {Format: forward.Raw}, {Format: forward.RFC3164, Framing: forward.Newline},
	} {
		t.Run(fmt.Sprint(cfg.Framing, "/", cfg.Format), func(t *testing.T) {
			far := newMemory()
			destination, _ := start(t, far, nil)
			cfg.To = []string{destination.Addr("tcp").String()}
			d, err := forward.New(cfg, quiet())
			if err != nil {
				t.Fatal(err)
			}
			near := newMemory()
			r := routerTo(t, near, t.TempDir(), []string{"far"},
				RouteConfig{Name: "far", Filter: parsed(t, "severity<=err"), To: []string{"far"}}, RouteConfig{Name: "all", To: []string{StoreName}})
			s, stop := start(t, r, nil)
			stopQueue := runQueue(t, r.Queues[0], d)
			conn := dial(t, "tcp", s.Addr("tcp"))
			send(t, conn, "<13>1 - h a - - - not relayed\n<11>1 2026-10-11T22:14:15Z web-01 nginx 7 ID47 - relayed\n")
			near.wait(t, 2)
			far.wait(t, 1)
			stop()
			stopQueue()
			m := far.at(0)
			if len(far.texts()) != 1 || m.Text != "relayed" || m.Host != "web-01" || m.App != "nginx" || m.Severity != syslog.Error ||
				!m.When().Equal(time.Date(2026, 10, 11, 22, 14, 15, 0, time.UTC)) {
				t.Errorf("%+v", m)
			}
			if st := r.Queues[0].Stats(); st.Routed != 1 || st.Delivered != 1 || st.Waiting != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// A destination that is down slows nobody; what was queued arrives when it is
// back.
func TestRelayWaitsOnDisk(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody accepts
	r, run := relayTo(t, forward.Config{To: []string{"127.0.0.1:1", l.Addr().String()}}, t.TempDir())
	stop := run()
	putAll(t, r, messages(0, 1000))
	stop()
	if n := r.Queues[0].Stats().Routed; n != 1000 {
		t.Errorf("%d are routed", n)
	}
	if got := r.Store.(*memory).texts(); len(got) != 1000 {
		t.Errorf("%d are stored", len(got))
	}
}

// What a connection that breaks has not delivered is sent again: at least
// once, and in order.
func TestRelayAtLeastOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, run := relayTo(t, forward.Config{To: []string{l.Addr().String()}}, t.TempDir())
	run()
	const n = 20000
	go func() {
		for i := 0; i < n; i += 100 {
			if err := r.Write(t.Context(), messages(i, i+100)); err != nil {
				t.Error(err)
			}
		}
	}()
	// Each connection takes a little, and the last one takes all.
	seen := make(map[string]bool)
	var last string
	for round := 0; len(seen) < n; round++ {
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		framer := syslog.NewFramer(conn, 0)
		for taken := 0; len(seen) < n && (round >= 5 || taken < 1000*round); {
			frames, err := framer.Append(nil)
			for _, f := range frames {
				if !f.Truncated {
					_, last, _ = strings.Cut(f.Line, " - - ")
					seen[last] = true
					taken++
				}
			}
			if err != nil {
				t.Fatalf("round %d, %d seen, last %q: %v", round, len(seen), last, err)
			}
		}
		// Unread bytes make this a reset: the peer's kernel had them, we not.
		// Drain first, so that what was acknowledged is what we have.
		drain(conn, framer, seen)
	}
}

// drain closes our side and reads what is still on the way.
func drain(conn net.Conn, framer *syslog.Framer, seen map[string]bool) {
	defer conn.Close()
	conn.(*net.TCPConn).CloseWrite()
	for {
		frames, err := framer.Append(nil)
		for _, f := range frames {
			if !f.Truncated {
				_, text, _ := strings.Cut(f.Line, " - - ")
				seen[text] = true
			}
		}
		if err != nil {
			return
		}
	}
}

// A marker that says what was durable when its marks were.
type marker struct {
	*memory
	marks []Mark
}

func (m *marker) PutMarked(ctx context.Context, batch []syslog.Message, marks []Mark) error {
	m.marks = append(m.marks, marks...)
	return m.Put(ctx, batch)
}
func (m *marker) Marks(string) []Mark { return m.marks }

func TestMarksPassThrough(t *testing.T) {
	store := &marker{memory: newMemory()}
	r := routerTo(t, store, t.TempDir(), []string{"x"}, RouteConfig{Name: "r", To: []string{"x"}})
	marks := []Mark{{Source: "a", Pos: 7}}
	if err := r.PutMarked(t.Context(), messages(0, 10), marks); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Marks(""), marks) || len(store.texts()) != 0 || r.Queues[0].Stats().Waiting != 10 {
		t.Error(r.Marks(""), store.texts(), r.Queues[0].Stats())
	}
}

// smallMarker takes few messages with marks.
type smallMarker struct{ *marker }

func (m smallMarker) PutMarked(ctx context.Context, batch []syslog.Message, marks []Mark) error {
	if len(batch) > 3 {
		return ErrMarked
	}
	return m.marker.PutMarked(ctx, batch, marks)
}

// What stages have made too large for one write with marks is stored in order,
// and the marks with the last of it.
func TestTooMuchForMarks(t *testing.T) {
	store := smallMarker{&marker{memory: newMemory()}}
	stats := NewStats()
	r := NewRouter(RouterOptions{Store: store, Stats: stats, Log: quiet()})
	marks := []Mark{{Source: "a", Pos: 7}}
	if err := r.PutMarked(t.Context(), messages(0, 10), marks); err != nil {
		t.Fatal(err)
	}
	want := newMemory()
	if err := want.Put(t.Context(), messages(0, 10)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(store.texts(), want.texts()) || !slices.Equal(r.Marks(""), marks) || stats.Snapshot()["stored"] != 10 {
		t.Error(store.texts(), r.Marks(""), stats.Snapshot())
	}
}
