package logstore

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/syslog"
)

// The figures of the package comment:
//
//	go test ./syslogd/logstore -run '^$' -bench Scale -timeout 60m -logstore.lines 10000000 -logstore.dir DIR
var (
	scaleLines = flag.Int("logstore.lines", 1_000_000, "lines of BenchmarkScale")
	scaleDir   = flag.String("logstore.dir", "", "where BenchmarkScale keeps its store; one that is there is used as it is")
	scaleDays  = flag.Int("logstore.days", 1, "days that these lines are spread over")
)

const foreverRetention = 1000 * 24 * time.Hour

// scaleStart is when the corpus of BenchmarkScale begins.
var scaleStart = time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC)

// BenchmarkScale stores a day of the corpus, and searches it.
func BenchmarkScale(b *testing.B) {
	dir := *scaleDir
	if dir == "" {
		dir = b.TempDir()
	}
	o := Options{Config: Config{Retention: foreverRetention, MaxBytes: 1 << 40}}
	s := open(b, dir, o)
	if s.Stats().Messages == 0 {
		b.Run("ingest", func(b *testing.B) {
			for b.Loop() {
				if s.Stats().Messages == 0 { // else a short run, which would be repeated
					ingestScale(b, s)
				}
			}
		})
	}
	st := s.Stats()
	b.Logf("%d messages, %d chunks, %.2f B/line, files %.2f B/line", st.Messages, st.Chunks,
		float64(st.DiskBytes)/float64(st.Messages), float64(diskUsage(b, filepath.Join(dir, "chunks")))/float64(st.Messages))
	for _, x := range scaleQueries(b) {
		b.Run(x.name, func(b *testing.B) {
			result := x.run(b, s) // warm
			before, calls := cpuTime(b), 0
			var took []time.Duration
			for b.Loop() {
				begin := time.Now()
				x.run(b, s)
				took = append(took, time.Since(begin))
				calls++
			}
			slices.Sort(took)
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(calls), "cpu-ms/op")
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms/op")
			b.Log(result)
		})
	}
}

// ingestScale parses and stores the corpus. Each tenth batch waits for the
// device.
func ingestScale(b *testing.B, s *Store) {
	seconds := float64(*scaleDays * 86400)
	c := logtest.NewCorpus(1, scaleStart, float64(*scaleLines)/seconds)
	const batch = 500
	raw, cpu, buf := int64(0), time.Duration(0), []byte(nil)
	for done := 0; done < *scaleLines; {
		made := make([]syslog.Message, 0, 20*batch)
		for len(made) < cap(made) && done+len(made) < *scaleLines {
			buf = c.Append(buf[:0])
			made = append(made, syslog.Message{Raw: string(buf), Received: c.Received(), Sender: c.Sender()})
			raw += int64(len(buf))
		}
		before := cpuTime(b)
		for i := range made {
			made[i] = syslog.Parse(made[i].Raw, made[i].Received, made[i].Sender)
		}
		for i := 0; i < len(made); i += batch {
			store := s.Write
			if i == 0 {
				store = s.Put
			}
			if err := store(b.Context(), made[i:min(i+batch, len(made))]); err != nil {
				b.Fatal(err)
			}
		}
		cpu += cpuTime(b) - before
		done += len(made)
	}
	before := cpuTime(b)
	if err := s.Seal(); err != nil {
		b.Fatal(err)
	}
	cpu += cpuTime(b) - before
	n := float64(*scaleLines)
	b.ReportMetric(float64(cpu.Nanoseconds())/n, "cpu-ns/line")
	b.ReportMetric(float64(raw)/n, "raw-B/line")
}

// scaleQuery is one question of the benchmark.
type scaleQuery struct {
	name string
	run  func(*testing.B, *Store) string
}

func scaleQueries(b *testing.B) []scaleQuery {
	lines := func(text string, q syslogd.Query) func(*testing.B, *Store) string {
		q.Filter = parse(b, text)
		return func(b *testing.B, s *Store) string {
			n := 0
			for _, err := range s.Search(context.Background(), q) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			return fmt.Sprint(n, " lines")
		}
	}
	count := func(text string, q syslogd.Query, bin time.Duration) func(*testing.B, *Store) string {
		q.Filter = parse(b, text)
		return func(b *testing.B, s *Store) string {
			groups, err := s.Count(context.Background(), q, nil, bin)
			if err != nil {
				b.Fatal(err)
			}
			total := int64(0)
			for _, g := range groups {
				total += g.Count
			}
			return fmt.Sprint(total, " counted")
		}
	}
	all, newest := syslogd.Query{}, syslogd.Query{Limit: 100}
	hour := syslogd.Query{From: scaleStart.Add(12 * time.Hour), To: scaleStart.Add(13 * time.Hour)}
	hourNewest := hour
	hourNewest.Limit = 100
	return []scaleQuery{
		{"rare word", lines(logtest.RareWord, all)},
		{"rare id", lines(logtest.RareID, all)},
		{"absent word", lines("quagmires", all)},
		{"absent id", lines("c0ffee5ca1ab1e78", all)},
		{"host and severity in 1 h, count", count("host:web-012 severity<=warning", hour, 0)},
		{"host and severity in 1 h, 100 lines", lines("host:web-012 severity<=warning", hourNewest)},
		{"host in 1 h, lines", lines("host:web-012", hour)},
		{"count by hour", count("", all, time.Hour)},
		{"count by hour of severity<=err", count("severity<=err", all, time.Hour)},
		{"count of a frequent word", count("payment", all, 0)},
		{"substring of a constant, count", count(`"imed ou"`, all, 0)},
		{"substring of digits, count", count(`"user_id\":4242"`, all, 0)},
		{"regex with a literal, newest 100", lines(`/duration_ms":19[0-9]{2}/`, newest)},
		{"regex with a literal, count", count(`/duration_ms":19[0-9]{2}/`, all, 0)},
		{"regex without a literal, newest 100", lines(`/[a-f]{5}[0-9]{4}/`, newest)},
		{"regex without a literal, count", count(`/[a-f]{6}[0-9]{6}/`, all, 0)},
		{"newest 100", lines("", newest)},
	}
}

// BenchmarkLive stores 100,000 lines a second for some seconds, as they come,
// and tails 10,000 of them: how long after its arrival a line is found, and
// yielded by a tail, and what memory the process has, that of the benchmark
// included.
func BenchmarkLive(b *testing.B) {
	for b.Loop() {
		for _, rate := range []int{10_000, 100_000} {
			live(b, rate)
		}
	}
}

func live(b *testing.B, rate int) {
	const seconds, tick = 10, 5 * time.Millisecond
	s := open(b, b.TempDir(), Options{Config: Config{Retention: foreverRetention, MaxBytes: 1 << 40}})
	defer s.Close()
	c := logtest.NewCorpus(1, time.Now(), float64(rate))
	ctx, stop := context.WithCancel(b.Context())
	var tailed []time.Duration
	var wg sync.WaitGroup
	wg.Go(func() {
		for m := range s.Tail(ctx, nil) {
			tailed = append(tailed, time.Since(m.Received))
		}
	})
	var found []time.Duration
	batch := make([]syslog.Message, 0, 2000)
	before, begin, n := cpuTime(b), time.Now(), 0
	for time.Since(begin) < seconds*time.Second {
		time.Sleep(tick) // the pace of the senders
		batch := batch[:0]
		// A busy machine falls behind rather than make ever larger batches.
		for now := time.Now(); n < int(now.Sub(begin).Seconds()*float64(rate)) && len(batch) < cap(batch); n++ {
			m := c.Next()
			m.Received = now
			batch = append(batch, m)
		}
		if len(batch) == 0 {
			continue
		}
		arrived := time.Now()
		if err := s.Write(ctx, batch); err != nil {
			b.Fatal(err)
		}
		if n/rate != (n-len(batch))/rate { // once a second
			want := batch[len(batch)-1].Raw
			for m, err := range s.Search(ctx, syslogd.Query{ByReceived: true, Limit: len(batch)}) {
				if err != nil {
					b.Fatal(err)
				}
				if m.Raw == want {
					found = append(found, time.Since(arrived))
					break
				}
			}
		}
	}
	cpu, took := cpuTime(b)-before, time.Since(begin)
	stop()
	wg.Wait()
	slices.Sort(tailed)
	slices.Sort(found)
	b.Logf("%d lines/s, %.0f done: %.2f us CPU a line (lines made included), %s, searched after %v at most (%d times), tailed %d after %v (p50), %v (p99), lost %d",
		rate, float64(n)/took.Seconds(), float64(cpu.Microseconds())/float64(n), memory(b), found[len(found)-1], len(found), len(tailed), tailed[len(tailed)/2], tailed[len(tailed)*99/100], s.Stats().TailLost)
}

// memory is what the kernel says of this process.
func memory(b *testing.B) string {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	var out []string
	for l := range strings.Lines(string(text)) {
		if strings.HasPrefix(l, "VmHWM") || strings.HasPrefix(l, "RssAnon") || strings.HasPrefix(l, "VmRSS") {
			out = append(out, strings.Join(strings.Fields(l), " "))
		}
	}
	return strings.Join(out, ", ")
}
