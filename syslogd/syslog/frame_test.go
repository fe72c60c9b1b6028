package syslog

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// fataler is what testing.T and rapid.T have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// frames reads all messages of a stream. One that is truncated ends in "...".
func frames(tb fataler, r io.Reader, max int) ([]string, FramerStats) {
	tb.Helper()
	f := NewFramer(r, max)
	var lines []string
	var batch []Frame
	for {
		var err error
		batch, err = f.Append(batch[:0])
		for _, frame := range batch {
			if frame.Truncated {
				frame.Line += "..."
			}
			lines = append(lines, frame.Line)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				tb.Fatal(err)
			}
			return lines, f.Stats()
		}
	}
}

func TestFramer(t *testing.T) {
	once := func(name string, r io.Reader, max int, stats FramerStats, want ...string) {
		t.Helper()
		got, gotStats := frames(t, r, max)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if gotStats != stats {
			t.Errorf("%s: %+v, want %+v", name, gotStats, stats)
		}
	}
	// The stream is read at once, and byte by byte: both must agree, but
	// where a wrong count is told by what has not come yet.
	test := func(name, stream string, max int, stats FramerStats, want ...string) {
		t.Helper()
		once(name, strings.NewReader(stream), max, stats, want...)
		if stats.BadCounts == 0 {
			once(name+", byte by byte", iotest.OneByteReader(strings.NewReader(stream)), max, stats, want...)
		}
	}
	none := FramerStats{}
	test("nothing", "", 0, none)
	test("lines", "<13>a\n<13>b\n", 0, none, "<13>a", "<13>b")
	test("the last line without an end", "<13>a\n<13>b", 0, none, "<13>a", "<13>b")
	test("CR LF", "<13>a\r\n<13>b\r\n", 0, none, "<13>a", "<13>b")
	test("NUL LF", "<13>a\x00\n<13>b\x00\n", 0, none, "<13>a", "<13>b")
	test("NUL", "<13>a\x00<13>b\x00<13>c\x00", 0, none, "<13>a", "<13>b", "<13>c")
	test("NUL in the text", "<13>a\x00b\n", 0, none, "<13>a\x00b")
	test("empty lines", "\n\n<13>a\n\r\n\n", 0, none, "<13>a")
	test("text without a header", "hello\nworld\n", 0, none, "hello", "world")
	test("text that begins with a number", "12 apples\n7\n8 <b>\n", 0, none, "12 apples", "7", "8 <b>")
	test("XML", "<13>a\n<xml/>\n", 0, none, "<13>a", "<xml/>")

	test("counted", "5 <13>a6 <13>bb", 0, none, "<13>a", "<13>bb")
	test("counted with line ends inside", "9 <13>a\nb\nc5 <13>d", 0, none, "<13>a\nb\nc", "<13>d")
	test("counted with line ends behind", "5 <13>a\n6 <13>bb\n", 0, none, "<13>a", "<13>bb")
	test("counted, its line end counted too", "6 <13>a\n6 <13>b\n", 0, none, "<13>a", "<13>b")
	test("counted without a PRI, once it is known to count", "5 <13>a5 hello5 world", 0, none, "<13>a", "hello", "world")
	test("each in its own way", "<13>a\n5 <13>b<13>c\n5 <13>d", 0, none, "<13>a", "<13>b", "<13>c", "<13>d")

	bad := FramerStats{BadCounts: 1}
	test("count too small", "5 <13>hello5 <13>b", 0, bad, "<13>hello", "<13>b")
	test("count too small, lines", "5 <13>hello\n<13>b\n", 0, bad, "<13>hello", "<13>b")
	test("count too large", "9 <13>a5 <13>b5 <13>c", 0, bad, "<13>a", "<13>b", "<13>c")
	test("count too large, lines", "9 <13>a\n<13>bbbbb\n", 0, bad, "<13>a", "<13>bbbbb")
	test("count beyond the end", "999 <13>a\n<13>b\n", 0, bad, "<13>a", "<13>b")
	test("count that is none", "9999999999 <13>a\n<13>b\n", 0, bad, "<13>a", "<13>b")
	test("count of twenty digits", "18446744073709551621 <13>a\n<13>b\n", 0, bad, "<13>a", "<13>b")
	test("count of twenty-one digits", "184467440737095516211 <13>a\n<13>b\n", 0, none, "184467440737095516211 <13>a", "<13>b")
	test("count that overflows 32 bits to five", "4294967301 <13>a\n<13>b\n", 0, bad, "<13>a", "<13>b")
	test("count of zero", "0 <13>a\n5 <13>b", 0, bad, "<13>a", "<13>b")
	test("zero that is text", "5 <13>a\n0 errors\n", 0, none, "<13>a", "0 errors")
	test("count with zeros in front", "005 <13>a005 <13>b", 0, none, "<13>a", "<13>b")
	test("count below zero", "-5 <13>a\n5 <13>b", 0, none, "-5 <13>a", "<13>b")
	test("count without a blank", "5<13>a\n5 <13>b", 0, none, "5<13>a", "<13>b")
	test("count without the line end", "5 <13>a\r\n5 <13>b\r\n", 0, none, "<13>a", "<13>b")
	test("count with the line end", "7 <13>a\r\n7 <13>b\r\n", 0, none, "<13>a", "<13>b")
	test("count of the text alone", "1 <13>a1 <13>b", 0, FramerStats{BadCounts: 2}, "<13>a", "<13>b")
	test("count of itself and the blank", "7 <13>a7 <13>b", 0, FramerStats{BadCounts: 1, Truncated: 1}, "<13>a", "<13>b...")
	test("count of characters", "6 <13>aé6 <13>bé5 <13>c", 0, FramerStats{BadCounts: 2}, "<13>aé", "<13>bé", "<13>c")
	test("byte order mark behind the count", "8 \ufeff<13>a8 \ufeff<13>b", 0, none, "\ufeff<13>a", "\ufeff<13>b")
	test("stream cut off", "5 <13>a99 <13>b", 0, FramerStats{Truncated: 1}, "<13>a", "<13>b...")
	test("stream cut off in a count", "5 <13>a99", 0, none, "<13>a", "99")
	test("stream cut off behind a count", "5 <13>a5 ", 0, FramerStats{Truncated: 1}, "<13>a")

	long := FramerStats{Truncated: 1}
	test("line too long", "<13>abcdefgh\n<13>b\n", 8, long, "<13>abcd...", "<13>b")
	test("last line too long", "<13>b\n<13>abcdefgh", 8, long, "<13>b", "<13>abcd...")
	test("counted too long", "12 <13>abcdefgh5 <13>b", 8, long, "<13>abcd...", "<13>b")
	test("exactly as long as allowed", "8 <13>abcd8 <13>abcd<13>abcd\n", 8, none, "<13>abcd", "<13>abcd", "<13>abcd")
	test("wrong count that is too long", "90 <13>a\n<13>bb\n", 16, bad, "<13>a", "<13>bb")
	test("garbage between counted ones", "5 <13>a"+"!!!"+"5 <13>b", 0, bad, "<13>a!!!", "<13>b")

	// The traps of other parsers of streams. go-syslog v3 ends the connection
	// at all of the first five; its parser of lines glues the garbage to the
	// message before, keeps CR, takes XML for a message and waits for the next
	// one before it gives one out.
	test("trap: line end behind a counted message", "5 <13>a\n5 <13>b\n", 0, none, "<13>a", "<13>b")
	test("trap: a counted message of more than 8192 bytes", "9004 <13>"+strings.Repeat("x", 9000)+"5 <13>b", 0, none, "<13>"+strings.Repeat("x", 9000), "<13>b")
	bsd := "<13>Oct 11 22:14:15 h a: x"
	test("trap: a counted BSD message", "26 "+bsd+"26 "+bsd, 0, none, bsd, bsd)
	test("trap: a counted message that is none", "5 <13>a7 garbage5 <13>b", 0, none, "<13>a", "garbage", "<13>b")
	test("trap: a count that nobody can hold", "99999999999 <13>a\n<13>b\n", 0, bad, "<13>a", "<13>b")
	test("trap: garbage between lines", "garbage\n<13>a\ngarbage\n<13>b\n", 0, none, "garbage", "<13>a", "garbage", "<13>b")
	test("trap: CR", "<13>a\r\n", 0, none, "<13>a")
	test("trap: XML is no message of its own", "<13>a <xml/>\n<13>b\n", 0, none, "<13>a <xml/>", "<13>b")
	test("trap: both framings in one connection", "5 <13>a<13>b\n5 <13>c", 0, none, "<13>a", "<13>b", "<13>c")
}

// A message is given out when it is there, not when the next one is.
func TestFramerDoesNotWait(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	f := NewFramer(r, 0)
	for _, s := range []string{"<13>a\n", "5 <13>a", "<13>a\r\n"} {
		go io.WriteString(w, s)
		if got, err := f.Append(nil); err != nil || len(got) != 1 || got[0].Line != "<13>a" {
			t.Errorf("%q: %v %v", s, got, err)
		}
	}
}

func TestFramerPassesTheErrorOn(t *testing.T) {
	boom := errors.New("boom")
	f := NewFramer(io.MultiReader(strings.NewReader("<13>a\n<13>b"), iotest.ErrReader(boom)), 0)
	var all []Frame
	var err error
	for err == nil {
		all, err = f.Append(all)
	}
	if err != boom || len(all) != 2 || all[1].Line != "<13>b" {
		t.Errorf("%v %v", all, err)
	}
}

// Whatever is framed correctly, in whichever way, is read back, no matter how
// the network cuts it.
func TestFramerRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream strings.Builder
		var want []string
		for range rapid.IntRange(0, 8).Draw(t, "messages") {
			msg := "<13>" + rapid.StringMatching(`[a-z0-9 <>\n]{0,40}[a-z]`).Draw(t, "message")
			if strings.ContainsRune(msg, '\n') || rapid.Bool().Draw(t, "counted") {
				fmt.Fprintf(&stream, "%d %s", len(msg), msg)
			} else {
				stream.WriteString("<13>x" + msg + "\n")
				msg = "<13>x" + msg
			}
			want = append(want, msg)
		}
		got, stats := frames(t, &chunks{t: t, s: stream.String()}, 0)
		if d := cmp.Diff(want, got); d != "" || stats != (FramerStats{}) {
			t.Fatalf("%q: %+v %s", stream.String(), stats, d)
		}
	})
}

// chunks reads a string in pieces of any length.
type chunks struct {
	t *rapid.T
	s string
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.s == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), rapid.IntRange(1, 60).Draw(c.t, "read"))], c.s)
	c.s = c.s[n:]
	return n, nil
}

// FuzzFramer: no byte of the stream that is not framing is lost, and nothing
// is longer than allowed.
func FuzzFramer(f *testing.F) {
	for _, s := range []string{
		"<13>a\n<13>b\n", "5 <13>a5 <13>b", "5 <13>hello5 <13>b", "99 <13>a\n<13>b", "<13>a\x00<13>b\x00",
		"120 <34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed for lonvick on /dev/pts/8\n",
		"9999999999999 <1>", "1 <\n2 <1>3 <1>", "16 <13>aaaaaaaaaaaaaaaaaaaaaaa", "00 <1>a", "8 \ufeff<13>a\ufeff<1>", "5 <13>a0 x",
	} {
		f.Add(s, 16)
		f.Add(s, 0)
	}
	for i, line := range seeds(f) { // in all framings, and with counts that lie
		lie := len(line) + i%5 - 2
		f.Add(fmt.Sprintf("%s\n%d %s%s\x00<13>%d %s", line, len(line), line, line, lie, line), 0)
		f.Add(fmt.Sprintf("%d %s%d %s", lie, line, len(line)<<(i%60), line), 32)
	}
	f.Fuzz(func(t *testing.T, stream string, max int) {
		if max < 0 || max > 1<<12 {
			return
		}
		const between = "0123456789 \r\n\x00"
		framer, rest, lines := NewFramer(strings.NewReader(stream), max), stream, int64(0)
		for err := error(nil); err == nil; {
			var batch []Frame
			batch, err = framer.Append(nil)
			for _, frame := range batch {
				before, after, ok := strings.Cut(rest, frame.Line)
				if !ok || max > 0 && len(frame.Line) > max {
					t.Fatalf("%q: %q", stream, frame.Line)
				}
				if max == 0 && strings.Trim(before, between) != "" {
					t.Fatalf("%q: %q is lost", stream, before)
				}
				rest = after
				lines++
			}
		}
		if max == 0 && strings.Trim(rest, between) != "" {
			t.Fatalf("%q: %q is lost", stream, rest)
		}
		if n := framer.Stats(); n.Truncated > lines+1 || n.BadCounts > lines+1 || cap(framer.buf) > 2*largeBlock+8*max {
			t.Fatalf("%q: %+v for %d lines, buffer of %d", stream, n, lines, cap(framer.buf))
		}
	})
}

func BenchmarkFramer(b *testing.B) {
	msg := "<34>1 2026-10-11T22:14:15.003Z mymachine.example.com su 77 ID47 - 'su root' failed for lonvick on /dev/pts/8"
	for name, frame := range map[string]string{
		"line": msg + "\n", "counted": fmt.Sprintf("%d %s", len(msg), msg),
		"text of a sender that counts": "5 <13>a" + strings.Repeat("no header\n", 1000),
	} {
		b.Run(name, func(b *testing.B) {
			r := &endless{s: strings.Repeat(frame, 1+1_000_000/len(frame))}
			f := NewFramer(r, 0)
			var batch []Frame
			b.ReportAllocs()
			for b.Loop() {
				if len(batch) == 0 {
					batch, _ = f.Append(batch[:0:cap(batch)])
				}
				batch = batch[:len(batch)-1]
			}
		})
	}
}

// endless reads a string over and over.
type endless struct {
	s string
	i int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.s[e.i:])
	e.i = (e.i + n) % len(e.s)
	return n, nil
}
