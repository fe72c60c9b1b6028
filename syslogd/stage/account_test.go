package stage

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rondo/syslogd/syslog"
)

// TestAccounts: messages in + made = messages out + dropped, for any stages in
// any order, used by several goroutines at a time, and by Report as by Counts.
func TestAccounts(t *testing.T) {
	kinds := []Config{
		{Parse: &ParseConfig{Format: "kv"}}, {Redact: &RedactConfig{}}, {Filter: matching(t, "severity<=info"), Sample: &SampleConfig{OneIn: 3}},
		{RateLimit: &RateLimitConfig{Rate: 5, MaxKeys: 2}}, {Dedup: &DedupConfig{Window: time.Second, MaxKeys: 3}},
		{Filter: matching(t, "four"), Drop: true}, {Rewrite: &RewriteConfig{Set: map[string]string{"sd.a": "b"}}},
		{Filter: matching(t, "sd.count:*"), Sample: &SampleConfig{OneIn: 2, By: []string{"text"}}},
	}
	rapid.Check(t, func(t *rapid.T) {
		p, err := New(rapid.SliceOfN(rapid.SampledFrom(kinds), 0, 6).Draw(t, "stages"))
		if err != nil {
			t.Fatal(err)
		}
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"one", "two x=3", "four", "password=hunter2"}), 1, 50).Draw(t, "words")
		reported := newTotals()
		var mu sync.Mutex
		in, out := 0, 0
		take := func(n, m int) {
			mu.Lock()
			defer mu.Unlock()
			in, out = in+n, out+m
		}
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i, word := range words {
					now := start.Add(time.Duration(i) * 100 * time.Millisecond)
					batch := []syslog.Message{
						syslog.Parse("<14>Oct 11 22:14:15 h"+strconv.Itoa(g)+" app: "+word, now, sender),
						syslog.Parse("<15>Oct 11 22:14:15 h app: "+word, now, sender),
					}
					take(len(batch), len(p.Apply(now, batch)))
					take(0, len(p.Due(now)))
					p.Report(reported.add)
				}
			})
		}
		wg.Wait()
		take(0, len(p.Close(start.Add(time.Hour))))
		p.Report(reported.add)
		counted := map[Reason]int{}
		made, dropped := 0, 0
		for _, c := range p.Counts() {
			made, dropped = made+int(c.Made), dropped+int(c.Dropped)
			counted[c.Reason] += int(c.Dropped)
		}
		if in+made != out+dropped {
			t.Fatalf("%d in + %d made, %d out + %d dropped: %+v", in, made, out, dropped, p.Counts())
		}
		for reason, n := range counted {
			if got := reported.sums["dropped_"+string(reason)]; reason != "" && got != n {
				t.Fatalf("%d are dropped as %s, %d are reported", n, reason, got)
			}
		}
		if got := reported.sums["stages_made"]; got != made {
			t.Fatalf("%d are made, %d are reported", made, got)
		}
	})
}

// totals are what Report has said.
type totals struct {
	mu   sync.Mutex
	sums map[string]int
}

func newTotals() *totals { return &totals{sums: map[string]int{}} }

func (s *totals) add(what string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sums[what] += n
}
