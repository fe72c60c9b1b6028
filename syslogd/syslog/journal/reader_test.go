package journal

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/syslogd/syslog"
)

func received() time.Time { return time.Date(2026, 10, 12, 0, 0, 0, 0, time.UTC) }

var sender = netip.MustParseAddr("192.0.2.7")

// The example of systemd's description of the format, shortened.
const example = `__CURSOR=s=739ad463348b4ceca5a9e69c95a3c93f;i=4ece7;b=6c7c6013a26343b29e964691ff25d04c;m=4fc72436e;t=4c508a72423d9;x=d3e5610681098c10;p=system.journal
__REALTIME_TIMESTAMP=1342540861416409
__MONOTONIC_TIMESTAMP=21415215982
_BOOT_ID=6c7c6013a26343b29e964691ff25d04c
_TRANSPORT=syslog
PRIORITY=4
SYSLOG_FACILITY=3
SYSLOG_IDENTIFIER=gdm-password]
SYSLOG_PID=587
MESSAGE=AccountsService-DEBUG(+): ActUserManager: ignoring unspecified session '8' since it's not graphical: Success
_PID=587
_UID=0
_COMM=gdm-session-wor
_CMDLINE=gdm-session-worker [pam/gdm-password]
_HOSTNAME=hoek
_SOURCE_REALTIME_TIMESTAMP=1342540861413961

__REALTIME_TIMESTAMP=1342540861416351
PRIORITY=6
MESSAGE
` + "\x0b\x00\x00\x00\x00\x00\x00\x00two\nlines\r." + `
_COMM=python3
_HOSTNAME=my host
`

// readAll returns what describe says of all entries, and the error.
func readAll(r io.Reader, limits Limits) (string, Stats, error) {
	j := NewReader(r, sender, limits)
	var b strings.Builder
	for {
		m, err := j.Next(received())
		if err == nil || m.Raw != "" {
			fmt.Fprintf(&b, "%s.%s|%s|%s|%s|%s|%s|%s|%q", m.Facility, m.Severity, stamp(m.Time), m.Host, m.App, m.PID, m.MsgID, m.SD, m.Text)
			if m.Truncated {
				b.WriteString(" ...")
			}
			b.WriteByte('\n')
		}
		if err != nil {
			return b.String(), j.Stats(), err
		}
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

func TestReader(t *testing.T) {
	test := func(name, stream string, limits Limits, want string, stats Stats, wantErr error) {
		t.Helper()
		for _, r := range []io.Reader{strings.NewReader(stream), iotest.OneByteReader(strings.NewReader(stream))} {
			got, gotStats, err := readAll(r, limits)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: %s", name, d)
			}
			if !errors.Is(err, wantErr) || gotStats != stats {
				t.Errorf("%s: %v %+v", name, err, gotStats)
			}
		}
	}
	test("nothing", "", Limits{}, "", Stats{}, io.EOF)
	test("empty lines", "\n\n\n", Limits{}, "", Stats{}, io.EOF)
	test("the example", example, Limits{}, `daemon.warning|2012-07-17T16:01:01.413961Z|hoek|gdm-password]|587||[journal _BOOT_ID="6c7c6013a26343b29e964691ff25d04c" _TRANSPORT="syslog" SYSLOG_PID="587" _UID="0" _COMM="gdm-session-wor" _CMDLINE="gdm-session-worker [pam/gdm-password\]"]|"AccountsService-DEBUG(+): ActUserManager: ignoring unspecified session '8' since it's not graphical: Success"
user.info|2012-07-17T16:01:01.416351Z|my host|python3|||[journal _COMM="python3"]|"two\nlines\r."
`, Stats{Entries: 2}, io.EOF)
	test("twice, and out of range", "PRIORITY=9\nPRIORITY=3\nPRIORITY=4\nSYSLOG_FACILITY=24\nMESSAGE=a\nMESSAGE=b\n\n", Limits{},
		`user.err||||||[journal PRIORITY="9" PRIORITY="4" SYSLOG_FACILITY="24" MESSAGE="b"]|"a"`+"\n", Stats{Entries: 1}, io.EOF)
	test("message id", "MESSAGE_ID=f77379a8490b408bbe5f6940505a777b\nMESSAGE=x\n", Limits{},
		`user.notice|||||f77379a8490b408bbe5f6940505a777b||"x"`+"\n", Stats{Entries: 1}, io.EOF)
	test("limits", "A=12345678\nB=1\nC=2\nD=3\nMESSAGE=0123456789\nE\n\x09\x00\x00\x00\x00\x00\x00\x00123456789\n\nMESSAGE=next\n", Limits{Message: 8, Field: 4, Fields: 2},
		`user.notice||||||[journal B="1" C="2"]|"01234567" ...`+"\n"+`user.notice|||||||"next"`+"\n",
		Stats{Entries: 2, Skipped: 3, Truncated: 1}, io.EOF)
	test("limit of the entry", "A=123\nB=123\nC=12\nMESSAGE=x\n", Limits{Entry: 5},
		`user.notice||||||[journal A="123" C="12"]|"x"`+"\n", Stats{Entries: 1, Skipped: 1}, io.EOF)
	test("cut off in a value", "MESSAGE=hel", Limits{}, `user.notice|||||||"hel"`+"\n", Stats{Entries: 1}, io.ErrUnexpectedEOF)
	test("cut off in a name", "MESSAGE=hel\nPRIO", Limits{}, `user.notice|||||||"hel"`+"\n", Stats{Entries: 1}, io.ErrUnexpectedEOF)
	test("cut off in a length", "MESSAGE\n\x00\x00", Limits{}, `user.notice|||||||""`+"\n", Stats{Entries: 1}, io.ErrUnexpectedEOF)
	test("a length that lies", "MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xffhello\n", Limits{}, `user.notice|||||||"hello\n"`+" ...\n", Stats{Entries: 1, Truncated: 1}, io.ErrUnexpectedEOF)
	test("a length that is too small", "MESSAGE\n\x02\x00\x00\x00\x00\x00\x00\x00hello\n", Limits{}, `user.notice|||||||"he"`+"\n", Stats{Entries: 1}, ErrLine)
	test("no journal", "GET / HTTP/1.1\r\n\r\n", Limits{}, "", Stats{}, ErrName)
	test("a name too long", strings.Repeat("A", 65)+"=x\n", Limits{}, "", Stats{}, ErrName)
	test("no name", "=x\n", Limits{}, "", Stats{}, ErrName)
}

func TestErrorSaysWhere(t *testing.T) {
	_, _, err := readAll(strings.NewReader("MESSAGE=a\n\nMESSAGE=b\nno name\n"), Limits{})
	if want := `journal: entry 2, offset 21: no name of a field: "no name"`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	again := NewReader(strings.NewReader("=\nMESSAGE=a\n"), sender, Limits{})
	for range 2 {
		if _, err := again.Next(received()); !errors.Is(err, ErrName) {
			t.Errorf("%v", err)
		}
	}
}

// What journalctl -o export of systemd 252 wrote for messages of systemd-cat,
// of logger --journald, and of a program with bytes in its message.
func TestReaderReadsJournalctl(t *testing.T) {
	f, err := os.Open("testdata/journalctl.export")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, stats, err := readAll(f, Limits{})
	const common = `_BOOT_ID="3d79e5798ace4e52bc90070ce6d3607d" _MACHINE_ID="0123456789abcdef0123456789abcdef" _RUNTIME_SCOPE="system" _UID="0" _GID="0" _CAP_EFFECTIVE="1fffeffffff" `
	want := `user.warning|2026-11-21T07:23:31.512888Z|web-01|backup|20128||[journal ` + common + `_TRANSPORT="stdout" _STREAM_ID="7da8826931634367b0171284d2dabb3c" _COMM="cat" _EXE="/usr/bin/cat" _CMDLINE="/bin/cat"]|"hello from cat"
user.err|2026-11-21T07:23:31.514474Z|web-01|caravan|20129|67feb6ffbaf24c5cbec13c008dd72309|[journal ` + common + `DOGS="bark" CARAVAN="goes on" _TRANSPORT="journal" _COMM="logger" _EXE="/usr/bin/logger" _CMDLINE="logger --journald"]|"The dogs bark, but the caravan goes on."
local0.info|2026-11-21T07:23:31.825595Z|web-01|py|20130||[journal ` + common + `_TRANSPORT="journal" UNIT="a.service" UNIT="b.service" _COMM="python3" _EXE="/usr/bin/python3.11" _CMDLINE="/usr/bin/python3 -"]|"two\nlines\t\xff\x00 end"
`
	if d := cmp.Diff(want, got); d != "" || err != io.EOF || stats.Entries != 3 {
		t.Errorf("%v %+v %s", err, stats, d)
	}
}

func ExampleReader() {
	r := NewReader(strings.NewReader("MESSAGE=Started.\nPRIORITY=6\n_SYSTEMD_UNIT=nginx.service\n_HOSTNAME=web-01\n\n"), sender, Limits{})
	for {
		m, err := r.Next(received())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.Raw)
	}
	// Output:
	// <14>1 - web-01 - - - [journal _SYSTEMD_UNIT="nginx.service"] Started.
	// EOF
}

// FuzzReader: an entry never holds more than its limits, and its line says
// the same as the message.
func FuzzReader(f *testing.F) {
	f.Add(example)
	f.Add("MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xffhello\n")
	if data, err := os.ReadFile("testdata/journalctl.export"); err == nil {
		f.Add(string(data))
	}
	f.Add("A=1\nMESSAGE=x\n\n\nB=2\n")
	limits := Limits{Message: 64, Field: 32, Fields: 4, Entry: 100}
	f.Fuzz(func(t *testing.T, stream string) {
		j := NewReader(strings.NewReader(stream), sender, limits)
		for {
			m, err := j.Next(received())
			if len(m.Text) > limits.Message || len(m.SD) > 2*limits.Entry+limits.Fields*(maxName+4)+10 {
				t.Fatalf("%q: %d bytes of text, %d of SD", stream, len(m.Text), len(m.SD))
			}
			if m.Raw != "" {
				again := syslog.Parse(m.Raw, received(), sender)
				if again.Text != m.Text || again.SD != m.SD || again.Severity != m.Severity {
					t.Fatalf("%q: %+v, want %+v", stream, again, m)
				}
			}
			if err != nil {
				return
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	stream := strings.Repeat(example+"\n", 1000)
	b.ReportAllocs()
	r := NewReader(strings.NewReader(stream), sender, Limits{})
	for b.Loop() {
		if _, err := r.Next(received()); err == io.EOF {
			r = NewReader(strings.NewReader(stream), sender, Limits{})
		}
	}
}
