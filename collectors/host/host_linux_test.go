package host

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rondo/collectors"
	"rondo/rrd"
)

// fixture reads a small proc tree, in which / is half full and /data nearly.
func fixture(t *testing.T, dir string, at time.Time) (reading, error) {
	t.Helper()
	s, err := newSource(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.usage = func(mount string) (float64, bool) {
		p, ok := map[string]float64{"/": 50, "/data": 99}[mount]
		return p, ok
	}
	return s.read(at)
}

func texts(samples []rrd.Sample) map[string]float64 {
	m := make(map[string]float64, len(samples))
	for _, s := range samples {
		m[s.Type.String()+" "+strings.Replace(s.Key.String(), `host="web-1"`, "", 1)] = s.Value
	}
	return m
}

func TestSamples(t *testing.T) {
	at := time.Unix(1790003600, 0)
	first, err := fixture(t, "testdata/first", at)
	if err != nil {
		t.Fatal(err)
	}
	got := appendSamples(nil, "web-1", &reading{}, &first)
	want := map[string]float64{
		"gauge load1{}": 0.42, "gauge load5{}": 0.31, "gauge load15{}": 0.25,
		"gauge run_queue{}": 2, "gauge uptime_seconds{}": 3600, "gauge processes{}": 2,
		"gauge mem_used_percent{}": 25, "gauge mem_available_bytes{}": 6000000 * 1024,
		"gauge swap_used_bytes{}":                       500000 * 1024,
		`gauge disk_used_percent{,mount="/"}`:           50,
		`gauge disk_used_percent{,mount="/data"}`:       99,
		`counter disk_read_bytes{device="nvme0n1",}`:    2000 * 512,
		`counter disk_written_bytes{device="nvme0n1",}`: 4000 * 512,
		`counter disk_read_bytes{device="sda",}`:        20 * 512,
		`counter disk_written_bytes{device="sda",}`:     40 * 512,
		`counter net_received_bytes{device="ens5",}`:    123456,
		`counter net_sent_bytes{device="ens5",}`:        65432,
	}
	if d := cmp.Diff(want, texts(got)); d != "" {
		t.Error(d)
	}
	for _, s := range got {
		if s.Time != rrd.At(at) || s.Key.Get("host") != "web-1" {
			t.Errorf("%v at %v", s.Key, s.Time)
		}
	}
}

// TestSecondReading has shares of CPU time, and does without what a container
// hides.
func TestSecondReading(t *testing.T) {
	first, err := fixture(t, "testdata/first", time.Unix(1790003600, 0))
	if err != nil {
		t.Fatal(err)
	}
	second, err := fixture(t, "testdata/second", time.Unix(1790003610, 0))
	if err == nil || !strings.Contains(err.Error(), "meminfo") || !strings.Contains(err.Error(), "diskstats") {
		t.Errorf("the error does not name what is missing: %v", err)
	}
	got := texts(appendSamples(nil, "web-1", &first, &second))
	want := map[string]float64{ // of 4.5 s
		"gauge cpu_user_percent{}": 100 / 4.5, "gauge cpu_system_percent{}": 50 / 4.5,
		"gauge cpu_iowait_percent{}": 20 / 4.5, "gauge cpu_steal_percent{}": 40 / 4.5,
		"gauge cpu_free_percent{}": 260 / 4.5, "gauge run_queue{}": 137,
	}
	have := make(map[string]float64)
	for name := range want {
		have[name] = got[name]
	}
	if d := cmp.Diff(want, have, cmpopts.EquateApprox(0, 1e-9)); d != "" {
		t.Error(d)
	}
	if _, ok := got["gauge mem_used_percent{}"]; ok {
		t.Error("memory without meminfo")
	}
}

func TestWholeDisk(t *testing.T) {
	for name, want := range map[string]bool{
		"sda": true, "sda1": false, "nvme0n1": true, "nvme1n1p3": false, "mmcblk0": true, "mmcblk0p1": false,
		"xvda": true, "xvda1": false, "vdb": true, "loop3": false, "ram0": false, "dm-1": false, "md0": false, "sr0": false, "": false,
	} {
		if wholeDisk(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

// TestRealProc reads the machine that runs the tests.
func TestRealProc(t *testing.T) {
	s, err := newSource("/proc")
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.read(time.Now())
	if err != nil {
		t.Logf("not everything can be read here: %v", err)
	}
	got := texts(appendSamples(nil, "web-1", &reading{}, &r))
	for _, name := range []string{"gauge load1{}", "gauge mem_available_bytes{}", "gauge uptime_seconds{}", "gauge processes{}"} {
		if _, ok := got[name]; !ok {
			t.Errorf("no %s", name)
		}
	}
}

// A recorder keeps the times at which samples came.
type recorder struct {
	mu    sync.Mutex
	times []rrd.Time
}

func (r *recorder) Append(_ context.Context, batch []rrd.Sample) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times = append(r.times, batch[0].Time)
	return nil
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		env := collectors.Env{Log: slog.New(slog.DiscardHandler), Store: r, Stats: &collectors.Stats{}}
		c, err := Kind().Build(env, func(conf any) error {
			conf.(*Config).Proc = "testdata/first"
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		start := rrd.At(time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
		want := []rrd.Time{start, start + 10*rrd.Second, start + 20*rrd.Second}
		if d := cmp.Diff(want, r.times); d != "" {
			t.Error(d)
		}
	})
}

func TestConfig(t *testing.T) {
	if _, err := New(collectors.Env{}, Config{Proc: "/proc"}); err == nil || !strings.Contains(err.Error(), "interval") {
		t.Errorf("error %v", err)
	}
	c := DefaultConfig()
	c.Proc = "testdata/none"
	if _, err := New(collectors.Env{}, c); err == nil {
		t.Errorf("error %v", err)
	}
}

func BenchmarkRead(b *testing.B) {
	s, err := newSource("/proc")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var last reading
	var dst []rrd.Sample
	for b.Loop() {
		now, _ := s.read(time.Now())
		dst = appendSamples(dst[:0], "web-1", &last, &now)
		last = now
	}
}
