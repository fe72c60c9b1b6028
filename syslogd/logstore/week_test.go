package logstore

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/syslog"
)

// TestWeek lives through six days of a fleet's log within seconds. The store
// rotates, merges and drops by itself, as its clock has it; a restart comes in
// between. Each noon all is there that should be, and nothing else.
func TestWeek(t *testing.T) {
	const days, perDay = 6, 9_600
	dir := t.TempDir()
	o := Options{Config: Config{Retention: 2 * 24 * time.Hour, MaxBytes: 1 << 30, Classes: []Class{
		{Name: "auth", Filter: parse(t, "facility:auth or facility:authpriv"), Retention: 365 * 24 * time.Hour},
		{Name: "web", Filter: parse(t, "app:nginx or app:httpd"), Retention: 24 * time.Hour},
	}}, ChunkBytes: 256 << 10}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir, o)
		defer func() { s.Close() }()
		c := logtest.NewCorpus(7, time.Now(), perDay/86400.0)
		sent := map[string]map[int32]int64{} // by class and day of reception
		classes := append([]Class{{Name: "default"}}, o.Config.Classes...)
		for _, class := range classes {
			sent[class.Name] = map[int32]int64{}
		}
		for day := range days {
			for range perDay / weekBatch {
				s.fillWeek(t, c, sent)
			}
			if day == days/2 {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, dir, o)
			}
			time.Sleep(time.Minute) // what is due is done
			today := dayOf(time.Now())
			for _, class := range classes {
				keep := int32(s.o.Config.class(class.Name).Retention / (24 * time.Hour))
				want, oldest := int64(0), today-keep
				for on, n := range sent[class.Name] {
					if on >= oldest {
						want += n
					}
				}
				if got := s.countClass(t, class); got != want {
					t.Errorf("day %d, class %s: %d messages, want %d", day, class.Name, got, want)
				}
			}
		}
		s.wantDirectories(t, dir, days)
	})
}

// weekBatch is how many lines come at a time: more often than a chunk is sealed
// for want of lines.
const weekBatch = 50

// fillWeek stores the next lines when they are due.
func (s *Store) fillWeek(t *testing.T, c *logtest.Corpus, sent map[string]map[int32]int64) {
	var batch []syslog.Message
	for range weekBatch {
		raw := string(c.Append(nil))
		batch = append(batch, syslog.Parse(raw, c.Received(), c.Sender()))
	}
	time.Sleep(time.Until(c.Received()))
	if err := s.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for i := range batch {
		k := s.o.Config.keyOf(&batch[i])
		sent[k.class][k.day]++
	}
}

// countClass counts what a search finds of a class.
func (s *Store) countClass(t *testing.T, class Class) (n int64) {
	filters := []string{}
	for _, other := range s.o.Config.Classes {
		switch {
		case other.Name == class.Name:
			filters = append(filters, "("+other.Filter.String()+")")
		case class.Name == "default" || class.Name == "web" && other.Name == "auth": // the first that matches has it
			filters = append(filters, "-("+other.Filter.String()+")")
		}
	}
	groups, err := s.Count(context.Background(), syslogd.Query{Filter: parse(t, strings.Join(filters, " "))}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		n += g.Count
	}
	return n
}

// wantDirectories checks that what was dropped is gone from the disk.
func (s *Store) wantDirectories(t *testing.T, dir string, days int) {
	entries, err := os.ReadDir(filepath.Join(dir, "chunks"))
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range entries {
		_, class, _ := strings.Cut(e.Name(), "-")
		count[class]++
	}
	if count["auth"] < days || count["default"] > 4 || count["web"] > 3 {
		t.Errorf("directories by class: %v", count)
	}
}
