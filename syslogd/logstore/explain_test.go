package logstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rondo/syslogd"
	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/syslog"
)

var (
	_ syslogd.Explainer = (*Store)(nil)
	_ syslogd.Locator   = (*Store)(nil)
)

func TestExplain(t *testing.T) {
	s := open(t, t.TempDir(), Options{apart: true})
	for i := range 6 { // a chunk each, the last one open
		at := start.Add(time.Duration(i) * 2 * time.Hour)
		severity := 14 // user.info
		if i == 3 {
			severity = 11 // user.err
		}
		put(t, s, line(fmt.Sprintf("<%d>1 - web%d shop - - - request a9f%d took %d ms", severity, i, 100+i, i), at),
			line(fmt.Sprintf("<14>1 - web%d cron - - - rotated", i), at.Add(time.Second)))
		if i < 5 {
			if err := s.Seal(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, x := range []struct {
		name, filter string
		q            syslogd.Query
		want         syslogd.Plan
	}{
		{"all is counted", "", syslogd.Query{}, syslogd.Plan{Chunks: 6, Counted: 6, Matches: 12}},
		{"time", "took", syslogd.Query{From: start.Add(3 * time.Hour), To: start.Add(5 * time.Hour)}, syslogd.Plan{Chunks: 6, ByTime: 5, Counted: 1, Matches: 1}},
		{"severity", "severity=err took", syslogd.Query{}, syslogd.Plan{Chunks: 6, BySeverity: 4, ByTypes: 1, Counted: 1, Matches: 1}},
		{"filter", "a9f103", syslogd.Query{}, syslogd.Plan{Chunks: 6, ByFilter: 4, Read: 2, Rows: 4, Rendered: 1, Matches: 1}},
		{"types", "vanished", syslogd.Query{}, syslogd.Plan{Chunks: 6, ByFilter: 5, ByTypes: 1}},
		{"limit", "rotated", syslogd.Query{Limit: 1}, syslogd.Plan{Chunks: 6, Read: 1, Unneeded: 5, Rows: 2, Matches: 1}},
		{"regex", "/took [0-9] ms/", syslogd.Query{}, syslogd.Plan{Chunks: 6, Read: 6, Rows: 12, Rendered: 6, Matches: 6}},
	} {
		x.q.Filter = parse(t, x.filter)
		got, err := s.Explain(t.Context(), x.q, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(x.want, got, cmpopts.IgnoreFields(syslogd.Plan{}, "Took")); diff != "" {
			t.Errorf("%s: %s", x.name, diff)
		}
	}
}

// TestContext finds each of many messages, some of one millisecond, sealed or
// not, with what came before and after it.
func TestContext(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	dir := t.TempDir()
	s := open(t, dir, Options{ChunkBytes: 3000})
	m := &model{}
	now := start
	for i := range 60 {
		now = now.Add(time.Duration(r.IntN(3)) * time.Millisecond)
		text := fmt.Sprintf("<14>1 - web%d shop - - - %d %s", r.IntN(3), i, logtest.Word(r))
		batch := []syslog.Message{syslog.Parse(text, now, netip.Addr{})}
		put(t, s, batch...)
		m.add(batch)
	}
	check := func(step string) {
		t.Helper()
		for i := range m.all {
			own := r.IntN(2) == 0
			before, after := r.IntN(6), r.IntN(6)
			got, err := s.Context(t.Context(), syslogd.IDOf(&m.all[i]), before, after, own)
			if err != nil {
				t.Fatal(step, i, err)
			}
			if diff := gocmp.Diff(m.context(i, before, after, own), texts(got)); diff != "" {
				t.Fatalf("%s: message %d, %d before, %d after, own host %v: %s", step, i, before, after, own, diff)
			}
		}
	}
	check("some sealed")
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	check("sealed")
	s.Close()
	s = open(t, dir, Options{ChunkBytes: 3000})
	check("opened again")
	absent := line("<14>1 - web1 shop - - - never stored", start)
	if _, err := s.Context(t.Context(), syslogd.IDOf(&absent), 1, 1, true); !errors.Is(err, syslogd.ErrNoMessage) {
		t.Errorf("absent: %v", err)
	}
	if _, err := s.Context(context.Background(), "no id", 1, 1, true); err == nil {
		t.Error("no id is taken")
	}
}

// context is what Context says, as texts; the message itself is in brackets.
func (m *model) context(i, before, after int, ownHost bool) []string {
	out := []string{"[" + m.all[i].Raw + "]"}
	for k := i - 1; k >= 0 && before > 0; k-- {
		if !ownHost || m.all[k].Origin() == m.all[i].Origin() {
			out = append([]string{m.all[k].Raw}, out...)
			before--
		}
	}
	for k := i + 1; k < len(m.all) && after > 0; k++ {
		if !ownHost || m.all[k].Origin() == m.all[i].Origin() {
			out = append(out, m.all[k].Raw)
			after--
		}
	}
	return out
}

func texts(c syslogd.Context) (out []string) {
	for _, m := range c.Before {
		out = append(out, m.Raw)
	}
	out = append(out, "["+c.Message.Raw+"]")
	for _, m := range c.After {
		out = append(out, m.Raw)
	}
	return out
}
