package loki

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"

	"rondo/syslogd"
	"rondo/syslogd/logstore"
	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/syslog"
)

// benchRequest is what a client sends of a fleet: 1000 lines in a stream for
// each host and program.
func benchRequest(b *testing.B) []byte {
	b.Helper()
	f := logtest.NewFleet(1, base())
	byStream := map[string]*stream{}
	for range 1000 {
		m := f.Next()
		s := byStream[m.Host+m.App]
		if s == nil {
			s = &stream{labels: []label{{"host", m.Host}, {"job", m.App}, {"env", "prod"}}}
			byStream[m.Host+m.App] = s
		}
		s.entries = append(s.entries, entry{at: m.Time, line: m.Text})
	}
	var list []stream
	for _, k := range slices.Sorted(maps.Keys(byStream)) {
		list = append(list, *byStream[k])
	}
	return snappy.Encode(nil, promtail(list...))
}

// BenchmarkPush is one request of 1000 lines, on disk when it is answered.
func BenchmarkPush(b *testing.B) {
	s, err := logstore.Open(b.TempDir(), logstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	a := New(Options{Sink: func() syslogd.Sink { return s }})
	body := benchRequest(b)
	b.ReportAllocs()
	for b.Loop() {
		if w := send(a, body); w.Code != http.StatusNoContent {
			b.Fatal(w.Code, w.Body)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/line")
}

// BenchmarkQuery asks what Grafana asks, over RONDO_LINES lines (100,000).
func BenchmarkQuery(b *testing.B) {
	n := 100_000
	if v, err := strconv.Atoi(os.Getenv("RONDO_LINES")); err == nil {
		n = v
	}
	s, err := logstore.Open(b.TempDir(), logstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	f := logtest.NewFleet(1, base())
	var last time.Time
	for i := 0; i < n; i += 1000 {
		batch := make([]syslog.Message, 1000)
		for j := range batch {
			batch[j] = f.Next()
		}
		last = batch[999].Time
		if err := s.Put(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Seal(); err != nil {
		b.Fatal(err)
	}
	h := New(Options{Logs: s}).Handler()
	for name, q := range map[string]string{
		"lines":     `{app="shop"} |= "timed out"`,
		"parsed":    `{app="shop"} | logfmt | duration_ms > 1990`,
		"volume":    `sum by (level, detected_level) (count_over_time({host=~".+"} | drop __error__ [%s]))`,
		"word":      `sum(count_over_time({host=~".+"} |= "denied" [%s]))`,
		"by-host":   `sum by (host) (rate({app="nginx"}[%s]))`,
		"by-stream": `topk(5, count_over_time({app=~"nginx|shop"}[%s]))`,
		"bytes":     `sum(bytes_rate({app="sshd"}[%s]))`,
		"by-field":  `sum by (cache) (count_over_time({app="shop"} | logfmt [%s]))`,
	} {
		b.Run(name, func(b *testing.B) {
			step := max(last.Sub(base())/60, time.Second).Truncate(time.Second).String()
			if q[0] != '{' {
				q = fmt.Sprintf(q, step)
			}
			v := url.Values{"query": {q}, "start": {fmt.Sprint(base().UnixNano())}, "end": {fmt.Sprint(last.UnixNano())}, "step": {step}, "limit": {"1000"}}
			for b.Loop() {
				if code, body := get(h, "/loki/api/v1/query_range?"+v.Encode()); code != http.StatusOK {
					b.Fatal(code, body)
				}
			}
		})
	}
	for _, path := range []string{"labels", "label/host/values", "series?match[]={app=\"nginx\"}", "index/stats?query={app=\"nginx\"}"} {
		b.Run(path[:5], func(b *testing.B) {
			for b.Loop() {
				if code, body := get(h, fmt.Sprintf("/loki/api/v1/%s&start=%d&end=%d", withQuestion(path), base().UnixNano(), last.UnixNano())); code != http.StatusOK {
					b.Fatal(code, body)
				}
			}
		})
	}
}

func withQuestion(path string) string {
	for _, c := range path {
		if c == '?' {
			return path
		}
	}
	return path + "?"
}
