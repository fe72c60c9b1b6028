package syslog

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func received() time.Time { return time.Date(2026, 10, 12, 0, 0, 0, 0, time.UTC) }

// check tests what holds for every line: it is kept whole, its end is the
// text, every field is a part of the rest in order, and what no field explains
// is no more than the punctuation of headers.
func check(t *testing.T, line string) {
	t.Helper()
	m := Parse(line, received(), netip.Addr{})
	if m.Raw != line || !strings.HasSuffix(line, m.Text) {
		t.Fatalf("%q: text %q", line, m.Text)
	}
	header := line[:len(line)-len(m.Text)]
	for _, field := range []string{m.Host, m.App, m.PID, m.MsgID, m.SD} {
		before, after, ok := strings.Cut(header, field)
		if !ok {
			t.Fatalf("%q: field %q is not in its place", line, field)
		}
		if m.Format == Raw && strings.Trim(before, "<>0123456789"+bom) != "" {
			t.Fatalf("%q: %q is lost", line, before)
		}
		header = after
	}
	if m.Format == Raw && strings.Trim(header, "<>0123456789"+bom) != "" {
		t.Fatalf("%q: %q is lost", line, header)
	}
	if m.Severity > Debug || m.Facility > 23 {
		t.Fatalf("%q: %v.%v", line, m.Facility, m.Severity)
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range seeds(f) {
		f.Add(line)
	}
	f.Fuzz(check)
}

func TestParseAllocatesNothing(t *testing.T) {
	for _, line := range seeds(t) {
		if n := testing.AllocsPerRun(10, func() { Parse(line, received(), netip.Addr{}) }); n > 0 {
			t.Errorf("%q: %v allocations", line, n)
		}
	}
}

// days and validDate must agree with package time for every day.
func TestDays(t *testing.T) {
	for at := time.Date(1890, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2410; at = at.AddDate(0, 0, 1) {
		y, m, d := at.Date()
		if got := int64(days(y, int(m), d)) * 86400; got != at.Unix() || !validDate(y, int(m), d) {
			t.Fatalf("%v: %d, want %d", at, got, at.Unix())
		}
	}
}

func TestSDElement(t *testing.T) {
	f := func(sd, id, want string) {
		t.Helper()
		if got := SDElement(sd, id); got != want {
			t.Errorf("%s of %s: got %q, want %q", id, sd, got, want)
		}
	}
	f(`[a@1 k="v" l][b k="x"]`, "b", "")
	f(`[a@1 k="v\]" l="2"][b k="x"]`, "a@1", `k="v\]" l="2"`)
	f(`[a@1 k="v\]" l="2"][b k="x"]`, "b", `k="x"`)
	f(`[a@1][b  k="x" ]`, "b", `k="x" `)
	f(`[a@1]`, "a@1", "")
	f(`[a@1]`, "k", "")
	f(`-`, "k", "")
}

func TestSDParams(t *testing.T) {
	var got []string
	for p := range SDParams(`[a@1 k="1" q="x\"y\]z\\\n"][b  k="2" ][c][broken k=]`) {
		got = append(got, p.ID+"."+p.Name+"="+p.Value())
	}
	if want := `a@1.k=1 a@1.q=x"y]z\\n b.k=2`; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}
