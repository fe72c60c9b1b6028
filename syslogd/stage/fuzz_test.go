package stage

import (
	"strings"
	"testing"

	"rondo/syslogd/syslog"
)

// corpus are lines as programs write them.
func corpus(f *testing.F) {
	for _, m := range typical() {
		f.Add(m.Raw, "hunter2")
	}
	for _, text := range []string{
		`CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|10|src=10.0.0.1 dst=2.1.2.2 spt=1232 msg=password\=hunter2 suser=ann@example.com`,
		`<134>CEF:0|Palo Alto Networks|PAN-OS|8.0|end|TRAFFIC|1|rt=Oct 11 2026 22:14:15 GMT request=https://ann:hunter2@x/ cs1Label=Rule cs1=allow all`,
		`127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif?token=hunter2 HTTP/1.0" 200 2326 "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"`,
		`www.example.com:443 ::1 - - [10/Oct/2000:13:55:36 -0700] "\x16\x03\x01" 400 - "-" "-"`,
		`{"log":"{\"user\":\"ann\",\"password\":\"hunter2\"}\n","stream":"stdout","time":"2026-10-11T22:14:15Z"}`,
		`{"a":{"b":[1,{"token":"hunter2"}]},"card":4111111111111111,"u":"\ud83d\ude00\u0041"}`,
		`level=error msg="dial \"x\": token=hunter2" aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY url="https://a:b%40c@d/?p=%7B%22pwd%22:1}"`,
		`ann,"a, ""b""",17,,"open`,
		`<13>1 - h a - - [x@1 password="hun\]ter\"2"][y] --password 'hunter2' Authorization: Bearer hunter2hunter2`,
	} {
		f.Add(text, "hunter2")
	}
}

// FuzzRedact: what a password field is known to hold is in no field
// afterwards, what is redacted stays as it is, and structured data well formed.
func FuzzRedact(f *testing.F) {
	corpus(f)
	p, err := New([]Config{{Redact: &RedactConfig{Patterns: patterns(), Regexes: []string{`order-(\d+)`}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, secret string) {
		m := line(text)
		formed := wellFormed(m.SD)
		out := p.Apply(start, []syslog.Message{m})[0]
		if formed && !wellFormed(out.SD) {
			t.Fatalf("%q\n%q", m.SD, out.SD)
		}
		if len(secret) < shortSecret || len(secret) > 100 || strings.ContainsAny(secret, "\"\\ \r\n*") || strings.Contains(defaultReplacement, secret) ||
			(&redact{replacement: defaultReplacement}).harmless(secret) {
			return
		}
		m = line(`<13>1 - h a - - [x@1 password="` + strings.ReplaceAll(secret, "]", `\]`) + `"] ` + text)
		out = p.Apply(start, []syslog.Message{m})[0]
		for _, field := range texts(&out) {
			if strings.Contains(*field, secret) {
				t.Fatalf("%q is in %q of %q", secret, *field, m.Raw)
			}
		}
	})
}

// wellFormed reports whether all of sd are elements.
func wellFormed(sd string) bool {
	n := 0
	for _, element := range syslog.SDElements(sd) {
		n += len(element)
	}
	return n == len(sd)
}

// FuzzParse: each format takes any text, adds well-formed structured data
// within its bounds, and leaves everything else.
func FuzzParse(f *testing.F) {
	corpus(f)
	var pipes []*Pipe
	for _, c := range []ParseConfig{
		{Format: "kv"}, {Format: "json"}, {Format: "apache"}, {Format: "csv", Columns: []string{"a", "b", "", "c"}},
		{Format: "pattern", Pattern: "=<value> <*rest>"},
	} {
		c.MaxFields, c.MaxBytes = 8, 512
		p, err := New([]Config{{Parse: &c}})
		if err != nil {
			f.Fatal(err)
		}
		pipes = append(pipes, p)
	}
	f.Fuzz(func(t *testing.T, text, sd string) {
		m := line(text)
		if m.SD = sd; !wellFormed(sd) {
			m.SD = ""
		}
		for _, p := range pipes {
			out := p.Apply(start, []syslog.Message{m})[0]
			if !wellFormed(out.SD) || len(out.SD) > len(m.SD)+2*512+100 {
				t.Fatalf("%q", out.SD)
			}
			for id, element := range syslog.SDElements(m.SD) {
				if inside := element[:len(element)-1]; !strings.Contains(out.SD, inside) {
					t.Fatalf("%s of %q is lost in %q", id, m.SD, out.SD)
				}
			}
			out.SD = m.SD
			if out != m {
				t.Fatalf("%v\n%v", m, out)
			}
		}
	})
}
