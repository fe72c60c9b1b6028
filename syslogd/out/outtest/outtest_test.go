package outtest

import (
	"strings"
	"testing"

	"rondo/syslogd/syslog"
)

// The destination in memory is one like all others.
func TestMemory(t *testing.T) {
	for _, portion := range []int{1, 7, 1000} {
		Run(t, func(*testing.T) *Subject { return subject(NewMemory(portion)) })
	}
}

func subject(d *Memory) *Subject {
	return &Subject{
		Destination: d, Cut: d.Cut, Stall: d.Stall,
		Down: func() { d.SetDown(true) }, Up: func() { d.SetDown(false) },
		Received: func() (all []Arrival) {
			messages, keys := d.Messages()
			for i := range messages {
				all = append(all, Arrival{messages[i].Text, keys[i]})
			}
			return all
		},
	}
}

// A session may be cut behind any message, those within a portion too.
func TestMemoryThatBreaks(t *testing.T) {
	for _, portion := range []int{1, 7, 100} {
		d := NewMemory(portion)
		d.Lasts = 500
		cuts(&driver{t: t, Subject: subject(d)})
	}
}

// What the other side wants nothing of is settled, and counted.
func TestMemoryRefuses(t *testing.T) {
	d := NewMemory(10)
	d.Refuse = func(m *syslog.Message) bool { return strings.HasPrefix(m.Text, "message 1") }
	s, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	batch, _ := batchOf(0, 20)
	if err := s.Send(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if n, refused := s.Settled(); n != 20 || refused != 11 {
		t.Errorf("%d settled, %d refused", n, refused)
	}
	if messages, _ := d.Messages(); len(messages) != 9 {
		t.Errorf("%d have arrived", len(messages))
	}
}
