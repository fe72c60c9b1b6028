package gelf

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// split makes chunks of at most size bytes.
func split(id uint64, data string, size int) [][]byte {
	count := max(1, (len(data)+size-1)/size)
	var all [][]byte
	for n := range count {
		part := data[min(n*size, len(data)):min((n+1)*size, len(data))]
		all = append(all, fmt.Appendf(nil, "\x1e\x0f%08d%c%c%s", id, n, count, part))
	}
	return all
}

func addr(n byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, n}) }

// show writes payloads as "data" or "data!reason".
func show(all []Payload) string {
	var b strings.Builder
	for _, p := range all {
		b.WriteString(string(p.Data))
		if reason, ok := errors.AsType[Reason](p.Err); ok {
			b.WriteString("!" + string(reason))
		}
		b.WriteString(" ")
	}
	return strings.TrimSpace(b.String())
}

// Messages are put together whatever the order, with duplicates, and mixed
// with those of others that have the same number.
func TestChunksRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &Chunks{}
		want := map[netip.Addr]string{}
		type datagram struct {
			from netip.Addr
			data []byte
		}
		var sent []datagram
		for n := range byte(rapid.IntRange(1, 4).Draw(t, "senders")) {
			want[addr(n)] = rapid.StringN(1, 200, 1000).Draw(t, "message")
			size := max(rapid.IntRange(1, 100).Draw(t, "size"), len(want[addr(n)])/maxChunks+1)
			for _, chunk := range split(7, want[addr(n)], size) {
				sent = append(sent, datagram{addr(n), chunk})
			}
		}
		got := map[netip.Addr]string{}
		for _, d := range rapid.Permutation(sent).Draw(t, "order") {
			for range rapid.IntRange(1, 2).Draw(t, "times") {
				if got[d.from] != "" {
					continue // a late duplicate begins a message that never ends
				}
				for _, p := range c.Add(d.data, d.from, received()) {
					if p.Err != nil || p.From != d.from {
						t.Fatalf("%v: %v", p.From, p.Err)
					}
					got[p.From] = string(p.Data)
				}
			}
		}
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" || c.oldest.Len() != 0 || c.bytes != 0 || len(c.senders) != 0 {
			t.Fatalf("%d left: %s", c.oldest.Len(), d)
		}
	})
}

func TestChunks(t *testing.T) {
	c := &Chunks{}
	now := received()
	step := func(want string, from byte, packet string) {
		t.Helper()
		if got := show(c.Add([]byte(packet), addr(from), now)); got != want {
			t.Errorf("%q: %q, want %q", packet, got, want)
		}
	}
	step("plain", 1, "plain")
	step("", 1, "\x1e\x0f00000001\x00\x02ab")
	step("\x1e\x0f00000001\x01\x03cd!bad_chunk", 1, "\x1e\x0f00000001\x01\x03cd") // another count
	step("", 1, "\x1e\x0f00000001\x00\x02AB")                                     // the first one counts
	step("abcd", 1, "\x1e\x0f00000001\x01\x02cd")
	step("one", 1, "\x1e\x0f00000002\x00\x01one")
	step("\x1e\x0f00000003\x02\x02x!bad_chunk", 1, "\x1e\x0f00000003\x02\x02x")
	step("\x1e\x0f00000003\x00\x00x!bad_chunk", 1, "\x1e\x0f00000003\x00\x00x")
	step("\x1e\x0f00000003\x00\x81x!bad_chunk", 1, "\x1e\x0f00000003\x00\x81x")
	step("\x1e\x0f0000!bad_chunk", 1, "\x1e\x0f0000")

	// What is missing for too long is given up, with what there is.
	step("", 1, "\x1e\x0f00000004\x00\x03ab")
	step("", 1, "\x1e\x0f00000004\x02\x03ef")
	now = now.Add(4 * time.Second)
	step("", 2, "\x1e\x0f00000005\x00\x02gh")
	now = now.Add(time.Second)
	step("abef!incomplete plain", 2, "plain")
	if got := show(c.Close()); got != "gh!incomplete" || c.bytes != 0 {
		t.Errorf("%q, %d bytes", got, c.bytes)
	}
}

// A sender with nothing but beginnings loses its own, and no memory of ours.
func TestChunksLimits(t *testing.T) {
	c := &Chunks{MaxPerSender: 3, MaxBytes: 40 << 10}
	var gone int
	c.Add(split(99, "abcdef", 3)[0], addr(2), received())
	for id := range uint64(1000) {
		for _, p := range c.Add(split(id, strings.Repeat("x", 20), 10)[0], addr(1), received()) {
			if p.From != addr(1) || p.Err != TooMany || len(p.Data) != 10 {
				t.Fatalf("%v %v %q", p.From, p.Err, p.Data)
			}
			gone++
		}
	}
	if gone != 997 || c.oldest.Len() != 4 {
		t.Errorf("%d given up, %d left", gone, c.oldest.Len())
	}
	if got := show(c.Add(split(99, "abcdef", 3)[1], addr(2), received())); got != "abcdef" {
		t.Errorf("the other sender's: %q", got)
	}
	for id := range uint64(1000) { // from everywhere
		c.Add(split(id, strings.Repeat("x", 2000), 1000)[0], addr(byte(id)), received())
		if c.bytes > c.MaxBytes {
			t.Fatalf("%d bytes held", c.bytes)
		}
	}
}

// FuzzChunks: no data is lost, and none is held when all is done.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("\x1e\x0f00000001\x00\x02ab|\x1e\x0f00000001\x01\x02cd|plain"))
	f.Add([]byte(strings.Join(captured(f)["chunked"], "|")))
	f.Add([]byte("\x1e\x0f00000003\x02\x02x|\x1e\x0f|\x1e\x0f00000003\x00\x81x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &Chunks{MaxBytes: 3 * partialSize, MaxPerSender: 2}
		var out []Payload
		now := received()
		for i, packet := range strings.Split(string(data), "|") {
			now = now.Add(time.Second)
			out = append(out, c.Add([]byte(packet), addr(byte(i%3)), now)...)
			if c.bytes > c.MaxBytes || c.bytes < c.oldest.Len()*partialSize {
				t.Fatalf("%d bytes for %d messages", c.bytes, c.oldest.Len())
			}
		}
		c.Close()
		if c.bytes != 0 || c.oldest.Len() != 0 || len(c.partial) != 0 || len(c.senders) != 0 {
			t.Fatalf("%d bytes left", c.bytes)
		}
		for _, p := range out {
			if p.Err == nil && strings.HasPrefix(string(p.Data), "\x1e\x0f") && !strings.Contains(string(data), string(p.Data)) {
				t.Fatalf("%q", p.Data)
			}
		}
	})
}

func TestStream(t *testing.T) {
	test := func(in string, max int, want string) {
		t.Helper()
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in))} {
			s := NewStream(r, max)
			var got []string
			for {
				batch, err := s.Append(nil)
				for _, p := range batch {
					got = append(got, show([]Payload{p}))
				}
				if err != nil {
					break
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%q: %q, want %q", in, got, want)
			}
			if len(s.buf) > 4<<10+2*max {
				t.Errorf("%q: buffer of %d bytes", in, len(s.buf))
			}
		}
	}
	test("", 0, "")
	test("a\x00b\x00", 0, "a b")
	test("a\x00b", 0, "a b")
	test("\n\x00a\r\n\x00\x00\nb\n", 0, "a b")
	test("{\n}\x00x\x00", 0, "{\n} x")
	test(strings.Repeat("x", 10)+"\x00b\x00", 5, "xxxxx!too_large b")
	test(strings.Repeat("x", 20000)+"\x00b\x00"+strings.Repeat("y", 9000), 5, "xxxxx!too_large b yyyyy!too_large")
	test("12345\x00b", 5, "12345 b")
}

// FuzzStream: all that is cut out is in the stream, in its order.
func FuzzStream(f *testing.F) {
	f.Add("a\x00b\x00", 3)
	f.Add(example+"\x00\n"+docker, 0)
	f.Fuzz(func(t *testing.T, in string, max int) {
		if max < 0 || max > 1<<12 {
			return
		}
		s := NewStream(strings.NewReader(in), max)
		rest := in
		for {
			batch, err := s.Append(nil)
			for _, p := range batch {
				before, after, ok := strings.Cut(rest, string(p.Data))
				if !ok || max > 0 && len(p.Data) > max {
					t.Fatalf("%q: %q", in, p.Data)
				}
				if max == 0 && strings.Trim(before, "\r\n\x00") != "" {
					t.Fatalf("%q: %q is lost", in, before)
				}
				rest = after
			}
			if err != nil {
				break
			}
		}
		if max == 0 && strings.Trim(rest, "\r\n\x00") != "" {
			t.Fatalf("%q: %q is lost", in, rest)
		}
	})
}
