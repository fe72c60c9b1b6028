package jsonl

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/syslogd/syslog"
)

var compare = cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}

func received() time.Time { return time.Date(2026, 10, 11, 22, 14, 16, 2e6, time.UTC) }

func lines() []string {
	return []string{
		`<34>1 2026-10-11T22:14:15.003Z web-1 su 77 ID47 [a@1 k="v\"]"] 'su root' failed`,
		"<34>Oct 11 22:14:15 web-1 su[77]: caf\xe9 \x1b[31m\x00\u0085 \"quoted\" \\ \U0001f480",
		"no header", "", "\n\t\r", "\xed\xb2\x80", `\udc80`,
	}
}

func TestAppend(t *testing.T) {
	m := syslog.Parse(lines()[0], received(), netip.MustParseAddr("10.0.0.7"))
	want := `{"time":"2026-10-11T22:14:15.003Z","received":"2026-10-11T22:14:16.002Z","host":"web-1","app":"su","pid":"77","msgid":"ID47",` +
		`"facility":"auth","severity":"crit","sender":"10.0.0.7","sd":"[a@1 k=\"v\\\"]\"]","message":"'su root' failed",` +
		`"raw":"<34>1 2026-10-11T22:14:15.003Z web-1 su 77 ID47 [a@1 k=\"v\\\"]\"] 'su root' failed","format":"rfc5424"}`
	if diff := cmp.Diff(want, string(Append(nil, &m))); diff != "" {
		t.Error(diff)
	}
}

// roundTrip writes a message and reads it again.
func roundTrip(t interface{ Fatalf(string, ...any) }, m syslog.Message) {
	line := Append(nil, &m)
	if !json.Valid(line) || strings.ContainsAny(string(line), "\n\r\x1b") {
		t.Fatalf("%q", line)
	}
	got, err := Parse(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if diff := cmp.Diff(m, got, compare); diff != "" {
		t.Fatalf("%s: %s", line, diff)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, line := range lines() {
		roundTrip(t, syslog.Parse(line, received(), netip.Addr{}))
	}
	rapid.Check(t, func(t *rapid.T) {
		word := func(label string) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, label)) }
		m := syslog.Message{
			Raw: word("raw"), Format: syslog.Format(rapid.IntRange(0, 2).Draw(t, "format")),
			Facility: syslog.Facility(rapid.IntRange(0, 31).Draw(t, "facility")), Severity: syslog.Severity(rapid.IntRange(0, 7).Draw(t, "severity")),
			HasPRI: rapid.Bool().Draw(t, "pri"), Truncated: rapid.Bool().Draw(t, "truncated"),
			Received: received(), Host: word("host"), App: word("app"), PID: word("pid"), MsgID: word("msgid"), SD: word("sd"), Text: word("text"),
		}
		if rapid.Bool().Draw(t, "timed") {
			m.Time = time.Unix(0, rapid.Int64().Draw(t, "time")).UTC()
		}
		if rapid.Bool().Draw(t, "sent") {
			m.Sender = netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "sender")))
		}
		roundTrip(t, m)
	})
}

func TestParse(t *testing.T) {
	for line, want := range map[string]string{
		`{"message":"x"}`: "user notice x",
		`{"message":"\ud83d\udc80 \ud83d","pid":7}`:                               "user notice \U0001f480 \ufffd",
		`{"message":"x","severity":"warn","other":{"a":[1]},"facility":"local7"}`: "local7 warning x",
		`{"raw":"x"}`:                       "jsonl: the object has no member message",
		`{"message":"x","severity":"loud"}`: `jsonl: severity: severity "loud": want emerg, alert, crit, err, warning, notice, info, debug or 0-7`,
		`{"message":{}}`:                    "jsonl: message: want a string",
		`nothing`:                           "jsonl: no JSON",
		`[1]`:                               "jsonl: want an object", `7`: "jsonl: want an object", `{}`: "jsonl: the object has no member message",
		` { "a" : [ {"message":"y"} , "]" , 1.5e3 ] , "message" : "x" , "pid" : -7 , "host" : null , "b" : true } `: "user notice x",
	} {
		m, err := Parse([]byte(line))
		got := m.Facility.String() + " " + m.Severity.String() + " " + m.Text
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range lines() {
		m := syslog.Parse(line, received(), netip.Addr{})
		f.Add(Append(nil, &m))
	}
	f.Add([]byte(`{"message":"\ud83d\udc80\ud83d\u00e9\u12","pid":7,"sender":"::1%a"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := Parse(line)
		var object map[string]any
		if isObject := json.Unmarshal(line, &object) == nil && object != nil; !isObject && err == nil {
			t.Fatalf("%q is taken", line)
		}
		if err != nil {
			return
		}
		if !m.Time.IsZero() && (m.Time.Year() < 0 || m.Time.Year() > 9999) {
			return // its zone took it beyond what can be written
		}
		if m.Received.Year() < 0 || m.Received.Year() > 9999 {
			return
		}
		roundTrip(t, m)
	})
}

func BenchmarkAppend(b *testing.B) {
	m := syslog.Parse(lines()[0], received(), netip.MustParseAddr("10.0.0.7"))
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], &m)
	}
}

func BenchmarkParse(b *testing.B) {
	m := syslog.Parse(lines()[0], received(), netip.MustParseAddr("10.0.0.7"))
	line := Append(nil, &m)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(line); err != nil {
			b.Fatal(err)
		}
	}
}
