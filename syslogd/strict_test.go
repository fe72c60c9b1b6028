package syslogd

import (
	"fmt"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gosyslog "github.com/influxdata/go-syslog/v3"
	"github.com/influxdata/go-syslog/v3/rfc3164"
	"github.com/influxdata/go-syslog/v3/rfc5424"
	"pgregory.net/rapid"

	"rondo/syslogd/syslog"
)

func received() time.Time { return time.Date(2026, 10, 12, 0, 0, 0, 0, time.UTC) }

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// compare holds our parser to go-syslog's for a line that it accepts.
func compare(t fataler, line string, base gosyslog.Base) {
	m := syslog.Parse(line, received(), netip.Addr{})
	check := func(what string, got, want any) {
		if got != want {
			t.Fatalf("%q: %s is %q, want %q", line, what, got, want)
		}
	}
	check("facility", uint8(m.Facility), *base.Facility)
	check("severity", uint8(m.Severity), *base.Severity)
	check("host", m.Host, text(base.Hostname))
	check("app", m.App, text(base.Appname))
	check("pid", m.PID, text(base.ProcID))
	check("msgid", m.MsgID, text(base.MsgID))
	check("text", m.Text, strings.TrimPrefix(text(base.Message), "\ufeff"))
	if base.Timestamp == nil {
		check("time", m.Time, time.Time{})
		return
	}
	want := *base.Timestamp
	if want.Year() == 0 { // no year in the line: compare the rest
		want = want.AddDate(m.Time.Year(), 0, 0)
	}
	check("time", m.Time.UTC(), want.UTC())
}

// Whatever go-syslog accepts as RFC 5424, we read alike, in all fields, but for
// what it gets wrong: it keeps the byte order mark in the text.
func TestParseEqualsGoSyslogRFC5424(t *testing.T) {
	machine := rfc5424.NewMachine()
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		line := draw5424(t)
		got, err := machine.Parse([]byte(line))
		if err != nil || got == nil {
			t.Skip(err)
		}
		accepted++
		message := got.(*rfc5424.SyslogMessage)
		compare(t, line, message.Base)
		compareSD(t, line, message)
	})
	if accepted == 0 {
		t.Error("go-syslog accepted nothing: the property is empty")
	}
}

// draw5424 draws lines that are nearly always conforming, up to the longest
// fields that RFC 5424 allows.
func draw5424(t *rapid.T) string {
	field := func(name string, most int) string {
		pattern := fmt.Sprintf(`[!-~]{1,%d}|[!-~]{1,8}|-`, most)
		return rapid.StringMatching(pattern).Draw(t, name)
	}
	line := fmt.Sprintf("<%d>%d %s %s %s %s %s %s", rapid.IntRange(0, 191).Draw(t, "pri"), rapid.SampledFrom([]int{1, 1, 1, 2, 12, 999}).Draw(t, "version"),
		rapid.StringMatching(`-|[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])`).Draw(t, "time"),
		field("host", 255), field("app", 48), field("pid", 128), field("msgid", 32),
		rapid.StringMatching(`-|(\[[!#-<>-Z^-~]{1,32}( [!#-<>-Z^-~]{1,32}="([^"\\\]]|\\\]|\\"|\\\\){0,9}"){0,3}\]){1,3}`).Draw(t, "sd"))
	if rapid.Bool().Draw(t, "with text") {
		line += " " + rapid.StringMatching("(\ufeff)?[ -~é\t\n\x00]{0,20}").Draw(t, "text")
	}
	return line
}

// compareSD holds the structured data to go-syslog's, which has neither order
// nor duplicates: the last parameter of a name stands for all.
func compareSD(t fataler, line string, message *rfc5424.SyslogMessage) {
	m := syslog.Parse(line, received(), netip.Addr{})
	got := map[string]map[string]string{}
	for p := range syslog.SDParams(m.SD) {
		if got[p.ID] == nil {
			got[p.ID] = map[string]string{}
		}
		got[p.ID][p.Name] = p.Value()
	}
	want := map[string]map[string]string{}
	if message.StructuredData != nil {
		for id, params := range *message.StructuredData {
			if len(params) > 0 {
				want[id] = params
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%q: structured data: %s", line, d)
	}
}

// fataler is what testing.T and rapid.T have in common.
type fataler interface {
	Fatalf(format string, args ...any)
}

// Every line of the case files that go-syslog accepts as RFC 5424 is read
// alike. Its RFC 3164 is too far from what devices send for that: see there.
func TestCasesEqualGoSyslog(t *testing.T) {
	machine, accepted := rfc5424.NewMachine(), 0
	for line := range caseLines(t) {
		got, err := machine.Parse([]byte(line))
		if err != nil || got == nil {
			continue
		}
		accepted++
		message := got.(*rfc5424.SyslogMessage)
		compare(t, line, message.Base)
		compareSD(t, line, message)
	}
	if accepted < 40 {
		t.Errorf("go-syslog accepts %d lines: the test is empty", accepted)
	}
}

// FuzzEqualsGoSyslog: no line is found that both read, and differently.
func FuzzEqualsGoSyslog(f *testing.F) {
	for line := range caseLines(f) {
		f.Add(line)
	}
	machine := rfc5424.NewMachine()
	f.Fuzz(func(t *testing.T, line string) {
		got, err := machine.Parse([]byte(line))
		if err != nil || got == nil {
			return
		}
		message := got.(*rfc5424.SyslogMessage)
		compare(t, line, message.Base)
		compareSD(t, line, message)
	})
}

// caseLines yields the lines of the parser's case files.
func caseLines(t testing.TB) iter.Seq[string] {
	files, err := filepath.Glob("syslog/testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	return func(yield func(string) bool) {
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for s := range strings.Lines(string(data)) {
				quoted, ok := strings.CutPrefix(s, "<- ")
				if line, err := strconv.Unquote(strings.TrimSpace(quoted)); ok && err == nil && !yield(line) {
					return
				}
			}
		}
	}
}

// The same for RFC 3164. Left out is what go-syslog gets wrong: a tag in the
// place of the host, zones as hosts, tags of more than 32 characters, and a
// message of nothing, a pid that runs to the last bracket; and where we are more careful: hosts and tags of
// characters that names do not have.
func TestParseEqualsGoSyslogRFC3164(t *testing.T) {
	machine := rfc3164.NewMachine(rfc3164.WithRFC3339())
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		line := fmt.Sprintf("<%d>%s %s %s%s", rapid.IntRange(0, 191).Draw(t, "pri"),
			rapid.StringMatching(`(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ( [1-9]|1[0-9]|2[0-8]) [01][0-9]:[0-5][0-9]:[0-5][0-9]|2026-10-1[0-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9](Z|[+-]0[0-9]:[0-5][0-9])`).Draw(t, "time"),
			rapid.StringMatching(`[a-z0-9][a-z0-9.:_-]{0,10}[a-z0-9]|-`).Draw(t, "host"),
			rapid.StringMatching(`|[a-z%][a-z0-9/._()%-]{0,10}(\[[a-z0-9 -]{1,5}\])?: `).Draw(t, "tag"),
			rapid.StringMatching(`[!-Z^-~][ -Z^-~é]{0,20}`).Draw(t, "text"))
		got, err := machine.Parse([]byte(line))
		if err != nil || got == nil {
			t.Skip(err)
		}
		message := got.(*rfc3164.SyslogMessage)
		app, msg := text(message.Appname), text(message.Message)
		if !plainTag(app) || startsAnew(msg) || leftOver(app, msg) || isYear(text(message.Hostname)) {
			t.Skip("where we differ on purpose")
		}
		accepted++
		compare(t, line, message.Base)
	})
	if accepted == 0 {
		t.Error("go-syslog accepted nothing: the property is empty")
	}
}

// plainTag: a number is no name for us, and neither is what begins data.
func plainTag(s string) bool {
	return !strings.ContainsAny(s, "\"'`{}=<>,;") && (s == "" || strings.Trim(s, "0123456789.") != "")
}

// isYear: four digits behind the time are its year for us, not a host.
func isYear(s string) bool { return len(s) == 4 && strings.Trim(s, "0123456789") == "" }

// startsAnew: go-syslog takes as text what we take as a tag, because a
// message must be empty or the text stands right behind the colon.
func startsAnew(s string) bool {
	head, _, _ := strings.Cut(s, " ")
	return strings.Contains(head, "]:") || strings.HasSuffix(head, ":") || strings.HasPrefix(s, ": ")
}

// leftOver: go-syslog forgets to take a tag back when no blank follows it.
func leftOver(app, msg string) bool {
	return app != "" && (strings.HasPrefix(msg, app+":") || strings.HasPrefix(msg, app+"["))
}

func TestStrict(t *testing.T) {
	s := newStrict()
	check := func(want bool, line string) {
		t.Helper()
		m := syslog.Parse(line, received(), netip.Addr{})
		if got := s.accepts(&m); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
	check(true, "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed")
	check(true, "<34>Oct 11 22:14:15 mymachine su: 'su root' failed")
	check(false, "<34>Oct 11 22:14:15.123 mymachine su: fraction")
	check(false, "<34>Oct 11 22:14:15 mymachine java: a\ttab") // nil message, nil error
	check(false, "<34>1 2003-10-11T22:14:15+0200 h a p m - x")
	check(false, "hello")
	check(false, "")
}

// reportCPU adds the processor time of an operation, which other processes do
// not change.
func reportCPU(b *testing.B, began time.Duration) {
	b.ReportMetric(float64(cpuTime()-began)/float64(b.N), "cpu-ns/op")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkParse(b *testing.B) {
	lines := map[string]string{
		"rfc5424":    "<34>1 2026-10-11T22:14:15.003Z mymachine.example.com su 77 ID47 - 'su root' failed for lonvick on /dev/pts/8",
		"rfc5424-sd": `<165>1 2026-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][b@1 c="d" e="f"] An application event log entry`,
		"rfc3164":    "<34>Oct 11 22:14:15 mymachine su[77]: 'su root' failed for lonvick on /dev/pts/8",
	}
	for name, line := range lines {
		b.Run(name+"/rondo", func(b *testing.B) {
			at := received()
			b.ReportAllocs()
			defer reportCPU(b, cpuTime())
			for b.Loop() {
				m := syslog.Parse(line, at, netip.Addr{})
				if m.Text == "" {
					b.Fatal("no text")
				}
			}
		})
		b.Run(name+"/go-syslog", func(b *testing.B) {
			machine := rfc5424.NewMachine()
			if name == "rfc3164" {
				machine = rfc3164.NewMachine()
			}
			b.ReportAllocs()
			defer reportCPU(b, cpuTime())
			for b.Loop() {
				if _, err := machine.Parse([]byte(line)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
