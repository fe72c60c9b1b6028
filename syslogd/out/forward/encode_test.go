package forward

import (
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"rondo/syslogd/syslog"
)

func received() time.Time { return time.Date(2026, 10, 11, 22, 14, 16, 500e6, time.UTC) }

func parse(line string) keyed {
	m := syslog.Parse(line, received(), netip.MustParseAddr("::ffff:10.1.2.3"))
	return keyed{&m, "Tq7f", 4711}
}

func TestFormats(t *testing.T) {
	check := func(e encoder, framing Framing, in, want string) {
		t.Helper()
		if got := string(e.appendFramed([]byte("before "), parse(in), framing)); got != "before "+want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	const line = "<13>1 2026-10-11T22:14:15Z h a 7 ID - text"
	const mark = `[relay@32473 received="2026-10-11T22:14:16.5Z" key="Tq7f-4711"]`
	check(encoder{}, Octets, line, "49 <13>1 2026-10-11T22:14:15.000000Z h a 7 ID - text")
	check(encoder{format: RFC3164}, Newline, line, "<13>Oct 11 22:14:15 h a[7]: text\n")
	check(encoder{format: Raw}, Octets, line, "42 "+line)
	check(encoder{format: Raw}, Newline, "<13>one\ntwo", "<13>one#012two\n")
	check(encoder{format: Raw}, Octets, "<13>one\ntwo", "11 <13>one\ntwo")
	check(encoder{format: Raw}, Newline, "", "<13>1 2026-10-11T22:14:16.500000Z 10.1.2.3 - - - -\n") // there is nothing raw
	check(encoder{}, Newline, "<13>no header", "<13>1 2026-10-11T22:14:16.500000Z 10.1.2.3 - - - - no header\n")
	check(encoder{origin: true}, Newline, line, `<13>1 2026-10-11T22:14:15.000000Z h a 7 ID [origin ip="10.1.2.3"]`+mark+" text\n")
	// What a relay before us has said stays.
	check(encoder{origin: true}, Newline, `<13>1 - h a - - [origin ip="10.9.9.9"][relay@32473 key="x-1"] text`,
		`<13>1 2026-10-11T22:14:16.500000Z h a - - [origin ip="10.9.9.9"][relay@32473 key="x-1"] text`+"\n")
	check(encoder{origin: true}, Newline, `<13>1 - h a - - [x@1 a="b"] text`,
		`<13>1 2026-10-11T22:14:16.500000Z h a - - [x@1 a="b"][origin ip="10.1.2.3"]`+mark+" text\n")
}

func TestCut(t *testing.T) {
	check := func(in string, max int, want string) {
		t.Helper()
		if got := string(cut([]byte(in), max)); got != want {
			t.Errorf("%q cut to %d: %q, want %q", in, max, got, want)
		}
	}
	check("short", 5, "short")
	check("longer", 5, "longe")
	check("größe", 3, "gr")
	check("größe", 4, "grö")
	check("\xff\xfe\x80\x80\x80\x80\x80\x80", 6, "\xff\xfe\x80\x80\x80\x80")
}

// Every message that is written is one that our own server reads as the same.
func FuzzAppendFramed(f *testing.F) {
	f.Add("<13>1 2026-10-11T22:14:15Z h a 7 ID [x@1 a=\"b\\]\"] text\nmore", true, true)
	f.Add("<34>Oct 11 22:14:15 mymachine su: 'su root' failed\x00", false, false)
	f.Add("%$#@!", true, false)
	f.Add("\x00<0", true, false)
	f.Fuzz(func(t *testing.T, line string, origin, octets bool) {
		if line = syslog.TrimTrailer(line); line == "" {
			return
		}
		framing := Newline
		if octets {
			framing = Octets
		}
		m := parse(line)
		e := encoder{format: RFC5424, origin: origin}
		wire := e.appendFramed(nil, m, framing)
		frames, _ := syslog.NewFramer(strings.NewReader(string(wire)), 0).Append(nil)
		if len(frames) != 1 {
			t.Fatalf("%q becomes %d messages: %q", line, len(frames), wire)
		}
		got := syslog.Parse(frames[0].Line, received(), netip.Addr{})
		want := m.Text
		if framing == Newline {
			want = strings.NewReplacer("\n", "#012", "\x00", "#000").Replace(want)
		}
		if want = syslog.TrimTrailer(want); got.Text != want && utf8.ValidString(line) && len(line) < 1000 {
			t.Fatalf("%q became %q: %q", want, got.Text, wire)
		}
	})
}
