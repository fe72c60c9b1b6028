package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rondo/rrd"
)

// BenchmarkScale measures a store of many series, each life of it in a process
// of its own, so that the memory is the store's alone: a million series are
// new, send through six hours of data time (every two minutes, and every ten
// seconds for the last half hour, so that all kinds of rows pile up), and the
// store is closed, opened, killed and opened again.
//
//	go test -run '^$' -bench Scale/1000000 -benchtime 1x ./rrd/store
func BenchmarkScale(b *testing.B) {
	if os.Getenv(scaleDir) != "" {
		scaleLife(b)
		return
	}
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
			}
			dir := b.TempDir()
			for _, life := range []string{"fill", "reopen", "after-kill"} {
				scaleChild(b, dir, life, n)
			}
		})
	}
}

const (
	scaleDir    = "STORE_SCALE_DIR"
	scaleLives  = "STORE_SCALE_LIFE"
	scaleSeries = "STORE_SCALE_SERIES"
	scaleGC     = 25 // as cmd/rondo sets it
)

// scaleChild lives one life in a child process and reports what it printed.
func scaleChild(b *testing.B, dir, life string, series int) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkScale$", "-test.benchtime=1x")
	cmd.Env = append(os.Environ(), scaleDir+"="+dir, scaleLives+"="+life, scaleSeries+"="+strconv.Itoa(series))
	out, err := cmd.CombinedOutput()
	killed := cmd.ProcessState != nil && !cmd.ProcessState.Exited()
	if err != nil && !(killed && life == "reopen") {
		b.Fatalf("%s: %v\n%s", life, err, out)
	}
	for _, m := range regexp.MustCompile(`(?m)^figure (\S+) (\S+)$`).FindAllSubmatch(out, -1) {
		v, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(v, string(m[1]))
	}
	if life == "fill" {
		b.ReportMetric(float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Oublock)*512, "device-B")
	}
}

// A crowd makes samples without keeping any memory for its series but their
// names and values.
type crowd struct {
	names  string
	width  int
	values []int32
	rng    *rand.Rand
	batch  []rrd.Sample
}

func newCrowd(series int) *crowd {
	c := &crowd{values: make([]int32, series), rng: rand.New(rand.NewPCG(1, 2)), batch: make([]rrd.Sample, 0, 1000)}
	var b strings.Builder
	for i := range series {
		fmt.Fprintf(&b, "fleet.web.i-%08x.%s_%02d", uint32(i/20)*2654435761, [...]string{"bytes", "state", "queue", "cpu_t", "l_avg"}[i%5], i%20)
		if c.width = b.Len(); i == 0 {
			b.Grow(c.width * series)
		}
	}
	c.names, c.width = b.String(), b.Len()/series
	for i := range c.values {
		c.values[i] = c.rng.Int32N(10_000)
	}
	return c
}

// round writes a sample of each series at a time.
func (c *crowd) round(tb testing.TB, st *Store, at rrd.Time) {
	tb.Helper()
	for i := range c.values {
		v := &c.values[i]
		s := rrd.Sample{Key: rrd.Key(c.names[i*c.width : (i+1)*c.width]), Time: at, Type: rrd.Gauge}
		switch i % 5 {
		case 0: // a counter of small packets
			*v += c.rng.Int32N(5000)
			s.Type, s.Value = rrd.Counter, float64(*v)*100
		case 1: // mostly constant
			if c.rng.IntN(20) == 0 {
				*v = c.rng.Int32N(10)
			}
			s.Value = float64(*v)
		case 2: // integers
			*v = max(0, *v+int32(c.rng.NormFloat64()*3))
			s.Value = float64(*v)
		default: // two decimals
			*v = max(0, *v+int32(c.rng.NormFloat64()*40))
			s.Value = float64(*v) / 100
		}
		if c.batch = append(c.batch, s); len(c.batch) == cap(c.batch) || i == len(c.values)-1 {
			if err := st.Write(tb.Context(), c.batch); err != nil {
				tb.Fatal(err)
			}
			c.batch = c.batch[:0]
		}
	}
}

func figure(name string, v float64) { fmt.Printf("figure %s %g\n", name, v) }

// scaleLife is what a child process does.
func scaleLife(b *testing.B) {
	debug.SetGCPercent(scaleGC)
	series, err := strconv.Atoi(os.Getenv(scaleSeries))
	if err != nil {
		b.Fatal(err)
	}
	c := newCrowd(series)
	runtime.GC()
	base := residentBytes(b)
	now := benchStart
	o := Options{Every: time.Hour, Now: func() time.Time { return now.Std() }}
	start := time.Now()
	st := openStore(b, os.Getenv(scaleDir), o)
	opened := time.Since(start).Seconds()
	switch os.Getenv(scaleLives) {
	case "fill":
		c.fill(b, st, &now, base)
		start = time.Now()
		closeStore(b, st)
		figure("close-s", time.Since(start).Seconds())
	case "reopen":
		figure("restart-s", opened)
		now = rrd.Time(st.clock.Load())
		for range 20 {
			now += 10 * rrd.Second
			c.round(b, st, now)
		}
		if err := st.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "after-kill":
		figure("restart-killed-s", opened)
		if got, want := st.Series(), series; got != want || st.stats.Damaged.Load() > 0 {
			b.Fatalf("%d series of %d, %d damages", got, want, st.stats.Damaged.Load())
		}
		figure("restart-killed-rss-B/series", (residentBytes(b)-base)/float64(series))
	}
}

// fill registers all series and lets them send for six hours.
func (c *crowd) fill(b *testing.B, st *Store, now *rrd.Time, base float64) {
	b.Helper()
	series := float64(len(c.values))
	start := time.Now()
	c.round(b, st, *now)
	figure("register-s", time.Since(start).Seconds())
	figure("new-rss-B/series", (residentBytes(b)-base)/series)
	var cpu time.Duration
	samples := 0.0
	send := func(rounds int, step rrd.Time) {
		for range rounds {
			*now += step
			before := cpuTime()
			c.round(b, st, *now)
			if *now%(60*rrd.Second) < step {
				if err := st.maintain(); err != nil {
					b.Fatal(err)
				}
			}
			cpu += cpuTime() - before
			samples += series
		}
	}
	send(165, 120*rrd.Second)
	cpu, samples = 0, 0
	send(180, 10*rrd.Second)
	figure("cpu-ns/sample", float64(cpu.Nanoseconds())/samples)
	figure("rss-B/series", (residentBytes(b)-base)/series)
	figure("peak-rss-B/series", (peakBytes(b)-base)/series)
	figure("staged-B/series", float64(st.staged.Load())/series)
	figure("device-values", float64(st.stats.Samples.Load()))
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	figure("heap-B/series", float64(m.HeapAlloc)/series)
	if path := os.Getenv("STORE_SCALE_HEAP"); path != "" {
		if err := writeHeapProfile(path); err != nil {
			b.Fatal(err)
		}
	}
	runtime.KeepAlive(c)
}

// residentBytes is the anonymous memory that the kernel has given this
// process: without the pages of mapped files, which it can take back.
func residentBytes(tb testing.TB) float64 { return statusBytes(tb, "RssAnon") }

// peakBytes is the most that ever was, files included.
func peakBytes(tb testing.TB) float64 { return statusBytes(tb, "VmHWM") }

func statusBytes(tb testing.TB, line string) float64 {
	tb.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, ok := bytes.Cut(text, []byte(line+":"))
	fields := strings.Fields(string(rest))
	if !ok || len(fields) == 0 {
		tb.Fatal(errors.New("no " + line + " in /proc/self/status"))
	}
	n, err := strconv.Atoi(fields[0])
	if err != nil {
		tb.Fatal(err)
	}
	return float64(n) * 1024
}

func writeHeapProfile(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(f), f.Close())
}
