package syslogd

import (
	"net/netip"
	"testing"
	"time"

	"rondo/syslogd/syslog"
)

func TestID(t *testing.T) {
	at := time.Date(2026, 11, 19, 10, 0, 0, 123e6, time.UTC)
	sender := netip.MustParseAddr("10.0.0.9")
	m := syslog.Parse("<11>Nov 19 10:00:00 web1 nginx[7]: upstream timed out", at, sender)
	// Links are kept for years: the ID of a line never changes.
	const want = ID("mwndpojf-38s4dhr4ktwl")
	id := IDOf(&m)
	if id != want {
		t.Errorf("ID %q, want %q", id, want)
	}
	if got, err := id.Received(); err != nil || !got.Equal(at) {
		t.Errorf("received %v, %v", got, err)
	}
	other := []syslog.Message{
		syslog.Parse("<11>Nov 19 10:00:00 web1 nginx[7]: upstream timed oud", at, sender),
		syslog.Parse("<11>Nov 19 10:00:00 web1 nginx[7]: upstream timed out", at.Add(time.Millisecond), sender),
		syslog.Parse("<11>Nov 19 10:00:00 web1 nginx[7]: upstream timed out", at, netip.MustParseAddr("10.0.0.8")),
	}
	for _, m := range other {
		if IDOf(&m) == id {
			t.Errorf("%q has the same ID", m.Raw)
		}
	}
}

func TestIDIsRefused(t *testing.T) {
	for _, s := range []ID{"", "-", "abc", "mwndpojf-", "-1q2w", "mwndpojf-!", "zzzzzzzzzzzz-1", "mwndpojf-1-2", "-5-1"} {
		if at, err := s.Received(); err == nil {
			t.Errorf("%q is of %v", s, at)
		}
	}
}
