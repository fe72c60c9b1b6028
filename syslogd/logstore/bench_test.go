package logstore

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rondo/syslogd"
	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/syslog"
)

// cpuTime is the processor time of this process.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fill stores n lines of the fleet in batches and returns the length of the
// lines and the processor time per line, that of making them not included.
func fill(b *testing.B, s *Store, n int) (raw int64, cpu time.Duration) {
	f := logtest.NewFleet(1, start)
	const batch = 500
	for done := 0; done < n; {
		lines := make([]syslog.Message, 0, 20*batch)
		for len(lines) < cap(lines) && done+len(lines) < n {
			lines = append(lines, f.Next())
		}
		before := cpuTime(b)
		for i := 0; i < len(lines); i += batch {
			if err := s.Put(b.Context(), lines[i:min(i+batch, len(lines))]); err != nil {
				b.Fatal(err)
			}
		}
		cpu += cpuTime(b) - before
		for i := range lines {
			raw += int64(len(lines[i].Raw))
		}
		done += len(lines)
	}
	before := cpuTime(b)
	if err := s.Seal(); err != nil {
		b.Fatal(err)
	}
	return raw, (cpu + cpuTime(b) - before) / time.Duration(n)
}

func diskUsage(b *testing.B, dir string) (n int64) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var i fs.FileInfo
			if i, err = d.Info(); err == nil {
				n += i.Sys().(*syscall.Stat_t).Blocks * 512
			}
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkPut stores 200,000 lines: log, commit, head, seal, Badger.
func BenchmarkPut(b *testing.B) {
	const n = 200_000
	for b.Loop() {
		dir := b.TempDir()
		s := open(b, dir, Options{})
		raw, cpu := fill(b, s, n)
		disk := s.Stats().DiskBytes
		s.Close()
		b.ReportMetric(float64(cpu.Nanoseconds()), "cpu-ns/line")
		b.ReportMetric(float64(raw)/n, "raw-B/line")
		b.ReportMetric(float64(disk)/n, "chunk-B/line")
		b.ReportMetric(float64(diskUsage(b, filepath.Join(dir, "chunks")))/n, "disk-B/line")
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSearch asks a million lines, sealed and warm.
func BenchmarkSearch(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	const n = 1_000_000
	fill(b, s, n/2)
	if err := s.Put(b.Context(), []syslog.Message{line("<11>1 - web-007 shop - - - the zebrafault9 appeared", start.Add(time.Hour))}); err != nil {
		b.Fatal(err)
	}
	fill(b, s, n/2)
	lines := func(q syslogd.Query) func() string {
		return func() string {
			n := 0
			for _, err := range s.Search(b.Context(), q) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			return fmt.Sprint(n, " lines")
		}
	}
	count := func(q syslogd.Query) func() string {
		return func() string {
			bins, err := syslogd.Histogram(b.Context(), s, q, time.Hour)
			if err != nil {
				b.Fatal(err)
			}
			total := int64(0)
			for _, x := range bins {
				total += x.Count
			}
			return fmt.Sprint(total, " counted")
		}
	}
	window := syslogd.Query{From: start, To: start.Add(20 * time.Second)}
	with := func(q syslogd.Query, text string) syslogd.Query { q.Filter = parse(b, text); return q }
	newest := syslogd.Query{Limit: 100}
	for _, x := range []struct {
		name string
		f    func() string
	}{
		{"rare word", lines(with(syslogd.Query{}, "zebrafault9"))},
		{"absent word", lines(with(syslogd.Query{}, "zebrafault8"))},
		{"host and severity in a window", lines(with(window, "host:web-007 severity<=err"))},
		{"host and severity in a window count", count(with(window, "host:web-007 severity<=err"))},
		{"count by hour", count(syslogd.Query{})},
		{"count by hour of a severity", count(with(syslogd.Query{}, "severity<=err"))},
		{"count of a frequent word", count(with(syslogd.Query{}, "payment"))},
		{"newest 100", lines(newest)},
		{"newest 100 of a phrase", lines(with(newest, `"timed out"`))},
		{"count of a substring", count(with(syslogd.Query{}, `"user=4242"`))},
		{"newest 100 of a regular expression", lines(with(newest, `/duration_ms=19[0-9]{2}/`))},
	} {
		b.Run(x.name, func(b *testing.B) {
			x.f() // warm
			before := cpuTime(b)
			for b.Loop() {
				x.f()
			}
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
			b.Log(x.f())
		})
	}
}
