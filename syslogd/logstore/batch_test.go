package logstore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

// A batch is as large as whoever brings it likes: a queue of datagrams that
// waited for the store, or a push of Loki's. Chunks have bounds all the same,
// beyond which they could not be read again.
func TestHugeBatches(t *testing.T) {
	for name, batch := range map[string][]syslog.Message{
		"many small ones":        tiny(1_060_000),
		"24 MB without a repeat": random(400, 60_000),
		"much beside the line":   annotated(900, 40_000),
		"the longest there are":  append(random(63, 60_000), random(2, 8<<20)...),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, Options{})
			put(t, s, batch...)
			if err := s.Seal(); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, Options{})
			found := 0
			for m, err := range s.Search(t.Context(), syslogd.Query{}) {
				if err != nil {
					t.Fatal(err)
				}
				if m.Raw == "" {
					t.Fatal("empty line")
				}
				found++
			}
			if st := s.Stats(); found != len(batch) || st.Quarantined > 0 {
				t.Errorf("%d of %d messages, %d chunks in quarantine", found, len(batch), st.Quarantined)
			}
		})
	}
}

func tiny(n int) []syslog.Message {
	batch := make([]syslog.Message, n)
	for i := range batch {
		batch[i] = line("x", start.Add(time.Duration(i)*time.Microsecond))
	}
	return batch
}

func random(n, size int) []syslog.Message {
	r := rand.New(rand.NewPCG(1, 2))
	batch := make([]syslog.Message, n)
	for i := range batch {
		b := make([]byte, size)
		for j := range b {
			b[j] = ' ' + byte(r.IntN(224))
		}
		batch[i] = line(string(b), start)
	}
	return batch
}

// annotated are short lines with long structured data that is not in them.
func annotated(n, size int) []syslog.Message {
	batch := make([]syslog.Message, n)
	for i := range batch {
		batch[i] = line("x", start)
		batch[i].SD = fmt.Sprintf(`[x n="%d" s="%s"]`, i, strings.Repeat(fmt.Sprintf("%07d ", i), size/8))
	}
	return batch
}
