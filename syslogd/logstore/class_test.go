package logstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rondo/rrd/seglog"
	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

func classConfig(t *testing.T) Config {
	return Config{Retention: 72 * time.Hour, MaxBytes: 1 << 30, Classes: []Class{
		{Name: "auth", Filter: parse(t, "facility:auth or facility:authpriv"), Retention: 24 * 365 * time.Hour, MaxBytes: 1 << 30},
		{Name: "debug", Filter: parse(t, "severity=debug"), Retention: 24 * time.Hour},
	}}
}

func directories(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "chunks"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestClasses keeps three kinds of messages for different times, each in
// directories of their own, and finds all as one store.
func TestClasses(t *testing.T) {
	dir := t.TempDir()
	o := Options{Config: classConfig(t)}
	s := open(t, dir, o)
	var want []string
	for day := range 4 {
		at := start.AddDate(0, 0, day)
		var batch []syslog.Message
		for i, text := range []string{"<38>1 - web1 sshd - - - login", "<14>1 - web1 shop - - - order", "<15>1 - web1 shop - - - trace", "<86>1 - web1 su - - - root", "<14>1 2037-01-01T00:00:00Z web1 shop - - - forged"} {
			m := line(text, at.Add(time.Duration(i)*time.Second))
			batch = append(batch, m)
			want = append(want, plain(&m))
		}
		put(t, s, batch...)
	}
	slices.Sort(want)
	check := func(step string) {
		t.Helper()
		got := search(t, s, syslogd.Query{})
		slices.Sort(got)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("%s: %s", step, diff)
		}
	}
	check("open")
	s.Close()
	s = open(t, dir, o)
	check("replayed")
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	check("sealed")
	if n := len(directories(t, dir)); n != 12 {
		t.Errorf("%d directories for 4 days of 3 classes", n)
	}
	s.retain(start.AddDate(0, 0, 5))
	kept := []string{"20261119-auth", "20261120-auth", "20261121-auth", "20261121-default", "20261122-auth", "20261122-default"}
	if diff := gocmp.Diff(kept, directories(t, dir)); diff != "" {
		t.Errorf("after retention: %s", diff)
	}
	var classes []string
	for _, c := range s.Stats().Classes {
		classes = append(classes, fmt.Sprint(c.Name, " ", c.Messages, " ", c.Chunks, " ", c.Retention, " ", c.Oldest.Format(dayLayout)))
	}
	s.Close()
	s = open(t, dir, o) // the log still has what was dropped
	if diff := gocmp.Diff([]string{"auth 8 4 8760h0m0s 20261119", "default 4 2 72h0m0s 20261121"}, classes); diff != "" {
		t.Error(diff)
	}
}

// TestClassesBySize bounds one class by itself, and the rest together.
func TestClassesBySize(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{Config: classConfig(t)})
	for day := range 3 {
		at := start.AddDate(0, 0, day)
		put(t, s, line("<38>1 - web1 sshd - - - login", at), line("<14>1 - web1 shop - - - order", at), line("<15>1 - web1 shop - - - trace", at))
	}
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	size := s.chunks[0].header.DiskSize
	s.o.Config.Classes[0].MaxBytes = size * 5 / 2                                   // two of three days
	s.o.Config.Classes[1].Retention, s.o.Config.MaxBytes = 1000*time.Hour, size*7/2 // of six directories
	s.retain(start.AddDate(0, 0, 2))
	kept := []string{"20261120-auth", "20261120-default", "20261121-auth", "20261121-debug", "20261121-default"}
	if diff := gocmp.Diff(kept, directories(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestConfigIsRefused(t *testing.T) {
	good := DefaultConfig()
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	auth := Class{Name: "auth", Filter: parse(t, "facility:auth")}
	for want, change := range map[string]func(*Config){
		"retention: less than an hour":              func(c *Config) { c.Retention = time.Minute },
		"max_bytes: less than 64 MiB":               func(c *Config) { c.MaxBytes = 1 },
		"when_full: \"stop\" is neither":            func(c *Config) { c.WhenFull = "stop" },
		"classes: 2: name: \"auth\" is there twice": func(c *Config) { c.Classes = []Class{auth, auth} },
		"classes: 1: name: \"../x\" is not made":    func(c *Config) { c.Classes = []Class{{Name: "../x", Filter: auth.Filter}} },
		"classes: 1: name: \"default\" is not made": func(c *Config) { c.Classes = []Class{{Name: "default", Filter: auth.Filter}} },
		"classes: 1: filter: it is missing":         func(c *Config) { c.Classes = []Class{{Name: "x"}} },
		"classes: 1: retention: less than an hour":  func(c *Config) { c.Classes = []Class{{Name: "x", Filter: auth.Filter, Retention: 1}} },
		"classes: 1: max_bytes: less than 64 MiB":   func(c *Config) { c.Classes = []Class{{Name: "x", Filter: auth.Filter, MaxBytes: 1}} },
		"classes: 17 of them, at most 16":           func(c *Config) { c.Classes = make([]Class, 17) },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// smallDisk tells how much is free as the test has it.
type smallDisk struct {
	seglog.OS
	free atomic.Int64
}

// Free implements seglog.FS.
func (d *smallDisk) Free(string) (int64, error) { return d.free.Load(), nil }

// TestFullDisk fills the disk: messages are refused, or the oldest day goes to
// make room for them. Here that gives none, so that the others stay.
func TestFullDisk(t *testing.T) {
	for _, policy := range []WhenFull{Refuse, DropOldest} {
		dir, disk := t.TempDir(), &smallDisk{}
		disk.free.Store(1 << 30)
		o := Options{Config: Config{Retention: 1000 * time.Hour, MaxBytes: 1 << 30, WhenFull: policy}, FS: disk}
		s, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		for day := range 3 {
			put(t, s, line(fmt.Sprint("message ", day), start.AddDate(0, 0, day)))
			if err := s.Seal(); err != nil {
				t.Fatal(err)
			}
		}
		disk.free.Store(1 << 20)
		err = s.Put(t.Context(), []syslog.Message{line("one more", start.AddDate(0, 0, 2))})
		if !errors.Is(err, seglog.ErrFull) {
			t.Errorf("%s: %v", policy, err)
		}
		want := map[WhenFull]int{Refuse: 3, DropOldest: 2}[policy]
		if got := search(t, s, syslogd.Query{}); len(got) != want {
			t.Errorf("%s: %q", policy, got)
		}
		s.Close()
		if s, err = Open(dir, o); err != nil {
			t.Fatalf("%s: a full disk keeps the store from starting: %v", policy, err)
		}
		disk.free.Store(1 << 30)
		put(t, s, line("one more", start.AddDate(0, 0, 2)))
		if got := search(t, s, syslogd.Query{}); len(got) != want+1 {
			t.Errorf("%s: with room again: %q", policy, got)
		}
		s.Close()
	}
}

// fourDays is a store with a day of a message each, which may drop them.
func fourDays(t *testing.T) (s *Store, dir string, disk *smallDisk) {
	t.Helper()
	dir, disk = t.TempDir(), &smallDisk{}
	disk.free.Store(1 << 30)
	s, err := Open(dir, Options{Config: Config{Retention: 1000 * time.Hour, MaxBytes: 1 << 30, WhenFull: DropOldest}, FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for day := range 4 {
		put(t, s, line(fmt.Sprint("message ", day), start.AddDate(0, 0, day)))
	}
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	return s, dir, disk
}

// TestRoomIsMade lets each dropped day free as much as a disk would.
func TestRoomIsMade(t *testing.T) {
	s, dir, disk := fourDays(t)
	disk.free.Store(1 << 20)
	s.o.FS = freed{dir: filepath.Join(dir, "chunks"), days: 4, OS: disk.OS}
	s.makeRoom()
	if got := directories(t, dir); len(got) != 2 {
		t.Errorf("%q are left; two had to go", got)
	}
}

// TestNoRoomIsMade: where the oldest day cannot be removed the others stay, and
// so does it.
func TestNoRoomIsMade(t *testing.T) {
	s, dir, disk := fourDays(t)
	s.dirs.sweep(0)
	chunks := filepath.Join(dir, "chunks")
	if err := os.Rename(chunks, chunks+"-moved"); err != nil {
		t.Fatal(err)
	}
	disk.free.Store(1 << 20)
	s.makeRoom()
	if got := s.Stats(); got.Messages != 4 {
		t.Errorf("%d messages are left of 4", got.Messages)
	}
	if err := os.Rename(chunks+"-moved", chunks); err != nil {
		t.Fatal(err)
	}
}

// freed is a disk on which there is room once two directories are gone.
type freed struct {
	seglog.OS
	dir  string
	days int
}

// Free implements seglog.FS.
func (f freed) Free(string) (int64, error) {
	entries, err := os.ReadDir(f.dir)
	return int64(f.days-len(entries)) * (60 << 20), err
}
