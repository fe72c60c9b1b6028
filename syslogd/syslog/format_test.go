package syslog

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestAppendRFC5424(t *testing.T) {
	m := Message{
		Facility: 4, Severity: Critical, Time: time.Date(2026, 10, 11, 22, 14, 15, 3e6, time.UTC),
		Host: "my host", App: strings.Repeat("a", 60), PID: "77", SD: `[a@1 k="v"]`, Text: "'su root' failed\n",
	}
	want := "<34>1 2026-10-11T22:14:15.003000Z my_host " + strings.Repeat("a", 48) + " 77 - [a@1 k=\"v\"] 'su root' failed\n"
	if got := string(AppendRFC5424(nil, &m)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	bare := Message{Sender: netip.MustParseAddr("10.0.0.1"), SD: "[broken", Severity: Debug, Facility: 23}
	if got := string(AppendRFC5424(nil, &bare)); got != "<191>1 - 10.0.0.1 - - - -" {
		t.Errorf("%q", got)
	}
}

func TestAppendRFC3164(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	m := Parse("<34>Oct  1 22:14:15 h su[77]: text", received().In(berlin), netip.Addr{})
	if got := string(AppendRFC3164(nil, &m)); got != m.Raw {
		t.Errorf("%q", got)
	}
}

// roundTrip formats what Parse made of a line and parses that again: nothing
// that both formats can hold may change.
func roundTrip(t fataler, line string) {
	t.Helper()
	m := Parse(line, received(), netip.Addr{})
	again := Parse(string(AppendRFC5424(nil, &m)), received(), netip.Addr{})
	if again.Text != m.Text || again.Severity != m.Severity || again.Facility != m.Facility || again.SD != m.SD {
		t.Fatalf("%q -> %q: %q", line, again.Raw, again.Text)
	}
	if y := m.When().Year(); 0 <= y && y <= 9999 && !again.When().Equal(m.When().Truncate(time.Microsecond)) {
		t.Fatalf("%q -> %q: %v, want %v", line, again.Raw, again.When(), m.When())
	}
	for _, f := range [][3]string{{m.Origin(), again.Host, "255"}, {m.App, again.App, "48"}, {m.PID, again.PID, "128"}, {m.MsgID, again.MsgID, "32"}} {
		if isPlain(f[0]) && len(f[0]) <= 32 && f[0] != f[1] {
			t.Fatalf("%q -> %q: %q became %q", line, again.Raw, f[0], f[1])
		}
	}
}

// stable: what was formatted once is formatted alike for ever. The BSD format
// cannot hold everything, but the text, the PRI and the second it always can.
func stable(t fataler, line string) {
	t.Helper()
	once := Parse(line, received(), netip.Addr{})
	m := Parse(string(AppendRFC5424(nil, &once)), received(), netip.Addr{})
	if got := string(AppendRFC5424(nil, &m)); got != m.Raw {
		t.Fatalf("%q -> %q -> %q", line, m.Raw, got)
	}
	bsd := Parse(string(AppendRFC3164(nil, &once)), received(), netip.Addr{})
	if !strings.HasSuffix(bsd.Raw, once.Text) || bsd.Severity != once.Severity || bsd.Facility != once.Facility {
		t.Fatalf("%q -> %q: %q", line, bsd.Raw, bsd.Text)
	}
	if _, n := zone(" " + once.Host); n > 0 || isNumber(once.Host) {
		return // a host that is called CEST, or 2025
	}
	if age := received().Sub(once.When()); age >= 0 && age < 300*24*time.Hour && bsd.Time.Unix() != once.When().Unix() {
		t.Fatalf("%q -> %q: %v", line, bsd.Raw, bsd.Time)
	}
}

func isPlain(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

func FuzzRoundTrip(f *testing.F) {
	for _, line := range seeds(f) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		roundTrip(t, line)
		stable(t, line)
	})
}

func ExampleParse() {
	m := Parse("<34>Oct 11 22:14:15 mymachine su[77]: 'su root' failed", received(), netip.Addr{})
	fmt.Println(m.Time.Format(time.RFC3339), m.Facility, m.Severity, m.Host, m.App, m.PID)
	fmt.Println(m.Text)
	// Output:
	// 2026-10-11T22:14:15Z auth crit mymachine su 77
	// 'su root' failed
}

func ExampleAppendRFC5424() {
	m := Parse("<34>Oct 11 22:14:15 mymachine su[77]: 'su root' failed", received(), netip.Addr{})
	fmt.Printf("%s\n", AppendRFC5424(nil, &m))
	// Output: <34>1 2026-10-11T22:14:15.000000Z mymachine su 77 - - 'su root' failed
}

func BenchmarkAppendRFC5424(b *testing.B) {
	m := Parse("<34>Oct 11 22:14:15 mymachine su[77]: 'su root' failed", received(), netip.Addr{})
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendRFC5424(buf[:0], &m)
	}
}

// A composed message has the fields that it was given, and its line says the
// same where a line can.
func TestCompose(t *testing.T) {
	given := Message{
		Severity: Warning, Facility: 3, Time: received(), Received: received().Add(time.Hour), Sender: netip.MustParseAddr("192.0.2.1"),
		Host: "my host", App: strings.Repeat("a", 60), PID: "77", SD: `[a k="v"]`, Text: "\ufeffone\ntwo",
	}
	m := Compose(given)
	if want := "<28>1 2026-10-12T00:00:00.000000Z my_host " + strings.Repeat("a", 48) + " 77 - [a k=\"v\"] \ufeff\ufeffone\ntwo"; m.Raw != want {
		t.Errorf("%q, want %q", m.Raw, want)
	}
	given.Raw, given.Format = m.Raw, RFC5424
	if m != given {
		t.Errorf("%+v, want %+v", m, given)
	}
	if m := Compose(Message{Severity: Notice, Facility: 1, Text: "x"}); m.Raw != "<13>1 - - - - - - x" || !m.Time.IsZero() || m.Host != "" || m.HasPRI {
		t.Errorf("%+v", m)
	}
}
