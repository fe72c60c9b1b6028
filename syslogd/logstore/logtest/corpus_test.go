package logtest

import (
	"strings"
	"testing"
	"time"

	"rondo/syslogd/syslog"
)

// TestCorpus holds what the figures of the log store are measured against.
func TestCorpus(t *testing.T) {
	start := time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC)
	a, b := NewCorpus(1, start, 1000), NewCorpus(1, start, 1000)
	const n = 50_000
	size, formats, hosts, apps := 0, map[syslog.Format]int{}, map[string]bool{}, map[string]bool{}
	for i := range n {
		m, again := a.Next(), b.Next()
		if m.Raw != again.Raw {
			t.Fatalf("line %d: %q, and the same seed makes %q", i, m.Raw, again.Raw)
		}
		if m.App == "" || strings.ContainsFunc(m.Raw, func(c rune) bool { return c < ' ' }) {
			t.Fatalf("no line of a program: %q", m.Raw)
		}
		size += len(m.Raw)
		formats[m.Format]++
		hosts[m.Host], apps[m.App] = true, true
	}
	if mean := size / n; mean < 223 || mean > 233 {
		t.Errorf("lines have %d bytes on average, want 228", mean)
	}
	if len(hosts) != Hosts || len(apps) != len(programs) || formats[syslog.RFC3164] < n/4 || formats[syslog.RFC5424] < n/2 {
		t.Errorf("%d hosts, %d programs, formats %v", len(hosts), len(apps), formats)
	}
	weight := 0
	for _, p := range programs {
		weight += p.weight
	}
	if weight != 100 {
		t.Errorf("the programs have %d percent of the lines", weight)
	}
}

func TestCorpusIsRare(t *testing.T) {
	c, found := NewCorpus(2, time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC), 100_000), 0
	var buf []byte
	for range RareEvery {
		buf = c.Append(buf[:0])
		if strings.Contains(string(buf), RareWord) && strings.Contains(string(buf), RareID) {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%s %d times", RareWord, found)
	}
}

func BenchmarkCorpus(b *testing.B) {
	c := NewCorpus(1, time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC), 1000)
	var buf []byte
	for b.Loop() {
		buf = c.Append(buf[:0])
	}
}
