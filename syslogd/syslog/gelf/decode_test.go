package gelf

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/syslogd/syslog"
)

func received() time.Time { return time.Date(2026, 10, 12, 0, 0, 0, 0, time.UTC) }

var sender = netip.MustParseAddr("192.0.2.7")

// The example of the specification.
const example = `{
  "version": "1.1",
  "host": "example.org",
  "short_message": "A short message that helps you identify what is going on",
  "full_message": "Backtrace here\n\nmore stuff",
  "timestamp": 1385053862.3072,
  "level": 1,
  "_user_id": 9001,
  "_some_info": "foo",
  "_some_env_var": "bar"
}`

// docker is what docker's gelf driver sends.
const docker = `{"version":"1.1","host":"web-01","short_message":"GET /healthz 200","timestamp":1791756855.003,"level":6,"_command":"nginx -g 'daemon off;'","_container_id":"2d5f6b1c9a","_container_name":"web","_created":"2026-10-11T22:14:15.003Z","_image_id":"sha256:1a2b","_image_name":"nginx:1.29","_tag":"2d5f6b1c9a"}`

// describe writes a message as one line: header | structured data | text.
func describe(m syslog.Message) string {
	at := "-"
	if !m.Time.IsZero() {
		at = m.Time.Format(time.RFC3339Nano)
	}
	s := fmt.Sprintf("%s.%s %s %q %q %q | %s | %q", m.Facility, m.Severity, at, m.Host, m.App, m.PID, m.SD, m.Text)
	if !m.HasPRI {
		s = "no level " + s
	}
	if m.Truncated {
		s += " ..."
	}
	return s
}

func decode(in string) (syslog.Message, error) {
	return new(Decoder).Decode(Payload{Data: []byte(in), Received: received(), From: sender})
}

func TestDecode(t *testing.T) {
	test := func(in, want string, wantErr error) {
		t.Helper()
		m, err := decode(in)
		if d := cmp.Diff(want, describe(m)); d != "" || !errors.Is(err, wantErr) {
			t.Errorf("%s\n%v %s", in, err, d)
		}
		if m.Sender != sender || !m.Received.Equal(received()) {
			t.Errorf("%s: sender or reception lost", in)
		}
	}
	test(example, `user.alert 2013-11-21T17:11:02.3072Z "example.org" "" "" | [gelf user_id="9001" some_info="foo" some_env_var="bar"] | "A short message that helps you identify what is going on\nBacktrace here\n\nmore stuff"`, nil)
	test(docker, `user.info 2026-10-11T22:14:15.003Z "web-01" "2d5f6b1c9a" "" | [gelf command="nginx -g 'daemon off;'" container_id="2d5f6b1c9a" container_name="web" created="2026-10-11T22:14:15.003Z" image_id="sha256:1a2b" image_name="nginx:1.29" tag="2d5f6b1c9a"] | "GET /healthz 200"`, nil)

	// Texts.
	test(`{"short_message":"a"}`, `no level user.notice - "" "" "" |  | "a"`, nil)
	test(`{"full_message":"b"}`, `no level user.notice - "" "" "" |  | "b"`, nil)
	test(`{"short_message":"a","full_message":"a\n\tat Main"}`, `no level user.notice - "" "" "" |  | "a\n\tat Main"`, nil)
	test(`{"message":"a"}`, `no level user.notice - "" "" "" |  | "a"`, nil)
	test(`{"message":"b","short_message":"a"}`, `no level user.notice - "" "" "" | [gelf message="b"] | "a"`, nil)
	test("{\"short_message\":\"caf\xe9 \\u00e9 \\ud83d\\ude00 \\ud83d x\\/\"}", `no level user.notice - "" "" "" |  | "caf\xe9 é 😀 \\ud83d x/"`, nil)
	test("\x1f\x3c{\"short_message\":\"old magic\"}\x00\n", `no level user.notice - "" "" "" |  | "old magic"`, nil)
	test("{\"short_message\":\"\ufeffmark\"}", `no level user.notice - "" "" "" |  | "\ufeffmark"`, nil)

	// Levels and facilities.
	test(`{"short_message":"a","level":"3","facility":"local4"}`, `local4.err - "" "" "" |  | "a"`, nil)
	test(`{"short_message":"a","level":8,"facility":"my.Logger"}`, `no level user.notice - "" "my.Logger" "" | [gelf level="8" facility="my.Logger"] | "a"`, nil)
	test(`{"short_message":"a","level":"INFO","_pid":77,"_app":"x y"}`, `no level user.notice - "" "x y" "77" | [gelf level="INFO" pid="77" app="x y"] | "a"`, nil)
	test(`{"short_message":"a","_container_name":"c","_tag":"t","_program":"p"}`, `no level user.notice - "" "p" "" | [gelf container_name="c" tag="t" program="p"] | "a"`, nil)

	// Times.
	test(`{"short_message":"a","timestamp":1385053862}`, `no level user.notice 2013-11-21T17:11:02Z "" "" "" |  | "a"`, nil)
	test(`{"short_message":"a","timestamp":"1385053862.123456789"}`, `no level user.notice 2013-11-21T17:11:02.123456789Z "" "" "" |  | "a"`, nil)
	test(`{"short_message":"a","timestamp":1385053862307}`, `no level user.notice 2013-11-21T17:11:02.307Z "" "" "" |  | "a"`, nil)
	test(`{"short_message":"a","timestamp":1385053862307123}`, `no level user.notice 2013-11-21T17:11:02.307123Z "" "" "" |  | "a"`, nil)
	test(`{"short_message":"a","timestamp":1.385053862E9}`, `no level user.notice 2013-11-21T17:11:02Z "" "" "" |  | "a"`, nil)
	test(`{"short_message":"a","timestamp":-1}`, `no level user.notice - "" "" "" | [gelf timestamp="-1"] | "a"`, nil)
	test(`{"short_message":"a","timestamp":"yesterday"}`, `no level user.notice - "" "" "" | [gelf timestamp="yesterday"] | "a"`, nil)

	// Fields.
	test(`{"short_message":"a","_q":"x\"y]z\\","_null":null,"_o":{"a": [1, 2]},"_t":true,"_n":1e400,"_bad name]\"=":1,"":2}`,
		`no level user.notice - "" "" "" | [gelf q="x\"y\]z\\" o="{\"a\": [1, 2\]}" t="true" n="1e400" bad_name___="1" _="2"] | "a"`, nil)
	test(`{"short_message":"a","host":"my host","host":"b"}`, `no level user.notice - "my host" "" "" | [gelf host="b"] | "a"`, nil)

	// What is no GELF.
	test(`hello`, `no level user.notice - "" "" "" |  | "hello"`, BadJSON)
	test(`<34>Oct 11 22:14:15 h su[7]: hello`, `auth.crit 2026-10-11T22:14:15Z "h" "su" "7" |  | "hello"`, BadJSON)
	test(`[1]`, `no level user.notice - "" "" "" |  | "[1]"`, BadJSON)
	test(``, `no level user.notice - "" "" "" |  | ""`, BadJSON)
	test(`{"short_message":"a"`, `no level user.notice - "" "" "" |  | "{\"short_message\":\"a\""`, BadJSON)
	test(`{"short_message":"a"} x`, `no level user.notice - "" "" "" |  | "{\"short_message\":\"a\"} x"`, BadJSON)
	test(`{"host":"a"}`, `no level user.notice - "" "" "" |  | "{\"host\":\"a\"}"`, NoMessage)
	test("{\"short_message\":\"a\tb\"}", `no level user.notice - "" "" "" |  | "{\"short_message\":\"a\tb\"}"`, BadJSON)
	test("\x1f\x8bhello", `no level user.notice - "" "" "" |  | "\x1f\x8bhello"`, BadCompression)
}

// compressed returns data as gzip, and as zlib with each of its headers.
func compressed(tb testing.TB, data string) map[string][]byte {
	tb.Helper()
	all := map[string][]byte{}
	pack := func(name string, w io.WriteCloser, err error, buf *bytes.Buffer) {
		if err == nil {
			_, err = io.WriteString(w, data)
		}
		if err = errors.Join(err, w.Close()); err != nil {
			tb.Fatal(err)
		}
		all[name] = buf.Bytes()
	}
	var z bytes.Buffer
	pack("gzip", gzip.NewWriter(&z), nil, &z)
	for _, level := range []int{flate.NoCompression, 1, 3, 6, flate.BestCompression} {
		var z bytes.Buffer
		w, err := zlib.NewWriterLevel(&z, level)
		pack(fmt.Sprint("zlib", level), w, err, &z)
	}
	return all
}

func TestDecodeCompressed(t *testing.T) {
	var d Decoder
	want, err := decode(docker)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range compressed(t, docker) {
		for range 2 { // a Decoder is used again and again
			m, err := d.Decode(Payload{Data: data, From: sender, Received: received()})
			if diff := cmp.Diff(want, m, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); err != nil || diff != "" {
				t.Errorf("%s: %v %s", name, err, diff)
			}
		}
		m, err := d.Decode(Payload{Data: data[:len(data)-6], From: sender, Received: received()})
		if !errors.Is(err, BadCompression) || !strings.HasPrefix(docker, m.Text) || len(m.Text) < len(docker)/2 {
			t.Errorf("%s, cut off: %v %q", name, err, m.Text)
		}
	}
}

// A bomb is unpacked up to the limit, and no further.
func TestDecodeBomb(t *testing.T) {
	d := Decoder{MaxBytes: 1000}
	long := `{"short_message":"` + strings.Repeat("x", 1<<18) + `"}`
	for name, data := range compressed(t, long) {
		m, err := d.Decode(Payload{Data: data})
		if !errors.Is(err, TooLarge) || m.Text != long[:1000] || !m.Truncated {
			t.Errorf("%s: %v, %d bytes", name, err, len(m.Text))
		}
	}
	if m, err := d.Decode(Payload{Data: []byte(long)}); !errors.Is(err, TooLarge) || m.Text != long[:1000] {
		t.Errorf("plain: %v, %d bytes", err, len(m.Text))
	}
	if d.unpacked.Cap() > 8<<10 {
		t.Errorf("%d bytes for a limit of 1000", d.unpacked.Cap())
	}
}

// FuzzDecode: whatever arrives, there is a message; its line says the same as
// its fields, and no byte of what is no GELF is lost.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(docker))
	f.Add([]byte("{\"short_message\":\"\\ud83d\\ude00 caf\xe9\",\"_a\":{\"b\":[null]},\"level\":\"7\",\"timestamp\":1e9}"))
	f.Add([]byte("<34>Oct 11 22:14:15 h su[7]: hello"))
	for _, data := range compressed(f, example) {
		f.Add(data)
	}
	for _, datagrams := range captured(f) {
		for _, data := range datagrams {
			f.Add([]byte(data))
		}
	}
	d := Decoder{MaxBytes: 1 << 12}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := d.Decode(Payload{Data: data, From: sender, Received: received()})
		if _, known := errors.AsType[Reason](err); err != nil && !known {
			t.Fatalf("%q: %v has no reason", data, err)
		}
		if err != nil && len(data) <= d.MaxBytes && !bytes.HasPrefix(data, []byte(m.Raw)) && !errors.Is(err, BadCompression) && data[0] == '{' {
			t.Fatalf("%q: %v, but %q", data, err, m.Raw)
		}
		again := syslog.Parse(m.Raw, received(), sender)
		if again.Text != m.Text || again.SD != m.SD || again.Severity != m.Severity || again.Facility != m.Facility {
			t.Fatalf("%q: %+v, want %+v", data, again, m)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for name, data := range map[string][]byte{"plain": []byte(docker), "gzip": compressed(b, docker)["gzip"]} {
		b.Run(name, func(b *testing.B) {
			var d Decoder
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(Payload{Data: data, Received: received(), From: sender}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
