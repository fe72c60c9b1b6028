package chunk

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"rondo/syslogd/filter"
	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/syslog"
)

var start = time.Date(2026, 11, 19, 10, 0, 0, 0, time.UTC)

func codecs(tb testing.TB) (*Encoder, *Decoder) {
	e, err := NewEncoder()
	if err != nil {
		tb.Fatal(err)
	}
	d, err := NewDecoder(NewTypes())
	if err != nil {
		tb.Fatal(err)
	}
	return e, d
}

func utc(m syslog.Message) syslog.Message {
	if !m.Time.IsZero() {
		m.Time = m.Time.UTC()
	}
	m.Received = m.Received.UTC()
	return m
}

// same compares all exported fields; a parser's private notes are not kept.
func same(a, b *syslog.Message) bool {
	return a.Raw == b.Raw && a.Format == b.Format && a.Facility == b.Facility && a.Severity == b.Severity && a.HasPRI == b.HasPRI && a.Truncated == b.Truncated &&
		a.Time.Equal(b.Time) && a.Time.IsZero() == b.Time.IsZero() && a.Received.Equal(b.Received) && a.Sender == b.Sender &&
		a.Host == b.Host && a.App == b.App && a.PID == b.PID && a.MsgID == b.MsgID && a.SD == b.SD && a.Text == b.Text
}

// roundTrip adds messages, reads them back from the open chunk, seals it and
// reads them back again.
func roundTrip(t *testing.T, messages []syslog.Message) (*Header, Parts) {
	t.Helper()
	e, d := codecs(t)
	b := NewBuilder(NewTypes())
	for i := range messages {
		b.Add(&messages[i])
	}
	equal(t, "open", b.Rows(), messages)
	h, p := e.Seal(b, 42)
	back, err := ParseHeader(p.Header)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h, back); diff != "" {
		t.Fatalf("header: %s", diff)
	}
	c, err := d.Catalogue(p.Types, back)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := d.Rows(c, given(p.Data))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "sealed", rows, messages)
	return h, p
}

func equal(t *testing.T, what string, rows *Rows, want []syslog.Message) {
	t.Helper()
	if rows.Len() != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, rows.Len(), len(want))
	}
	for i := range want {
		got, err := rows.Message(i)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if w := utc(want[i]); !same(&got, &w) {
			t.Fatalf("%s: row %d\n got %#v\nwant %#v", what, i, got, w)
		}
		if text, err := rows.Text(i); err != nil || text != want[i].Text {
			t.Fatalf("%s: row %d: text %q, want %q (%v)", what, i, text, want[i].Text, err)
		}
		if got := rows.When(i); got != want[i].When().UnixNano() {
			t.Fatalf("%s: row %d: when %d", what, i, got)
		}
	}
}

func TestRoundTripFleet(t *testing.T) {
	f := logtest.NewFleet(1, start)
	var all []syslog.Message
	for range 18000 {
		all = append(all, f.Next())
	}
	h, p := roundTrip(t, all)
	t.Logf("%d rows, %d raw bytes/row, %.2f bytes/row (types %d, filter %d)", h.Rows, h.RawBytes/int64(h.Rows), float64(h.DiskSize)/float64(h.Rows), len(p.Types), len(p.Filter))
}

// word writes a number with letters only.
func word(n int) string {
	var b []byte
	for n++; n > 0; n /= 26 {
		b = append(b, byte('a'+n%26))
	}
	return string(b)
}

// wordy are lines that would all have types of their own.
func wordy(n int) (all []syslog.Message) {
	for i := range n {
		line := fmt.Sprintf("<%d>1 2026-11-19T10:00:00Z web1 app%s %d ID%d [a@1 k=\"%s\"] user %s opened %s and closed it", i%192, word(i), i, i%7, word(i/2), word(i*7), word(i*13))
		all = append(all, syslog.Parse(line, start, netip.Addr{}))
	}
	return all
}

// TestTypesAreBounded has lines of ever new words: their types do not grow
// without bound, and nothing else changes.
func TestTypesAreBounded(t *testing.T) {
	h, p := roundTrip(t, wordy(20000))
	_, d := codecs(t)
	before := heap()
	c, err := d.Catalogue(p.Types, h)
	if err != nil {
		t.Fatal(err)
	}
	held := heap() - before
	if n := len(c.Types); n < maxTypes || n > 2*maxTypes {
		t.Errorf("%d types", n)
	}
	if n := c.Bytes(); n > 16<<20 || n < held/2 || n > 2*held {
		t.Errorf("%d bytes, and they are said to be %d", held, n)
	}
	// One type of another kind: long lines count by their bytes.
	var long []syslog.Message
	for i := range 1000 {
		long = append(long, syslog.Parse("<13>"+strings.Repeat(word(i*999)+" ", 400), start, netip.Addr{}))
	}
	h, p = roundTrip(t, long)
	if c, err = d.Catalogue(p.Types, h); err != nil || c.Bytes() > 32<<20 {
		t.Errorf("%d types of long lines take %d bytes (%v)", len(c.Types), c.Bytes(), err)
	}
}

// heap is how much of it is in use.
func heap() int {
	var m runtime.MemStats
	for range 3 { // a pool is emptied in two steps
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func strange(r *rand.Rand, n int) []syslog.Message {
	var all []syslog.Message
	for i := range n {
		received := start.Add(time.Duration(r.Int64N(1e15)))
		sender := netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(5))})
		if r.IntN(4) == 0 {
			sender = netip.Addr{}
		}
		m := syslog.Parse(logtest.Line(r), received, sender)
		switch r.IntN(20) {
		case 0: // fields that are no part of the line
			m.Host, m.App, m.PID, m.MsgID, m.SD, m.Text = "elsewhere", fmt.Sprint("app", i), "p1", "m\x002", "[x]", "other text 123"
		case 2:
			m.Truncated = true
		case 1:
			m.App, m.Host = m.Text, m.SD
		}
		all = append(all, m)
	}
	return all
}

func TestRoundTripStrange(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		roundTrip(t, strange(r, 1+r.IntN(800)))
	}
}

// TestFilterHoldsAllTokens is the law on which the skipping of chunks rests.
func TestFilterHoldsAllTokens(t *testing.T) {
	e, d := codecs(t)
	for seed := range uint64(20) {
		messages := strange(rand.New(rand.NewPCG(seed, 3)), 300)
		b := NewBuilder(NewTypes())
		for i := range messages {
			b.Add(&messages[i])
		}
		rows := b.Rows()
		h, p := e.Seal(b, 0)
		c, err := d.Catalogue(p.Types, h)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := d.Rows(c, given(p.Data))
		if err == nil {
			err = sealed.Load()
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range messages {
			typ := rows.Types[rows.Type(i)]
			for w := range filter.Tokens(messages[i].Text) {
				w = filter.Lower(w)
				if !IsTrivial(w) && !MayHold(p.Filter, TokenHash(w)) {
					t.Fatalf("filter lacks %q of %q", w, messages[i].Text)
				}
				// Only some: it looks at all rows of the type.
				if i%20 == 0 && !holds(rows, i, w) || i%20 == 1 && !holds(sealed, i, w) {
					t.Fatalf("rows of type %q cannot hold %q of %q", typ.key, w, messages[i].Text)
				}
				if !typ.CanHold(w) {
					t.Fatalf("type %q cannot hold %q of %q", typ.key, w, messages[i].Text)
				}
			}
			if text := messages[i].Text; len(text) > 0 {
				from := seed % uint64(len(text))
				part := strings.Map(func(r rune) rune {
					if r >= 'A' && r <= 'Z' {
						r |= 0x20
					}
					return r
				}, text[from:min(len(text), int(from)+1+i%30)])
				if utf8.ValidString(part) && len(part) == utf8.RuneCountInString(part) && !typ.CanContain(part) {
					t.Fatalf("type %q cannot contain %q of %q", typ.key, part, text)
				}
			}
			if h := filter.Lower(messages[i].Origin()); !MayHold(p.Filter, HostHash(h)) {
				t.Fatalf("filter lacks host %q", h)
			}
		}
	}
}

func TestQuads(t *testing.T) {
	e, _ := codecs(t)
	for _, text := range []string{"1.2.3.4", "x.1.2.3.4", "9.1.2.3.4.5", "/1.2.3.4", "v1.1.2.3.4", "\x00 1.2.3.4", "a 1.2.3.4:80"} {
		b := NewBuilder(NewTypes())
		b.Add(&syslog.Message{Raw: text, Text: text, Received: start})
		if _, p := e.Seal(b, 0); !MayHold(p.Filter, TokenHash("1.2.3.4")) {
			t.Errorf("filter lacks the address in %q", text)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 4))
	for range 50 {
		f.Add(logtest.Line(r), logtest.Line(r), int64(1795000000e9))
	}
	f.Fuzz(func(t *testing.T, a, b string, at int64) {
		messages := []syslog.Message{
			syslog.Parse(a, time.Unix(0, at), netip.Addr{}), syslog.Parse(b, time.Unix(0, at/3), netip.IPv6Loopback()), syslog.Parse(a, time.Unix(0, at+1), netip.Addr{}),
			{Raw: a, Text: b, Host: a, Received: time.Unix(0, at)},
		}
		for i := range messages {
			if m := &messages[i]; m.Time.Before(MinTime) || m.Time.After(MaxTime) {
				m.Time = time.Time{}
			}
		}
		roundTrip(t, messages)
	})
}

// FuzzHostile decodes bytes that no encoder wrote. Run it with
// -fuzzminimizetime=1x: its inputs are large.
func FuzzHostile(f *testing.F) {
	e, d := codecs(f)
	for seed := range uint64(4) {
		b := NewBuilder(NewTypes())
		for _, m := range strange(rand.New(rand.NewPCG(seed, 5)), 40) {
			b.Add(&m)
		}
		h, p := e.Seal(b, 1)
		plain, err := d.zstd.DecodeAll(p.Types[:len(p.Types)-4], nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint16(h.Rows), p.Header[:len(p.Header)-4], plain, p.Data[:len(p.Data)-4])
	}
	// A damaged frame asks for all the memory that it may have.
	small, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<20))
	if err != nil {
		f.Fatal(err)
	}
	defer small.Close()
	d = &Decoder{zstd: small}
	f.Fuzz(func(t *testing.T, n uint16, header, types, data []byte) {
		ParseHeader(seal(header))
		c, err := parseCatalogue(types, &Header{Version: Version, Rows: int(n)}, NewTypes())
		if err != nil {
			return
		}
		rows, err := d.open(c, data, &memory{})
		if err != nil {
			return
		}
		defer rows.Close()
		for i := range rows.Len() {
			if _, err := rows.Message(i); err != nil {
				return
			}
		}
	})
}

// cpuTime is the processor time of this process.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkAdd(b *testing.B) {
	f := logtest.NewFleet(1, start)
	var all []syslog.Message
	for range 18000 {
		all = append(all, f.Next())
	}
	b.ReportAllocs()
	chunk, before := NewBuilder(NewTypes()), cpuTime(b)
	n := 0
	for ; b.Loop(); n++ {
		chunk = chunk.Next()
		for i := range all {
			chunk.Add(&all[i])
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N*len(all)), "cpu-ns/line")
}

func BenchmarkSeal(b *testing.B) {
	f := logtest.NewFleet(1, start)
	chunk := NewBuilder(NewTypes())
	for range 18000 {
		m := f.Next()
		chunk.Add(&m)
	}
	e, d := codecs(b)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		before := cpuTime(b)
		for b.Loop() {
			e.Seal(chunk, 0)
		}
		b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N*chunk.Len()), "cpu-ns/line")
	})
	h, p := e.Seal(chunk, 0)
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		before := cpuTime(b)
		for b.Loop() {
			c, err := d.Catalogue(p.Types, h)
			if err != nil {
				b.Fatal(err)
			}
			rows, err := d.Rows(c, given(p.Data))
			if err != nil {
				b.Fatal(err)
			}
			for i := range rows.Len() {
				if _, err := rows.Message(i); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N*chunk.Len()), "cpu-ns/line")
	})
}

func holds(r *Rows, i int, token string) bool {
	set := r.Holders(r.Type(i), token)
	return set == nil || r.Among(set, i)
}

// given is a data part that has been read.
func given(data []byte) func([]byte) ([]byte, error) {
	return func(buf []byte) ([]byte, error) { return append(buf, data...), nil }
}
