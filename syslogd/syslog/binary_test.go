package syslog

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// sameBinary says how the binary form keeps a message.
func sameBinary(t interface {
	Helper()
	Fatalf(string, ...any)
}, got, want *Message) {
	t.Helper()
	w := *want
	w.Received = time.UnixMilli(w.Received.UnixMilli()).UTC()
	w.Time = w.Time.UTC()
	if *got != w {
		t.Fatalf("got  %+v\nwant %+v", *got, w)
	}
}

// The bytes are those on the disks of the people who use it.
func TestBinaryBytes(t *testing.T) {
	at := time.Date(2026, 10, 11, 22, 14, 15, 3e6, time.UTC)
	m := Parse("<34>1 2026-10-11T22:14:15.003Z web su 77 ID47 - hello", at, netip.MustParseAddr("10.0.0.1"))
	m.MsgID = "apart"
	want := "03020402" + "02" + "80b399a5bad7ccdd31" + "040a000001" + // flags and numbers, received, time, sender
		"35" + hex.EncodeToString([]byte(m.Raw)) +
		"2103" + "2502" + "2802" + "01056170617274" + "00" + "3205" // host app pid msgid sd text
	if got := hex.EncodeToString(AppendBinary(nil, &m, at.UnixMilli()-1)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBinary(t *testing.T) {
	long := Parse(strings.Repeat("x", 300), time.UnixMilli(5), netip.MustParseAddr("fe80::1%eth0"))
	for _, m := range []Message{
		{}, long,
		{Received: time.UnixMilli(-7), Raw: "line", Text: "elsewhere", Host: "line", HasPRI: true, Truncated: true},
		{Time: time.Unix(0, 1<<63-1), Sender: netip.MustParseAddr("::ffff:10.0.0.1")},
	} {
		r := NewBinaryReader(string(AppendBinary(nil, &m, 1000)))
		var got Message
		if ms := r.Message(&got, 1000); r.Err() != nil || r.Len() != 0 || ms != m.Received.UnixMilli() {
			t.Fatalf("%v, %d bytes left, %d", r.Err(), r.Len(), ms)
		}
		sameBinary(t, &got, &m)
	}
	m := Message{Time: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	NewBinaryReader(string(AppendBinary(nil, &m, 0))).Message(&m, 0)
	if !m.Time.IsZero() {
		t.Errorf("a time that cannot be told became %v", m.Time)
	}
}

func TestBinaryVarints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, signed := rapid.Uint64().Draw(t, "v"), rapid.Int64().Draw(t, "signed")
		r := NewBinaryReader(string(binary.AppendVarint(binary.AppendUvarint(nil, v), signed)))
		if got := r.Uvarint(); got != v {
			t.Fatalf("%d, want %d", got, v)
		}
		if got := r.Varint(); got != signed || r.Err() != nil {
			t.Fatalf("%d, want %d", got, signed)
		}
		b := rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "b")
		want, n := binary.Uvarint(b)
		r = NewBinaryReader(string(b))
		if got := r.Uvarint(); (r.Err() == nil) != (n > 0) || n > 0 && got != want {
			t.Fatalf("%d %v, want %d from %d bytes", got, r.Err(), want, n)
		}
	})
}

// What is read is written again, and then it is the same.
func FuzzBinary(f *testing.F) {
	at := time.Date(2026, 10, 11, 22, 14, 15, 3e6, time.UTC)
	for _, line := range []string{
		"<34>1 2026-10-11T22:14:15.003Z web su 77 ID47 [a@1 k=\"v\"] 'su root' failed",
		"<34>Oct 11 22:14:15 mymachine su[77]: failed", "<189>45: *Oct 11 22:14:15.003 UTC: %SYS-5-CONFIG_I: Configured", "",
	} {
		m := Parse(line, at, netip.MustParseAddr("10.0.0.1"))
		f.Add(string(AppendBinary(nil, &m, 0)))
	}
	f.Fuzz(func(t *testing.T, s string) {
		var m, again Message
		r := NewBinaryReader(s)
		if r.Message(&m, 0); r.Err() != nil {
			return
		}
		r = NewBinaryReader(string(AppendBinary(nil, &m, 0)))
		if r.Message(&again, 0); r.Err() != nil || r.Len() != 0 {
			t.Fatal(r.Err(), r.Len())
		}
		sameBinary(t, &again, &m)
	})
}

func BenchmarkBinary(b *testing.B) {
	at := time.Date(2026, 10, 11, 22, 14, 15, 3e6, time.UTC)
	m := Parse("<34>1 2026-10-11T22:14:15.003Z web-01 nginx 77 ID47 - GET /index.html 200 in 12 ms", at, netip.MustParseAddr("10.0.0.1"))
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = AppendBinary(buf[:0], &m, 0)
		}
	})
	b.Run("read", func(b *testing.B) {
		s := string(AppendBinary(nil, &m, 0))
		b.ReportAllocs()
		for b.Loop() {
			NewBinaryReader(s).Message(&m, 0)
		}
	})
}
