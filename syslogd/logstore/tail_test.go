package logstore

import (
	"errors"
	"strings"
	"testing"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

func filled(t testing.TB) *Store {
	s := open(t, t.TempDir(), Options{})
	put(t, s,
		line(`<165>1 2026-11-19T10:00:00.5Z web1 nginx 77 ID1 [a@1 k="v"] GET /cart 200`, start),
		line("<34>Nov 19 10:30:00 db1 su[12]: authentication failure", start.Add(30*time.Minute)))
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	put(t, s, line("<14>1 2026-11-19T12:00:00Z web1 nginx 77 - - GET /home 500", start.Add(2*time.Hour)))
	return s
}

// TestTailIsBoundedInBytes has few messages that are long.
func TestTailIsBoundedInBytes(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	tail := s.tails.join(s.o.TailBuffer, s.o.TailBytes)
	for range 10 {
		var batch []syslog.Message
		for range 20 {
			batch = append(batch, line("<14>1 - web1 a - - - "+strings.Repeat("x", 64<<10), start))
		}
		put(t, s, batch...)
	}
	held, kept := 0, int64(0)
	batches, dropped := tail.take()
	for _, b := range batches {
		for i := range b {
			held += len(b[i].Raw) + len(b[i].Text)
			kept++
		}
	}
	if held > 4<<20 || held < 3<<20 || kept+dropped != 200 {
		t.Errorf("%d bytes in %d messages held, %d dropped", held, kept, dropped)
	}
	put(t, s, line(strings.Repeat("y", 8<<20), start))
	if batches, _ := tail.take(); len(batches) != 1 {
		t.Error("a message that is longer than the buffer never comes")
	}
}

func TestTailLosesNewestAndTells(t *testing.T) {
	s := open(t, t.TempDir(), Options{TailBuffer: 3})
	tail := s.tails.join(3, 1<<20)
	for range 5 {
		put(t, s, line("<14>1 - web1 a - - - fine", start))
	}
	batches, dropped := tail.take()
	if len(batches) != 3 || dropped != 2 || s.Stats().TailLost != 2 {
		t.Fatalf("%d batches, %d dropped, stats %d", len(batches), dropped, s.Stats().TailLost)
	}
	put(t, s, line("<14>1 - web1 a - - - fine", start))
	if batches, _ := tail.take(); len(batches) != 1 {
		t.Fatal("the tail does not go on")
	}
}

// TestCountIsBounded asks for more groups than anybody can look at.
func TestCountIsBounded(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	batch := make([]syslog.Message, syslogd.MaxGroups+1)
	for i := range batch {
		batch[i] = line("x", start.Add(time.Duration(i)*time.Millisecond))
	}
	put(t, s, batch...)
	if _, err := syslogd.Histogram(t.Context(), s, syslogd.Query{}, time.Millisecond); !errors.Is(err, syslogd.ErrTooManyGroups) {
		t.Errorf("%v", err)
	}
	if bins, err := syslogd.Histogram(t.Context(), s, syslogd.Query{}, time.Second); err != nil || len(bins) != 101 {
		t.Errorf("%d bins, %v", len(bins), err)
	}
}
