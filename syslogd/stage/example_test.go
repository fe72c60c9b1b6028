package stage_test

import (
	"fmt"
	"net/netip"
	"time"

	"rondo/syslogd/stage"
	"rondo/syslogd/syslog"
)

// Secrets go first, then fields are taken out of the text, and what comes again
// within half a minute is counted.
func Example() {
	p, err := stage.New([]stage.Config{
		{Redact: &stage.RedactConfig{}},
		{Parse: &stage.ParseConfig{Format: "kv"}},
		{Dedup: &stage.DedupConfig{Window: 30 * time.Second}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 10, 11, 22, 14, 15, 0, time.UTC)
	m := syslog.Parse("<38>Oct 11 22:14:15 web1 shop: login user=ann password=hunter2", now, netip.Addr{})
	for _, out := range p.Apply(now, []syslog.Message{m, m, m}) {
		fmt.Println(out.SD, out.Text)
	}
	for _, out := range p.Due(now.Add(time.Minute)) {
		fmt.Println(out.Text)
	}
	// Output:
	// [kv@32473 user="ann" password="REDACTED"] login user=ann password=REDACTED
	// message repeated 2 times: [login user=ann password=REDACTED]
}

func ExampleNew() {
	_, err := stage.New([]stage.Config{{Name: "fields", Parse: &stage.ParseConfig{Format: "jsno"}}})
	fmt.Println(err)
	// Output:
	// stage: stages: 1: parse: format: "jsno" is none of kv, json, csv, apache, pattern; did you mean json?
}
