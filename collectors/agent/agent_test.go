package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rondo/rrd"
	"rondo/syslogd/syslog"
)

// memory is a Store and an Appender.
type memory struct {
	mu       sync.Mutex
	messages []string
	marks    map[string]uint64
	samples  []rrd.Sample
	err      error // of the next writes
	halfway  bool  // the next write is done, and fails all the same
	last     syslog.Message
}

func (m *memory) PutMarked(_ context.Context, batch []syslog.Message, marks []Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	for i := range batch {
		m.messages = append(m.messages, strings.Clone(batch[i].Text))
		m.last = batch[i].Clone()
	}
	for _, x := range marks {
		if m.marks[strings.Clone(x.Source)] = x.Pos; x.Pos == 0 {
			delete(m.marks, x.Source)
		}
	}
	if m.halfway {
		m.halfway = false
		return errors.New("the connection to the device is lost")
	}
	return nil
}

func (m *memory) Marks(prefix string) (found []Mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for source, pos := range m.marks {
		if strings.HasPrefix(source, prefix) {
			found = append(found, Mark{source, pos})
		}
	}
	return found
}

func (m *memory) Sync(context.Context) error { return nil }

func (m *memory) Append(_ context.Context, batch []rrd.Sample) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range batch {
		s.Key = rrd.Key(strings.Clone(string(s.Key)))
		m.samples = append(m.samples, s)
	}
	return m.err
}

func (m *memory) texts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.messages)
}

const testKey = "0123456789abcdef"

func newTestServer(t testing.TB, m *memory) (*Server, string) {
	t.Helper()
	s, err := NewServer(Options{Store: m, Metrics: m, Auth: StaticToken(testKey), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	t.Cleanup(h.Close)
	return s, h.URL
}

func newTestClient(t testing.TB, url string, change func(*ClientOptions)) *Client {
	t.Helper()
	o := ClientOptions{
		URL: url, Key: func() (string, error) { return testKey, nil }, Status: func() Status { return Status{Version: "test", Lag: 7} },
		Identity: Identity{ID: "i-1", Host: "web1", Group: "web", Instance: "i-1"}, Transport: NewTransport(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&o)
	}
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start runs something until the test ends, or stop is called.
func start(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func newMemory() *memory { return &memory{marks: map[string]uint64{}} }

func lines(texts ...string) (batch []syslog.Message) {
	for _, s := range texts {
		batch = append(batch, syslog.Parse("<13>1 - - app - - - "+s, time.Now(), netip.Addr{}))
	}
	return batch
}

func send(t testing.TB, c *Client, portions ...Portion) {
	t.Helper()
	if err := c.Push(t.Context(), portions, nil); err != nil {
		t.Fatal(err)
	}
}

func TestPush(t *testing.T) {
	m := newMemory()
	s, url := newTestServer(t, m)
	c := newTestClient(t, url, nil)
	stop := start(t, c.Run)
	send(t, c, Portion{Source: "f", To: 10, Messages: lines("one", "two")})
	key, err := rrd.NewKey("load1", rrd.Label{Name: "host", Value: "else"}, rrd.Label{Name: "cpu", Value: "0"})
	if err != nil {
		t.Fatal(err)
	}
	at := rrd.At(time.Now())
	if err := c.Push(t.Context(), []Portion{{Source: "f", From: 10, To: 20, Messages: lines("three")}}, []rrd.Sample{{Key: key, Time: at, Value: 1.5, Type: rrd.Gauge}}); err != nil {
		t.Fatal(err)
	}
	if got := m.texts(); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("stored %q", got)
	}
	if m.last.Host != "web1" || m.last.Sender.String() != "127.0.0.1" || m.last.Time.IsZero() {
		t.Errorf("message %+v", m.last)
	}
	want := `load1{cpu="0",group="web",host="web1",instance="i-1"}`
	if len(m.samples) != 1 || m.samples[0].Key.String() != want || m.samples[0].Time != at || m.samples[0].Value != 1.5 || m.samples[0].Type != rrd.Gauge {
		t.Errorf("samples %v, want of %s", m.samples, want)
	}
	all := s.Agents()
	if len(all) != 1 || all[0].Host != "web1" || all[0].Lag != 7 || all[0].Seen.IsZero() {
		t.Errorf("agents %+v", all)
	}
	stop()

	c = newTestClient(t, url, nil) // the next process
	start(t, c.Run)
	if marks, err := c.Marks(t.Context(), "f"); err != nil || marks["f"] != 20 {
		t.Errorf("marks %v, %v", marks, err)
	}
	send(t, c, Portion{Source: "f", From: 10, To: 20, Messages: lines("three")}) // before the mark
	send(t, c, Portion{Source: "f", From: 30, To: 40, Messages: lines("five")})  // behind it
	send(t, c, Portion{Source: "f", To: 5, Reset: true, Messages: lines("six")})
	send(t, c, Portion{Source: "f", From: 5, To: 5}) // only renewed
	if got := m.texts(); !slices.Equal(got, []string{"one", "two", "three", "five", "six"}) {
		t.Errorf("stored %q", got)
	}
	if n := s.Snapshot(); n["duplicates"] != 1 || n["gaps"] != 1 || n["gap_bytes"] != 10 || n["messages"] != 5 || n["samples"] != 1 {
		t.Errorf("counts %v", n)
	}
	if err := c.Push(t.Context(), []Portion{{Source: "f", To: 9, Messages: lines("seven")}}, nil); !errors.Is(err, ErrOverlap) {
		t.Errorf("overlap: %v", err)
	}
	send(t, c, Portion{Source: "f", Forget: true})
	if m.marks["agent/i-1/f"] != 0 || len(m.marks) != 1 {
		t.Errorf("marks %v", m.marks)
	}
}

// TestAnswerLost: the store fails after it has stored, the connection ends
// before the answer, the server is another one: each message is stored once.
func TestAnswerLost(t *testing.T) {
	m := newMemory()
	_, url := newTestServer(t, m)
	lossy := &lossyTransport{to: NewTransport()}
	c := newTestClient(t, url, func(o *ClientOptions) { o.Transport = lossy })
	start(t, c.Run)
	send(t, c, Portion{Source: "f", To: 1, Messages: lines("one")})
	m.mu.Lock()
	m.halfway = true
	m.mu.Unlock()
	send(t, c, Portion{Source: "f", From: 1, To: 2, Messages: lines("two")})
	lossy.loseAnswer.Store(true)
	send(t, c, Portion{Source: "f", From: 2, To: 3, Messages: lines("three")})
	lossy.loseAnswer.Store(true)
	_, another := newTestServer(t, m)
	lossy.afterLoss = func() { lossy.url.Store(&another) }
	send(t, c, Portion{Source: "f", From: 3, To: 4, Messages: lines("four")})
	if got := m.texts(); !slices.Equal(got, []string{"one", "two", "three", "four"}) {
		t.Errorf("stored %q", got)
	}
}

// slowStore is a Store whose disk is full until room is closed.
type slowStore struct {
	*memory
	room  chan struct{}
	tries atomic.Int64
}

func (s *slowStore) PutMarked(ctx context.Context, batch []syslog.Message, marks []Mark) error {
	s.tries.Add(1)
	select {
	case <-s.room:
		return s.memory.PutMarked(ctx, batch, marks)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestAgentTiresOfWaiting: a store is not asked twice to take what it is about
// to take: on the way there messages are counted, and compared.
func TestAgentTiresOfWaiting(t *testing.T) {
	m := &slowStore{memory: newMemory(), room: make(chan struct{})}
	s, err := NewServer(Options{Store: m, Metrics: m, Auth: StaticToken(testKey), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	t.Cleanup(h.Close)
	tired := make(chan struct{}, 100)
	c := newTestClient(t, h.URL, func(o *ClientOptions) {
		o.Transport = tiring{NewTransport(), tired}
	})
	start(t, c.Run)
	go func() {
		<-tired
		<-tired
		close(m.room)
	}()
	send(t, c, Portion{Source: "f", To: 1, Messages: lines("one")})
	if got, n := m.texts(), m.tries.Load(); n != 1 || !slices.Equal(got, []string{"one"}) {
		t.Errorf("stored %q in %d tries", got, n)
	}
}

// tiring gives up pushes that are not answered soon.
type tiring struct {
	to    http.RoundTripper
	tired chan struct{}
}

func (p tiring) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != PushPath {
		return p.to.RoundTrip(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), 100*time.Millisecond)
	defer cancel()
	answer, err := p.to.RoundTrip(r.WithContext(ctx))
	if err != nil {
		p.tired <- struct{}{}
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, err
}

// TestPutBack: a server that was restored from a backup has less than the agent
// believes. The agent does not go on as if nothing were missing.
func TestPutBack(t *testing.T) {
	m := newMemory()
	_, url := newTestServer(t, m)
	lossy := &lossyTransport{to: NewTransport()}
	c := newTestClient(t, url, func(o *ClientOptions) { o.Transport = lossy })
	ended := make(chan error, 1)
	go func() { ended <- c.Run(t.Context()) }()
	send(t, c, Portion{Source: "f", To: 1, Messages: lines("one")})
	backup := newMemory()
	backup.marks = maps.Clone(m.marks)
	send(t, c, Portion{Source: "f", From: 1, To: 2, Messages: lines("two")})
	_, restored := newTestServer(t, backup)
	lossy.url.Store(&restored)
	if err := c.Push(t.Context(), []Portion{{Source: "f", From: 2, To: 3, Messages: lines("three")}}, nil); !errors.Is(err, ErrPutBack) {
		t.Errorf("pushed: %v", err)
	}
	if err := <-ended; !errors.Is(err, ErrPutBack) {
		t.Errorf("ended: %v", err)
	}
	if got := backup.texts(); len(got) > 0 {
		t.Errorf("stored %q", got)
	}
}

// TestTooMuchForOnePush: stages can make much of little. It is sent in parts, in
// order, and the mark comes with the last.
func TestTooMuchForOnePush(t *testing.T) {
	m := newMemory()
	_, url := newTestServer(t, m)
	c := newTestClient(t, url, nil)
	start(t, c.Run)
	var batch []syslog.Message
	var want []string
	for i := range 6000 {
		text := fmt.Sprintf("%d %s", i, strings.Repeat("x", 1000))
		batch = append(batch, lines(text)...)
		want = append(want, text)
	}
	if _, err := c.Marks(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := c.PushMarked(t.Context(), batch, []Mark{{"f", 7}}, nil); err != nil {
		t.Fatal(err)
	}
	if got := m.texts(); !slices.Equal(got, want) {
		t.Errorf("%d messages are stored, want %d", len(got), len(want))
	}
	if marks := m.Marks(prefix("i-1") + "f"); len(marks) != 1 || marks[0].Pos != 7 {
		t.Errorf("marks %v", marks)
	}
}

func TestTwoOfOneID(t *testing.T) {
	m := newMemory()
	s, url := newTestServer(t, m)
	first := newTestClient(t, url, nil)
	start(t, first.Run)
	send(t, first, Portion{Source: "a", To: 1, Messages: lines("first")})
	second := newTestClient(t, url, nil)
	start(t, second.Run)
	send(t, second, Portion{Source: "b", To: 1, Messages: lines("second")})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = first.Push(ctx, []Portion{{Source: "a", From: 1, To: 2, Messages: lines("again")}}, nil) }()
	for s.Snapshot()["conflicts"] == 0 {
		send(t, second, Portion{Source: "b", From: 1, To: 1})
	}
	send(t, second, Portion{Source: "b", From: 1, To: 1})
	if all := s.Agents(); len(all) != 1 || !strings.Contains(all[0].Conflict, "same id") {
		t.Errorf("agents %+v", all)
	}
}

func TestRefused(t *testing.T) {
	f := func(change func(*ClientOptions), auth Authorizer, want string) {
		t.Helper()
		m := newMemory()
		s, err := NewServer(Options{Store: m, Metrics: m, Auth: auth, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		h := httptest.NewServer(s.Handler())
		defer h.Close()
		c := newTestClient(t, h.URL, change)
		_, err = c.hello(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	same := func(*ClientOptions) {}
	f(same, StaticToken(testKey), "")
	f(same, StaticToken("another key"), "401")
	f(same, StaticToken(""), "401")
	f(func(o *ClientOptions) { o.Key = func() (string, error) { return "", nil } }, StaticToken(""), "401")
	f(same, keyOf{ID: "i-2"}, "403")
	f(same, keyOf{ID: "i-1", Group: "db"}, "")
}

// keyOf is an Authorizer that knows one key.
type keyOf Identity

func (k keyOf) Authorize(context.Context, string, netip.Addr) (Identity, error) {
	return Identity(k), nil
}

func TestIdentityRefused(t *testing.T) {
	for _, id := range []Identity{
		{Host: "h"}, {ID: "a/b", Host: "h"}, {ID: "a"}, {ID: "a", Host: "h", Group: "\xff"}, {ID: "a", Host: strings.Repeat("h", 300)},
	} {
		if err := id.validate(); err == nil {
			t.Errorf("%+v is taken", id)
		}
	}
}

// TestBoundKey: what the key says wins.
func TestBoundKey(t *testing.T) {
	id, err := Identity{ID: "a", Host: "h", Group: "g", Tags: map[string]string{"x": "1", "y": "2"}}.bind(Identity{Group: "db", Tags: map[string]string{"x": "3"}})
	if err != nil || id.Group != "db" || id.Host != "h" || fmt.Sprint(id.Tags) != "map[x:3 y:2]" {
		t.Errorf("%+v, %v", id, err)
	}
	id, err = Identity{ID: "a", Host: "h", Instance: "i-0123456789abcdef0"}.bind(Identity{ID: "a", Host: "h", Group: "db"})
	if err != nil || id.Instance != "" {
		t.Errorf("%+v, %v", id, err)
	}
}
