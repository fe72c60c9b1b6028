package archive

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"rondo/syslogd/macro"
	"rondo/syslogd/out"
	"rondo/syslogd/out/outtest"
	"rondo/syslogd/syslog"
	"rondo/syslogd/syslog/jsonl"
)

var errFault = errors.New("injected")

// memory is a bucket that fails when told to. It keeps what its objects say.
type memory struct {
	mu      sync.Mutex
	objects map[string][]syslog.Message
	// fail says what becomes of a put: it may store and fail all the same.
	fail func(ctx context.Context) (stored bool, err error)
	zstd *zstd.Decoder
}

func newMemory(t testing.TB) *memory {
	t.Helper()
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(z.Close)
	return &memory{objects: map[string][]syslog.Message{}, zstd: z}
}

func (m *memory) Put(ctx context.Context, name string, body io.Reader) error {
	m.mu.Lock()
	fail := m.fail
	m.mu.Unlock()
	stored, failed := true, error(nil)
	if fail != nil {
		stored, failed = fail(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	text, err := m.unpack(name, body)
	if err != nil {
		return err
	}
	if stored {
		m.objects[name], err = parse(text)
	}
	return errors.Join(failed, err)
}

func (m *memory) unpack(name string, body io.Reader) ([]byte, error) {
	if strings.HasSuffix(name, ".gz") {
		r, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}
	packed, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	return m.zstd.DecodeAll(packed, nil)
}

func parse(text []byte) (all []syslog.Message, err error) {
	for line := range bytes.Lines(text) {
		msg, err := jsonl.Parse(line)
		if err != nil {
			return nil, err
		}
		all = append(all, msg)
	}
	return all, nil
}

func (m *memory) setFail(f func(context.Context) (bool, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = f
}

// names are those of all objects, in order.
func (m *memory) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.objects))
}

// messages are those of all objects, in the order of their names.
func (m *memory) messages() (all []syslog.Message) {
	for _, name := range m.names() {
		m.mu.Lock()
		all = append(all, m.objects[name]...)
		m.mu.Unlock()
	}
	return all
}

func open(t testing.TB, c Config, b Bucket) *Destination {
	t.Helper()
	c.To = "s3://bucket"
	d, err := New(c, func(context.Context) (Bucket, error) { return b, nil })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	for _, c := range []Config{
		{Key: "$HOST", Size: 4096, Age: time.Second},
		{Key: "all", Size: 10_000, Age: time.Second, Compress: Gzip},
	} {
		outtest.Run(t, func(t *testing.T) *outtest.Subject {
			b := newMemory(t)
			down := func() {
				b.setFail(func(context.Context) (bool, error) { return rand.N(2) == 0, errFault })
			}
			return &outtest.Subject{
				Destination: unaware{open(t, c, b)},
				Received: func() (all []outtest.Arrival) {
					for _, m := range b.messages() {
						all = append(all, outtest.Arrival{Text: m.Text})
					}
					return all
				},
				Down: down, Up: func() { b.setFail(nil) },
				Stall: func() {
					b.setFail(func(ctx context.Context) (bool, error) { <-ctx.Done(); return false, ctx.Err() })
				},
				Cut: func() {
					var cut sync.Once
					b.setFail(func(context.Context) (stored bool, err error) {
						cut.Do(func() { stored, err = rand.N(2) == 0, errFault })
						return stored || err == nil, err
					})
				},
			}
		})
	}
}

// unaware destinations have sessions that do not learn of a cut: there is no
// connection to a bucket. That a failed put closes Broken is TestBroken's.
type unaware struct{ out.Destination }

func (u unaware) Open(ctx context.Context) (out.Session, error) {
	s, err := u.Destination.Open(ctx)
	return unawareSession{s}, err
}

type unawareSession struct{ out.Session }

func (unawareSession) Broken() <-chan struct{} { return nil }

func TestBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemory(t)
		b.setFail(faultAfter(0, false))
		s, err := open(t, Config{}, b).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Send(t.Context(), batchOf(0, 1, everySecond)), s.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
		<-s.Broken()
		if n, _ := s.Settled(); n != 0 {
			t.Errorf("%d settled", n)
		}
		if err := s.Flush(t.Context()); !errors.Is(err, errFault) {
			t.Error(err)
		}
		if err := s.Close(t.Context()); !errors.Is(err, errFault) {
			t.Error(err)
		}
	})
}

// batchOf makes a batch of n messages of a few hosts, some time apart.
func batchOf(from, n int, at func(i int) time.Time) out.Batch {
	b := out.Batch{Log: "q1"}
	for i := from; i < from+n; i++ {
		line := fmt.Sprintf("<13>1 2026-11-21T08:00:00.%06dZ h%d app %d - - message %d", i, i*i%7%3, i, i)
		b.Numbers = append(b.Numbers, uint64(2*i))
		b.Messages = append(b.Messages, syslog.Parse(line, at(i), netip.MustParseAddr("10.0.0.7")))
	}
	return b
}

func start() time.Time { return time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC) }

// everySecond receives a message each second.
func everySecond(i int) time.Time { return start().Add(time.Duration(i) * time.Second) }

func TestNames(t *testing.T) {
	b := newMemory(t)
	s, err := open(t, Config{}, b).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), batchOf(290, 20, everySecond)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"logs/2026/11/21/h2/20261121T093450Z-q1-00000000000000000580.jsonl.zst",
		"logs/2026/11/21/h2/20261121T093504Z-q1-00000000000000000608.jsonl.zst",
	}
	got := b.names()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no %s in %s", w, strings.Join(got, "\n"))
		}
	}
	if n, _ := s.Settled(); n != 20 {
		t.Errorf("%d settled", n)
	}
}

// TestLossless: what is archived is equal to what was sent, message for
// message.
func TestLossless(t *testing.T) {
	for _, c := range []Compression{Zstd, Gzip} {
		b := newMemory(t)
		s, err := open(t, Config{Key: "all", Compress: c}, b).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		batch := batchOf(0, 5000, func(int) time.Time { return start() })
		batch.Messages[7] = syslog.Parse("caf\xe9\x00\n\"", start(), netip.Addr{})
		if err := s.Send(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
		if diff := cmp.Diff(batch.Messages, b.messages(), same); diff != "" {
			t.Error(diff)
		}
	}
}

// TestRounds: a round ends when its period is over and nothing more waits;
// before that nothing is put, and nothing is settled.
func TestRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemory(t)
		s, err := open(t, Config{Key: "all", Age: time.Minute}, b).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		check := func(settled uint64, objects int) {
			t.Helper()
			synctest.Wait()
			if n, _ := s.Settled(); n != settled || len(b.names()) != objects {
				t.Errorf("%d settled in %d objects, want %d in %d", n, len(b.names()), settled, objects)
			}
		}
		now := func(int) time.Time { return time.Now() }
		send := func(from, n int) {
			t.Helper()
			if err := errors.Join(s.Send(t.Context(), batchOf(from, n, now)), s.Flush(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Second)
		send(0, 5)
		check(0, 0)
		time.Sleep(30 * time.Second)
		send(5, 5)
		time.Sleep(9 * time.Second)
		check(0, 0)
		time.Sleep(2 * time.Second) // :61, and somebody may be late
		check(0, 0)
		time.Sleep(time.Second)
		check(10, 1)
		send(10, 1)
		time.Sleep(2 * time.Minute)
		check(11, 2)
		if err := s.Send(t.Context(), batchOf(11, 1, now)); err != nil { // and more wait behind it
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		check(11, 2)
		send(12, 1) // of a later period
		check(12, 3)
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		check(13, 4)
	})
}

// TestBounds: size and number of objects end a round.
func TestBounds(t *testing.T) {
	for want, c := range map[int]Config{
		4: {Key: "all", Size: 4000},
		5: {Key: "$PID", MaxObjects: 10},
	} {
		b := newMemory(t)
		s, err := open(t, c, b).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), batchOf(0, 50, func(int) time.Time { return start() })); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, _ := s.Settled(); n != 50 || len(b.messages()) != 50 {
			t.Errorf("%d settled, %d stored", n, len(b.messages()))
		}
		if c.MaxObjects == 0 && len(b.names()) < want {
			t.Errorf("%d objects", len(b.names()))
		}
	}
}

// TestSameObjectsAgain: whatever fails and whenever the session is ended, in
// the end each message is stored exactly once.
func TestSameObjectsAgain(t *testing.T) {
	const n = 150
	rapid.Check(t, func(rt *rapid.T) {
		b := newMemory(t)
		d := open(t, Config{
			Key: macro.Source(rapid.SampledFrom([]string{"all", "$HOST", "$HOST/$PID"}).Draw(rt, "key")), Age: time.Minute,
			Size: int64(rapid.IntRange(minSize, 20_000).Draw(rt, "size")), MaxObjects: rapid.IntRange(1, 100).Draw(rt, "objects"),
		}, b)
		step := time.Duration(rapid.IntRange(0, 5000).Draw(rt, "step")) * time.Millisecond
		at := func(i int) time.Time { return start().Add(time.Duration(i) * step) }
		cursor := 0 // where the queue would begin again
		for fails := rapid.IntRange(0, 6).Draw(rt, "fails"); cursor < n; fails-- {
			left := n
			if fails > 0 {
				left = rapid.IntRange(0, 30).Draw(rt, "puts")
			}
			b.setFail(faultAfter(left, rapid.Bool().Draw(rt, "stored")))
			settled := uint64(0)
			cursor, settled = attempt(t, d, cursor, n, at, fails > 0)
			// The cursor on disk may be older than what was settled.
			if fails > 0 && settled > 0 && rapid.Bool().Draw(rt, "old cursor") {
				cursor -= int(settled)
			}
		}
		var got []string
		for _, m := range b.messages() {
			got = append(got, m.PID)
		}
		slices.Sort(got)
		if len(got) != n || len(slices.Compact(got)) != n {
			rt.Fatalf("%d stored, %d of them different, want %d; objects\n%s", len(got), len(slices.Compact(got)), n, strings.Join(b.names(), "\n"))
		}
	})
}

// faultAfter lets so many puts succeed.
func faultAfter(left int, stored bool) func(context.Context) (bool, error) {
	var mu sync.Mutex
	return func(context.Context) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if left--; left < 0 {
			return stored, errFault
		}
		return true, nil
	}
}

// attempt is a session that sends from a cursor on, and the cursor after it. It
// is killed in the end, or closed.
func attempt(t *testing.T, d *Destination, cursor, n int, at func(int) time.Time, kill bool) (next int, settled uint64) {
	s, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for from := cursor; from < n && err == nil; from += 25 {
		err = s.Send(t.Context(), batchOf(from, min(25, n-from), at))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if kill {
		// What is still in memory is lost with the process.
		ours := s.(*session)
		ours.mu.Lock()
		ours.current = nil
		ours.mu.Unlock()
	}
	_ = s.Close(ctx) // it may have failed
	settled, _ = s.Settled()
	return cursor + int(settled), settled
}

func TestConfig(t *testing.T) {
	ok := Config{To: "s3://b"}
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
	for want, c := range map[string]Config{
		`to: "": want s3://bucket/prefix`:          {},
		`key: macro: character 1: unknown macro`:   {To: "s3://b", Key: "${HOTS}"},
		`key: it can become longer than 700 bytes`: {To: "s3://b", Key: "$HOST/$APP/$PID/$MSGID/$TEXT/$SENDER"},
		`key: macro: path "../x"`:                  {To: "s3://b", Key: "../x"},
		`compress: "lz4" is neither zstd nor gzip`: {To: "s3://b", Compress: "lz4"},
		`age: want 1s to 24h`:                      {To: "s3://b", Age: time.Millisecond},
		`size: want 1024 to 1073741824`:            {To: "s3://b", Size: 1},
		`max_objects: want at least 1`:             {To: "s3://b", MaxObjects: -1},
		`time_zone: unknown time zone Mars`:        {To: "s3://b", TimeZone: "Mars"},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func BenchmarkSend(b *testing.B) {
	s, err := open(b, Config{Size: 16 << 20}, discard{}).Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	batch := batchOf(0, 1000, func(int) time.Time { return start() })
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Send(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Messages)), "ns/message")
	if err := s.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

type discard struct{}

func (discard) Put(_ context.Context, _ string, body io.Reader) error {
	_, err := io.Copy(io.Discard, body)
	return err
}
