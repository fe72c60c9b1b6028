package logstore

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rondo/syslogd"
	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/syslog"
)

// TestMerge seals a message or two at a time: there are few chunks at any time,
// and all that was stored, also after a restart.
func TestMerge(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	dir, m := t.TempDir(), &model{}
	s := open(t, dir, Options{})
	check := func(step string) {
		t.Helper()
		var want []string
		for _, x := range m.matches(syslogd.Query{}) {
			want = append(want, plain(&x))
		}
		if diff := gocmp.Diff(want, search(t, s, syslogd.Query{})); diff != "" {
			t.Fatalf("%s: %s", step, diff)
		}
	}
	for i := range 40 {
		var batch []syslog.Message
		for range 1 + r.IntN(2) {
			batch = append(batch, syslog.Parse(logtest.Line(r), start.Add(time.Duration(i)*time.Second), netip.Addr{}))
		}
		put(t, s, batch...)
		m.add(batch)
		if err := s.Seal(); err != nil {
			t.Fatal(err)
		}
		if n := s.Stats().Chunks; n > 12 {
			t.Fatalf("%d chunks after %d were sealed", n, i+1)
		}
	}
	check("merged")
	before := s.Stats()
	s.Close()
	s = open(t, dir, Options{})
	check("opened again")
	if diff := gocmp.Diff(before, s.Stats()); diff != "" {
		t.Error(diff)
	}
}

// TestSearchDuringMerge: a search that began before goes on with what it has.
func TestSearchDuringMerge(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for i := range 3 {
		put(t, s, line(fmt.Sprint("message ", i), start.Add(time.Duration(i)*time.Hour)))
		if err := s.Seal(); err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	for m, err := range s.Search(t.Context(), syslogd.Query{Oldest: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if got++; got == 1 {
			put(t, s, line("message 3", start.Add(3*time.Hour)))
			if err := s.Seal(); err != nil {
				t.Fatal(err)
			}
		}
		if want := fmt.Sprint("message ", got-1); m.Raw != want {
			t.Errorf("%q, want %q", m.Raw, want)
		}
	}
	if st := s.Stats(); got != 3 || st.Chunks != 1 || st.Quarantined != 0 {
		t.Errorf("%d messages, stats %+v", got, st)
	}
}

// TestMergeLeavesFull: chunks that are full stay as they are.
func TestMergeLeavesFull(t *testing.T) {
	s := open(t, t.TempDir(), Options{ChunkBytes: 500})
	for i := range 100 {
		put(t, s, line(fmt.Sprintf("message %04d of some length", i), start))
	}
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().Chunks; n < 5 {
		t.Errorf("%d chunks", n)
	}
}
