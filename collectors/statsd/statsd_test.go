package statsd

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rondo/collectors"
	"rondo/rrd"
)

func flushed(a *aggregator, end time.Time) map[string]float64 {
	m := make(map[string]float64)
	for _, s := range a.flush(nil, end) {
		m[s.Type.String()+" "+s.Key.String()] = s.Value
	}
	return m
}

func TestFlush(t *testing.T) {
	now := time.Unix(1790000000, 0)
	f := func(packet string, want map[string]float64) {
		t.Helper()
		a := newAggregator(100, time.Minute)
		a.packet(packet, now)
		if d := cmp.Diff(want, flushed(a, now), cmpopts.EquateApprox(0, 1e-12)); d != "" {
			t.Errorf("%q: %s", packet, d)
		}
		if len(a.counts) > 0 {
			t.Errorf("%q: left out %v: %v", packet, a.counts, a.first)
		}
	}
	f("hits:1|c\nhits:2|c\r\n\nhits:3|c|@0.1", map[string]float64{"absolute hits": 33})
	f("hits:1:2:3|c", map[string]float64{"absolute hits": 6})
	f("hits:-1|c", map[string]float64{"absolute hits": -1})
	f("temp:20.5|g\ntemp:21|g", map[string]float64{"gauge temp": 21})
	f("temp:20|g\ntemp:+4|g\ntemp:-1.5|g", map[string]float64{"gauge temp": 22.5})
	f("users:ann|s\nusers:bob|s\nusers:ann|s", map[string]float64{"gauge users": 2})
	f("hits:1|c|#host:web-1,canary\nhits:2|c", map[string]float64{
		`absolute hits{canary="true",host="web-1"}`: 1, "absolute hits": 2,
	})
	f("hits:1|c|#host:web-1|c:83c0a99c|T1656581400", map[string]float64{`absolute hits{host="web-1"}`: 1})
	f("hits:1|c|#", map[string]float64{"absolute hits": 1})
	f("a.b-c:1|c", map[string]float64{`absolute {"a.b-c"}`: 1})
	f("t:1:2:3:4|ms", map[string]float64{
		"absolute t_count": 4, "absolute t_sum": 10, "gauge t_min": 1, "gauge t_max": 4, "gauge t_mean": 2.5,
		"gauge t_p50": 2, "gauge t_p90": 4, "gauge t_p99": 4,
	})
	f("t:8|h|@0.5\nt:2|d", map[string]float64{
		"absolute t_count": 3, "absolute t_sum": 18, "gauge t_min": 2, "gauge t_max": 8, "gauge t_mean": 6,
		"gauge t_p50": 2, "gauge t_p90": 8, "gauge t_p99": 8,
	})
}

func TestMalformed(t *testing.T) {
	f := func(line, reason string) {
		t.Helper()
		a := newAggregator(2, time.Minute)
		a.packet("ok:1|c\n"+line+"\nok:1|c", time.Time{})
		if d := cmp.Diff(map[string]int{reason: 1}, a.counts); d != "" {
			t.Errorf("%q: %s", line, d)
		}
		if a.lines != 2 || a.line != line {
			t.Errorf("%q: %d lines taken, complaint about %q", line, a.lines, a.line)
		}
	}
	f("a", "malformed")
	f("a:1", "malformed")
	f(":1|c", "malformed")
	f("a:|c", "malformed")
	f("a:1|", "malformed")
	f("a:1|x", "malformed")
	f("a:1|c|@0", "malformed")
	f("a:1|c|@2", "malformed")
	f("a:1|c|@nan", "malformed")
	f("a:1|c|#:x", "malformed")
	f("a:1|c|#__name__:x", "malformed")
	f("a\xff:1|c", "malformed")
	f("ok:1|g", "malformed") // of another type
	f("a:x|c", "bad_value")
	f("a:nan|g", "bad_value")
	f("a:1::2|ms", "bad_value")
	f("_e{5,4}:title|text", "unsupported")
	f("_sc|name|0", "unsupported")
}

// TestRefusedLinesLeaveNothing wants neither a name nor part of the values of a
// line with a bad value.
func TestRefusedLinesLeaveNothing(t *testing.T) {
	f := func(packet string, want map[string]float64) {
		t.Helper()
		a := newAggregator(10, time.Minute)
		a.packet(packet, time.Time{})
		if d := cmp.Diff(want, flushed(a, time.Time{})); d != "" {
			t.Errorf("%q: %s", packet, d)
		}
	}
	f("temp:NaN|g", map[string]float64{})
	f("temp:|g\ntemp:x|g", map[string]float64{})
	f("hits:|c", map[string]float64{})
	f("hits:1:x:3|c\nhits:7|c", map[string]float64{"absolute hits": 7})
	f("t:3:4:nan|ms", map[string]float64{})
}

func TestNewestNamesAreRefused(t *testing.T) {
	a := newAggregator(2, time.Minute)
	now := time.Unix(1790000000, 0)
	a.packet("a:1|c\nb:1|c\nc:1|c\na:1|c", now)
	if a.counts["series"] != 1 || a.metrics[identity{"a", ""}].sum != 2 {
		t.Errorf("counted %v", a.counts)
	}
	// What is silent makes room.
	if got := flushed(a, now.Add(time.Minute)); len(got) != 2 {
		t.Errorf("flushed %v", got)
	}
	if got := flushed(a, now.Add(time.Minute+time.Second)); len(got) != 0 {
		t.Errorf("flushed %v after a minute of silence", got)
	}
	a.packet("c:1|c", now)
	if len(a.metrics) != 1 {
		t.Error("no room for c")
	}
}

func TestSilence(t *testing.T) {
	a := newAggregator(10, time.Minute)
	now := time.Unix(1790000000, 0)
	a.packet("hits:5|c\ntemp:20|g\nusers:ann|s\nt:3|ms", now)
	a.flush(nil, now)
	want := map[string]float64{
		"absolute hits": 0, "gauge temp": 20, "gauge users": 0, "absolute t_count": 0, "absolute t_sum": 0,
	}
	if d := cmp.Diff(want, flushed(a, now)); d != "" {
		t.Error(d)
	}
}

func TestSetIsBounded(t *testing.T) {
	a := newAggregator(10, time.Minute)
	for i := range maxSet + 5 {
		a.packet(fmt.Sprintf("users:u%d|s", i), time.Time{})
	}
	if got := flushed(a, time.Time{})["gauge users"]; got != maxSet || a.counts["set_full"] != 5 {
		t.Errorf("%v users, counted %v", got, a.counts)
	}
}

// TestManyTimerValues wants exact totals and percentiles near the truth, also
// where the memory for values has run out.
func TestManyTimerValues(t *testing.T) {
	for _, room := range []int{maxRoom, 8 * 500} {
		a := newAggregator(10, time.Minute)
		a.room = room
		const n = 100_000
		for i := range n {
			a.packet(fmt.Sprintf("t:%d|ms", (i*7919)%n), time.Time{})
		}
		got := flushed(a, time.Time{})
		if got["absolute t_count"] != n || got["gauge t_min"] != 0 || got["gauge t_max"] != n-1 || got["absolute t_sum"] != n*(n-1)/2 {
			t.Errorf("totals %v", got)
		}
		for p, name := range map[float64]string{.50: "gauge t_p50", .90: "gauge t_p90", .99: "gauge t_p99"} {
			if off := math.Abs(got[name]/n - p); off > 0.12 {
				t.Errorf("room %d: %s is %v, off by %.3f", room, name, got[name], off)
			}
		}
	}
}

func FuzzPacket(f *testing.F) {
	f.Add("hits:1|c|@0.1|#a:b,c\nt:1:2|ms\ng:-4|g\nu:x|s")
	f.Add("_e{1,1}:a|b\n:|\n\xff:1|c")
	f.Fuzz(func(t *testing.T, p string) {
		a := newAggregator(50, time.Minute)
		a.packet(p, time.Time{})
		for _, s := range a.flush(nil, time.Time{}) {
			if s.Key.Name() == "" {
				t.Fatalf("%q gave a sample without a name", p)
			}
		}
	})
}

func BenchmarkPacket(b *testing.B) {
	a := newAggregator(1000, time.Minute)
	packet := "api.requests:1|c|#host:web-1,code:200\napi.latency:12.7|ms|@0.5|#host:web-1\napi.sessions:137|g"
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		a.packet(packet, now)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/3, "ns/line")
}

// A sink keeps values by key.
type sink struct {
	mu     sync.Mutex
	values map[string]float64
}

func (s *sink) Append(_ context.Context, batch []rrd.Sample) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range batch {
		s.values[x.Key.String()] += x.Value
	}
	return nil
}

// TestStopFlushes sends over UDP and stops.
func TestStopFlushes(t *testing.T) {
	s := &sink{values: make(map[string]float64)}
	env := collectors.Env{Log: slog.New(slog.DiscardHandler), Store: s, Stats: &collectors.Stats{}}
	built, err := Kind().Build(env, func(conf any) error {
		conf.(*Config).Listen = "127.0.0.1:0"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c := built.(*Collector)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	conn, err := net.Dial("udp", c.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "hits:3|c\nnonsense")
	for taken := false; !taken; runtime.Gosched() { // until the packet is in
		c.mu.Lock()
		taken = c.sum.lines > 0 || env.Stats.Snapshot()["lines"] > 0
		c.mu.Unlock()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if s.values["hits"] != 3 {
		t.Errorf("stored %v", s.values)
	}
	if got := env.Stats.Snapshot(); got["malformed"] != 1 || got["lines"] != 1 {
		t.Errorf("counted %v", got)
	}
}

func TestConfig(t *testing.T) {
	f := func(change func(*Config), want string) {
		t.Helper()
		c := DefaultConfig()
		change(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	f(func(c *Config) { c.Flush = 0 }, "flush")
	f(func(c *Config) { c.Expire = time.Second }, "expire")
	f(func(c *Config) { c.MaxNames = 0 }, "max_names")
	f(func(c *Config) { c.Listen = ":8125" }, "allow:")
}
