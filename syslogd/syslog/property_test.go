package syslog

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func received() time.Time { return time.Date(2026, 10, 12, 0, 0, 0, 0, time.UTC) }

// framing is what may stand in front of the text of a message that has no
// header but perhaps a PRI.
const framing = "<>0123456789 \t\r\n\x00" + bom

// check tests what holds for every line: it is kept whole, its end is the
// text, every field is a part of the rest in order, and, where there is no
// header, what no field explains is no more than framing.
func check(t fataler, line string) {
	t.Helper()
	sender := netip.MustParseAddr("192.0.2.7")
	m := Parse(line, received(), sender)
	if m.Raw != line || m.Sender != sender || m.Received != received() || !strings.HasSuffix(line, m.Text) {
		t.Fatalf("%q: text %q", line, m.Text)
	}
	header := line[:len(line)-len(m.Text)]
	for _, field := range []string{m.Host, m.App, m.PID, m.MsgID, m.SD} {
		before, after, ok := strings.Cut(header, field)
		if !ok {
			t.Fatalf("%q: field %q is not in its place", line, field)
		}
		if m.Format == Raw && strings.Trim(before, framing) != "" {
			t.Fatalf("%q: %q is lost", line, before)
		}
		header = after
	}
	if m.Format == Raw && strings.Trim(header, framing) != "" {
		t.Fatalf("%q: %q is lost", line, header)
	}
	if m.Severity > Debug || m.Facility > 23 || m.SD != "" && sdEnd(m.SD) != len(m.SD) {
		t.Fatalf("%q: %v.%v %s", line, m.Facility, m.Severity, m.SD)
	}
	if y := m.Time.Year(); !m.Time.IsZero() && (y < -1 || y > 10000) {
		t.Fatalf("%q: %v", line, m.Time)
	}
	if again := Parse(line, received(), sender); again != m {
		t.Fatalf("%q: %+v, then %+v", line, m, again)
	}
}

// lines are made of what lines are made of, in the order of a header, with
// parts missing or there twice.
func lines() *rapid.Generator[string] {
	parts := [][]string{
		{"", "\n", " ", "26 ", bom},
		{"<13>", "<165>", "<0>", "<192>", "<1>", "", "<", "<13"},
		{"", " ", ":", ": ", "45: ", bom, "1 ", "1 ", "2 "},
		{
			"Oct 11 22:14:15", "Oct  1 22:14:15", "*Oct 11 22:14:15.003", "2026-10-11T22:14:15.003Z", "2026-10-11T22:14:15+02:00",
			"2026 Oct 11 22:14:15", "Oct 11 2026 22:14:15", "Feb 29 22:14:15", "-", "", "1791756855.003", "00:00:46", "Sun Oct 11 22:14:15 2026",
		},
		{"", " ", " ", " ", "  ", ": ", "\t", " CEST ", " 2026 "},
		{"h", "10.0.0.7", "fe80::1", "-", "", "my host", "gerät", `("U7,1")`, "router1: 45: ", "Message forwarded from h: ", "[10.0.0.7]", "INFO"},
		{" ", " ", "  ", ": ", ""},
		{"su[7]:", "su:", "su", "su[7]", "%SYS-5-X:", "notice su[7]:", "a 7 ID47", "a 7 -", "a - - -", "", "45:", "daemon.info su:"},
		{" ", " ", "", " - ", ` [a@1 k="v"] `, ` [a@1 k="v][b] `, " " + bom},
		{"text", "", "one\ntwo", "a\x00b", "caf\xe9", "- -", "x: y", "[a] b"},
	}
	return rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		for i, p := range parts {
			b.WriteString(rapid.SampledFrom(p).Draw(t, fmt.Sprint(i)))
		}
		if rapid.IntRange(0, 3).Draw(t, "garbled") > 0 {
			return b.String()
		}
		line := []byte(b.String())
		for range rapid.IntRange(1, 4).Draw(t, "bytes") {
			if len(line) > 0 {
				line[rapid.IntRange(0, len(line)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
			}
		}
		return string(line)
	})
}

func TestParseProperties(t *testing.T) {
	gen := lines()
	rapid.Check(t, func(t *rapid.T) {
		line := gen.Draw(t, "line")
		check(t, line)
		roundTrip(t, line)
		stable(t, line)
	})
}

func FuzzParse(f *testing.F) {
	for _, line := range seeds(f) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) { check(t, line) })
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

// FuzzSD: what is taken for structured data is read again as it was written,
// and every parameter comes from it, in its order.
func FuzzSD(f *testing.F) {
	for _, line := range seeds(f) {
		if m := Parse(line, received(), netip.Addr{}); m.SD != "" {
			f.Add(m.SD)
		}
	}
	for _, sd := range []string{`[a]`, `[a k="v"`, `[a k="\"]`, `[a k="\]\"\\"][b]`, `[]`, `[a k= "v"]`, "[a k=\"\x00\n\"]"} {
		f.Add(sd)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := sdEnd(s)
		if again := sdEnd(s[:n]); again != n {
			t.Fatalf("%q: %d, then %d", s, n, again)
		}
		rest := s
		for p := range SDParams(s) {
			_, after, ok := strings.Cut(rest, p.Name+`="`+p.Raw+`"`)
			if !ok || p.Name == "" || p.ID == "" {
				t.Fatalf("%q: %+v is not in its place", s, p)
			}
			rest = after
			sd := string(append(AppendSDParam([]byte("["+p.ID), p.Name, p.Value()), ']'))
			if sdEnd(sd) != len(sd) {
				t.Fatalf("%q: %q is not well formed", s, sd)
			}
			for q := range SDParams(sd) {
				if q.ID != p.ID || isPlain(p.Name) && q.Name != p.Name || q.Value() != p.Value() {
					t.Fatalf("%q: %+v, want %+v", sd, q, p)
				}
			}
		}
	})
}
