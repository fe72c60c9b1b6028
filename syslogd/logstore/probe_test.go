package logstore

import (
	"errors"
	"strings"
	"testing"

	"rondo/rrd/seglog"
	"rondo/syslogd"
)

// TestProbe wants probes to be on the device, and nowhere else: in no search,
// in no chunk, not after a restart, and not for ever.
func TestProbe(t *testing.T) {
	dir := t.TempDir()
	o := Options{SegmentBytes: 4 << 10}
	s := open(t, dir, o)
	put(t, s, line("<14>1 - web1 shop - - - order", start))
	if err := s.Probe(t.Context(), "tweet"); err != nil {
		t.Fatal(err)
	}
	if synced, end := s.log.Synced(), s.log.End(); synced != end {
		t.Errorf("synced up to %d of %d", synced, end)
	}
	check := func(step string) {
		t.Helper()
		if got := search(t, s, syslogd.Query{}); len(got) != 1 || s.Stats().Messages != 1 || s.Stats().Unreadable != 0 {
			t.Errorf("%s: %q, %+v", step, got, s.Stats())
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
	for range 30 {
		if err := s.Probe(t.Context(), strings.Repeat("tweet", 200)); err != nil {
			t.Fatal(err)
		}
	}
	if size := s.log.End() - s.log.First(); size > 3*4<<10 {
		t.Errorf("%d bytes of probes lie in the log", size)
	}
	check("cut")
	s.Close()
	if err := s.Probe(t.Context(), "tweet"); !errors.Is(err, ErrClosed) {
		t.Errorf("of a closed store: %v", err)
	}
}

// TestProbeIsRefused wants a full disk to refuse probes as it does messages.
func TestProbeIsRefused(t *testing.T) {
	s, err := Open(t.TempDir(), Options{ReserveBytes: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Probe(t.Context(), "tweet"); !errors.Is(err, seglog.ErrFull) {
		t.Errorf("error %v", err)
	}
}
