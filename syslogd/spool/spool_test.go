package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/syslogd/out"
	"rondo/syslogd/syslog"
)

// A tester is a test, or a step of a random history.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Context() context.Context
}

func openAt(t tester, dir string) *Spool {
	t.Helper()
	s, err := Open(dir, Options{SegmentBytes: 64 << 10, SlackBytes: minBytes})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// kill ends a spool as kill -9 does: what was appended is there, and the
// cursors as they were written last.
func kill(t tester, s *Spool) {
	t.Helper()
	close(s.stop)
	s.wg.Wait()
	if err := s.log.Close(); err != nil {
		t.Fatal(err)
	}
}

func queuesOf(t tester, s *Spool, l Limits, names ...string) []*Queue {
	t.Helper()
	var configs []QueueConfig
	for _, name := range names {
		configs = append(configs, QueueConfig{name, l})
	}
	queues, err := s.Queues(configs)
	if err != nil {
		t.Fatal(err)
	}
	return queues
}

var epoch = time.Date(2026, 10, 11, 22, 14, 15, 3e6, time.UTC)

func message(i int) syslog.Message {
	line := fmt.Sprintf("<%d>1 2026-10-11T22:14:15.000003Z h%d app %d - - message %d", 8+i%8, i%3, i, i)
	return syslog.Parse(line, epoch, netip.MustParseAddr("10.0.0.7"))
}

func messages(from, to int) (batch []syslog.Message) {
	for i := from; i < to; i++ {
		batch = append(batch, message(i))
	}
	return batch
}

// all sends a whole batch to some queues.
func all(batch []syslog.Message, to Set) []Set { return slices.Repeat([]Set{to}, len(batch)) }

func put(t tester, s *Spool, queues []*Queue, batch []syslog.Message, to Set) {
	t.Helper()
	if _, err := s.Append(t.Context(), queues, batch, all(batch, to)); err != nil {
		t.Fatal(err)
	}
}

// A place to deliver to that keeps what it gets.
type memory struct {
	mu     sync.Mutex
	cond   *sync.Cond
	got    []string // texts, in order
	keys   map[string]string
	opened int
	fail   int // of the next calls of Open and Send
	hold   int // messages that are not settled until Flush
	refuse func(text string) bool
	dead   bool // nothing is settled
}

func newMemory() *memory {
	m := &memory{keys: map[string]string{}}
	m.cond = sync.NewCond(&m.mu)
	return m
}

var errDown = errors.New("it is down")

func (m *memory) failing() bool {
	if m.fail > 0 {
		m.fail--
		return true
	}
	return false
}

func (m *memory) Open(context.Context) (out.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing() {
		return nil, errDown
	}
	m.opened++
	return &memorySession{m: m}, nil
}

// wait waits until n messages are there.
func (m *memory) wait(t testing.TB, n int) []string {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	timeout := time.AfterFunc(30*time.Second, func() { t.Errorf("nothing comes"); m.cond.Broadcast() })
	defer timeout.Stop()
	for len(m.got) < n && !t.Failed() {
		m.cond.Wait()
	}
	return slices.Clone(m.got)
}

type memorySession struct {
	m                *memory
	settled, refused uint64
	held             []syslog.Message
}

func (s *memorySession) Send(_ context.Context, b out.Batch) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.failing() {
		return errDown
	}
	for i := range b.Messages {
		m := b.Messages[i].Clone()
		if was, again := s.m.keys[b.Key(i)]; again && was != m.Text {
			return fmt.Errorf("the key %s is of %q and of %q", b.Key(i), was, m.Text)
		}
		s.m.keys[b.Key(i)] = m.Text
		s.held = append(s.held, m)
	}
	if len(s.held) > s.m.hold {
		s.release(len(s.held) - s.m.hold)
	}
	return nil
}

func (s *memorySession) release(n int) {
	if s.m.dead {
		return
	}
	for _, m := range s.held[:n] {
		s.settled++
		if s.m.refuse != nil && s.m.refuse(m.Text) {
			s.refused++
			continue
		}
		s.m.got = append(s.m.got, m.Text)
	}
	s.held = s.held[n:]
	s.m.cond.Broadcast()
}

func (s *memorySession) Flush(context.Context) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.release(len(s.held))
	return nil
}

func (s *memorySession) Settled() (n, refused uint64) { return s.settled, s.refused }
func (s *memorySession) Broken() <-chan struct{}      { return nil }
func (s *memorySession) Close(context.Context) error  { return nil }

// run runs a queue, and returns what stops it.
func run(t testing.TB, q *Queue, d out.Destination) (stop func()) {
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

// check checks that every message of a queue is accounted for.
func check(t tester, q *Queue) QueueStats {
	t.Helper()
	s := q.Stats()
	sum := s.Delivered + s.Waiting
	for _, n := range s.Dropped {
		sum += n
	}
	if sum != s.Routed {
		t.Fatalf("routed %d = delivered %d + waiting %d + dropped %v does not hold", s.Routed, s.Delivered, s.Waiting, s.Dropped)
	}
	return s
}

func texts(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf("message %d", i))
	}
	return list
}

func TestDelivers(t *testing.T) {
	s := openAt(t, t.TempDir())
	queues := queuesOf(t, s, Limits{}, "a", "b")
	a, b := newMemory(), newMemory()
	stopA, stopB := run(t, queues[0], a), run(t, queues[1], b)
	for i := 0; i < 1000; i += 10 {
		batch := messages(i, i+10)
		to := all(batch, Set(0).With(0))
		to[3] = to[3].With(1)
		to[4] = 0
		if _, err := s.Append(t.Context(), queues, batch, to); err != nil {
			t.Fatal(err)
		}
	}
	a.wait(t, 900)
	got := b.wait(t, 100)
	stopA()
	stopB()
	for i, text := range got {
		if text != fmt.Sprintf("message %d", 10*i+3) {
			t.Fatalf("%d: %s", i, text)
		}
	}
	if st := check(t, queues[0]); st.Delivered != 900 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// What arrives is what was routed, in all its fields.
func TestKeepsMessages(t *testing.T) {
	s := openAt(t, t.TempDir())
	defer s.Close()
	queues := queuesOf(t, s, Limits{}, "a")
	zone := time.FixedZone("", 7200)
	m := syslog.Parse("<34>Oct 11 22:14:15 mymachine su[77]: failed", epoch.In(zone), netip.MustParseAddr("fe80::1%eth0"))
	put(t, s, queues, []syslog.Message{m}, 1)
	var r reading
	if ok, err := queues[0].fetch(&r); !ok || err != nil {
		t.Fatal(ok, err)
	}
	got := r.batch.Messages[0]
	if want, is := string(syslog.AppendRFC3164(nil, &m)), string(syslog.AppendRFC3164(nil, &got)); is != want {
		t.Errorf("%s, want %s", is, want)
	}
	got.Received, got.Time = got.Received.UTC(), got.Time.UTC()
	m.Received, m.Time = m.Received.UTC(), m.Time.UTC()
	if got != m {
		t.Errorf("got  %+v\nwant %+v", got, m)
	}
}

// A destination that is dead slows nobody, and has all when it is back, also
// after kills.
func TestWaitsOnDisk(t *testing.T) {
	dir := t.TempDir()
	n := 0
	for range 3 {
		s := openAt(t, dir)
		queues := queuesOf(t, s, Limits{}, "dead", "alive")
		alive := newMemory()
		stop := run(t, queues[1], alive)
		for range 100 {
			put(t, s, queues, messages(n, n+10), 3)
			n += 10
		}
		alive.wait(t, 1000)
		stop()
		if st := check(t, queues[0]); st.Waiting != uint64(n) || st.Oldest.IsZero() {
			t.Errorf("%+v, want %d", st, n)
		}
		kill(t, s)
	}
	s := openAt(t, dir)
	defer s.Close()
	queues := queuesOf(t, s, Limits{}, "dead", "alive")
	d := newMemory()
	defer run(t, queues[0], d)()
	if got := d.wait(t, n); !slices.Equal(got, texts(0, n)) {
		t.Errorf("%d messages are not those that were sent", len(got))
	}
}

func TestFailuresAndRefusals(t *testing.T) {
	s := openAt(t, t.TempDir())
	defer s.Close()
	queues := queuesOf(t, s, Limits{}, "a")
	d := newMemory()
	d.fail, d.hold = 2, 7
	d.refuse = func(text string) bool { return text == "message 5" || text == "message 77" }
	put(t, s, queues, messages(0, 100), 1)
	stop := run(t, queues[0], d)
	d.wait(t, 98)
	stop()
	if st := check(t, queues[0]); st.Delivered != 98 || st.Dropped[Refused] != 2 || st.Failures == 0 || st.Error != "" {
		t.Errorf("%+v", st)
	}
}

// A slowSession takes a message at a time, each when it is let.
type slowSession struct {
	let  chan struct{}
	sent uint64
}

func (s *slowSession) Open(context.Context) (out.Session, error) { return s, nil }

func (s *slowSession) Send(ctx context.Context, b out.Batch) error {
	for range b.Messages {
		select {
		case <-s.let:
			s.sent++
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *slowSession) Flush(context.Context) error  { return nil }
func (s *slowSession) Broken() <-chan struct{}      { return nil }
func (s *slowSession) Settled() (n, refused uint64) { return s.sent, 0 }
func (s *slowSession) Close(context.Context) error  { return nil }

// What a slow destination has is seen before it has all of a batch.
func TestSlowDestination(t *testing.T) {
	s := openAt(t, t.TempDir())
	defer s.Close()
	queues := queuesOf(t, s, Limits{}, "a")
	put(t, s, queues, messages(0, 1000), 1)
	d := &slowSession{let: make(chan struct{})}
	defer run(t, queues[0], d)()
	for range firstPortion + 1 {
		d.let <- struct{}{}
	}
	if st := check(t, queues[0]); st.Delivered != firstPortion {
		t.Errorf("%d are delivered, want %d", st.Delivered, firstPortion)
	}
}

// A queue that is full drops its oldest, and says exactly how many.
func TestDropOldest(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	queues := queuesOf(t, s, Limits{Bytes: minBytes}, "a", "rare")
	put(t, s, queues, messages(0, 1), 2)
	const n = 30000
	for i := 0; i < n; i += 100 {
		put(t, s, queues, messages(i, i+100), 1)
	}
	st := check(t, queues[0])
	if st.Bytes > minBytes || st.Bytes < minBytes*3/4 || st.Dropped[QueueFull] == 0 {
		t.Errorf("%+v", st)
	}
	if st := check(t, queues[1]); st.Waiting != 1 {
		t.Errorf("the other queue: %+v", st)
	}
	kill(t, s)
	s = openAt(t, dir)
	defer s.Close()
	queues = queuesOf(t, s, Limits{Bytes: minBytes}, "a", "rare")
	// What was dropped after the cursors were written last is still there.
	waiting := int(check(t, queues[0]).Waiting)
	d := newMemory()
	stop := run(t, queues[0], d)
	got := d.wait(t, waiting)
	stop()
	if !slices.Equal(got, texts(n-waiting, n)) {
		t.Errorf("%d messages, from %s", len(got), got[0])
	}
	check(t, queues[0])
}

func TestDropNewest(t *testing.T) {
	s := openAt(t, t.TempDir())
	defer s.Close()
	queues := queuesOf(t, s, Limits{Bytes: minBytes, WhenFull: DropNewest}, "a")
	const n = 20000
	for i := 0; i < n; i += 100 {
		put(t, s, queues, messages(i, i+100), 1)
	}
	st := check(t, queues[0])
	if st.Routed != n || st.Bytes > minBytes || st.Dropped[QueueFull] == 0 {
		t.Errorf("%+v", st)
	}
	d := newMemory()
	stop := run(t, queues[0], d)
	got := d.wait(t, int(st.Waiting))
	stop()
	if !slices.Equal(got, texts(0, int(st.Waiting))) {
		t.Errorf("%d messages", len(got))
	}
}

func TestBlock(t *testing.T) {
	s := openAt(t, t.TempDir())
	defer s.Close()
	queues := queuesOf(t, s, Limits{Bytes: minBytes, WhenFull: Block}, "a")
	sent := 0
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		batch := messages(sent, sent+100)
		_, err := s.Append(ctx, queues, batch, all(batch, 1))
		cancel()
		if err != nil {
			break
		}
		sent += 100
	}
	if st := check(t, queues[0]); st.Waiting != uint64(sent) || st.Bytes > minBytes {
		t.Errorf("%+v", st)
	}
	d := newMemory()
	defer run(t, queues[0], d)()
	for end := sent + 20000; sent < end; sent += 100 { // waits, but not without end
		put(t, s, queues, messages(sent, sent+100), 1)
	}
	if got := d.wait(t, sent); !slices.Equal(got, texts(0, sent)) {
		t.Errorf("%d messages", len(got))
	}
}

// The log is cut behind the slowest.
func TestCut(t *testing.T) {
	s := openAt(t, t.TempDir())
	defer s.Close()
	queues := queuesOf(t, s, Limits{}, "a", "b")
	d := newMemory()
	stop := run(t, queues[0], d)
	put(t, s, queues, messages(0, 20000), 1)
	d.wait(t, 20000)
	stop()
	if err := s.keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.Bytes(); n > 2*64<<10 {
		t.Errorf("%d bytes are still there", n)
	}
}

func TestOrphans(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	put(t, s, queuesOf(t, s, Limits{}, "a", "b"), messages(0, 10), 3)
	queuesOf(t, s, Limits{}, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir)
	queues := queuesOf(t, s, Limits{}, "a", "b") // it is back
	if st := check(t, queues[1]); st.Waiting != 10 || !st.Left.IsZero() {
		t.Errorf("%+v", st)
	}
	queuesOf(t, s, Limits{}, "a")
	s.expire(time.Now().Add(orphanAge - time.Minute))
	if n := len(s.Stats()); n != 2 {
		t.Errorf("%d queues", n)
	}
	s.expire(time.Now().Add(orphanAge + time.Minute))
	if n := len(s.Stats()); n != 1 || check(t, queues[1]).Dropped[Removed] != 10 {
		t.Errorf("%d queues", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir)
	defer s.Close()
	if st := check(t, queuesOf(t, s, Limits{}, "b")[0]); st.Routed != 0 {
		t.Errorf("a new queue of the name has %+v", st)
	}
}

func TestAge(t *testing.T) {
	s := openAt(t, t.TempDir())
	defer s.Close()
	queues := queuesOf(t, s, Limits{Age: time.Minute}, "a")
	put(t, s, queues, messages(0, 10), 1)
	now := time.Now()
	s.mu.Lock()
	s.marks[0].at = now.Add(-time.Hour)
	s.mu.Unlock()
	put(t, s, queues, messages(10, 20), 1)
	s.mu.Lock()
	s.marks[1].at = now.Add(-50 * time.Second)
	s.mu.Unlock()
	s.expire(now)
	if st := check(t, queues[0]); st.Waiting != 20 {
		t.Errorf("%+v: what was written when is not known to be too old", st)
	}
	s.expire(now.Add(10*time.Second + markAge/2))
	if st := check(t, queues[0]); st.Waiting != 10 || st.Dropped[TooOld] != 10 {
		t.Errorf("%+v", st)
	}
	s.expire(now.Add(20 * time.Second)) // though nothing has come behind them
	if st := check(t, queues[0]); st.Waiting != 0 || st.Dropped[TooOld] != 20 {
		t.Errorf("%+v", st)
	}
}

func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	queues := queuesOf(t, s, Limits{}, "a")
	d := newMemory()
	stop := run(t, queues[0], d)
	put(t, s, queues, messages(0, 1000), 1)
	d.wait(t, 1000)
	put(t, s, queues, messages(1000, 2000), 1)
	copied := filepath.Join(t.TempDir(), "copy")
	if err := s.Snapshot(copied); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, copied)
	defer s.Close()
	queues = queuesOf(t, s, Limits{}, "a")
	again := newMemory()
	n := int(check(t, queues[0]).Waiting)
	defer run(t, queues[0], again)()
	if got := again.wait(t, n); !slices.Equal(got, texts(2000-n, 2000)) {
		t.Errorf("%d messages", len(got))
	}
}

// The log is bounded by what all queues may have, whoever waits with how little.
func TestLogIsBounded(t *testing.T) {
	s := openAt(t, t.TempDir())
	defer s.Close()
	queues := queuesOf(t, s, Limits{Bytes: minBytes}, "rare", "busy")
	put(t, s, queues, messages(0, 1), 1)
	put(t, s, queues, messages(1, 2), 2)
	const most = 3 * minBytes
	for s.Bytes() < most+most/8 {
		batch := messages(0, 100)
		for i := range batch {
			batch[i].SD = string(make([]byte, 1<<10))
		}
		put(t, s, queues, batch, 2)
	}
	s.expire(time.Now())
	if err := s.keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.Bytes(); n > most {
		t.Errorf("the log has %d bytes", n)
	}
	if st := check(t, queues[0]); st.Waiting != 0 || st.Dropped[LogFull] != 1 {
		t.Errorf("%+v", st)
	}
}

// What waits is dropped for the log's sake only where the log is too long, not
// because much has gone through it.
func TestLongLifeDropsNothing(t *testing.T) {
	s := openAt(t, t.TempDir())
	defer s.Close()
	q := queuesOf(t, s, Limits{Bytes: minBytes}, "a")
	var r reading
	defer r.close()
	deliver := func() {
		if _, err := q[0].fetch(&r); err != nil {
			t.Fatal(err)
		}
		q[0].settle(uint64(len(r.batch.Messages)), 0)
	}
	big := messages(0, 1)
	big[0].SD = string(make([]byte, minBytes/2))
	for int64(s.log.End()) < s.o.SlackBytes+2*minBytes {
		put(t, s, q, big, 1)
		deliver()
	}
	for i := range 35 { // several records between two marks
		put(t, s, q, messages(100*i, 100*i+100), 1)
	}
	for q[0].Stats().Waiting > 0 {
		deliver()
		if err := s.keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.expire(time.Now())
	}
	if st := check(t, q[0]); len(st.Dropped) > 0 {
		t.Errorf("%+v", st)
	}
}

// Room that is made after a sender has found none, and before it waits, is
// found: nobody would tell it later.
func TestRoomBeforeTheWait(t *testing.T) {
	s := openAt(t, t.TempDir())
	defer s.Close()
	q := queuesOf(t, s, Limits{Bytes: minBytes, WhenFull: Block}, "a")
	put(t, s, q, messages(0, 1), 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var r reading
	defer r.close()
	if ok, err := q[0].fetch(&r); !ok || err != nil {
		t.Fatal(ok, err)
	}
	q[0].settle(1, 0)
	if err := q[0].wait(ctx, amount{1, minBytes + 1}); err != nil {
		t.Errorf("an empty queue has no room: %v", err)
	}
}

// A sender that waits for a queue goes on when its destination leaves the
// configuration, and what it has is counted.
func TestOrphanBlocksNobody(t *testing.T) {
	s := openAt(t, t.TempDir())
	defer s.Close()
	q := queuesOf(t, s, Limits{Bytes: minBytes, WhenFull: Block}, "a")
	big := messages(0, 1)
	big[0].SD = string(make([]byte, minBytes-1000))
	put(t, s, q, big, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	sent := make(chan error, 1)
	go func() {
		_, err := s.Append(ctx, q, big, all(big, 1))
		sent <- err
	}()
	for q[0].Stats().Senders == 0 {
		runtime.Gosched()
	}
	queuesOf(t, s, Limits{})
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if st := check(t, q[0]); st.Waiting != 1 || st.Dropped[QueueFull] != 1 {
		t.Errorf("%+v", st)
	}
}

// Behind a slow destination senders wait again and again: that is told once.
func TestSendersWaitIsToldOnce(t *testing.T) {
	var told bytes.Buffer
	s, err := Open(t.TempDir(), Options{Log: slog.New(slog.NewTextHandler(&told, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	q := queuesOf(t, s, Limits{Bytes: minBytes, WhenFull: Block}, "a")
	put(t, s, q, messages(0, 1), 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if err := q[0].wait(ctx, amount{1, minBytes}); err == nil {
			t.Fatal("a full queue has room")
		}
	}
	if n := strings.Count(told.String(), "senders wait"); n != 1 {
		t.Errorf("told %d times:\n%s", n, told.String())
	}
}
