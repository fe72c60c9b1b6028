package syslog

import (
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func delimited(r io.Reader, max int, delim byte) (lines []string, stats FramerStats) {
	f := NewDelimitedFramer(r, max, delim)
	for {
		frames, err := f.Append(nil)
		for _, fr := range frames {
			if fr.Truncated {
				fr.Line += "..."
			}
			lines = append(lines, fr.Line)
		}
		if err != nil {
			return lines, f.Stats()
		}
	}
}

func TestDelimitedFramer(t *testing.T) {
	check := func(in string, delim byte, want ...string) {
		t.Helper()
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
			if got, _ := delimited(r, 10, delim); !slices.Equal(got, want) {
				t.Errorf("%q: %q, want %q", in, got, want)
			}
		}
	}
	check("", '\n')
	check("a\n\nb\r\nc", '\n', "a", "b", "c")
	check("12 <34>x\ny\n", '\n', "12 <34>x", "y")
	check("a\nb\x00\x00c\x00", 0, "a\nb", "c")
	check("0123456789\nx\n", '\n', "0123456789", "x")
	check("0123456789abc\nx\n", '\n', "0123456789...", "x")
	check(strings.Repeat("y", 100)+"\nx\n", '\n', "yyyyyyyyyy...", "x")
	check(strings.Repeat("y", 100), '\n', "yyyyyyyyyy...")
	if _, stats := delimited(strings.NewReader(strings.Repeat("y", 5000)+"\n"), 10, '\n'); stats.Truncated != 1 {
		t.Error(stats)
	}
}

// How the network cuts a stream changes nothing, and no message is too long.
func FuzzDelimitedFramer(f *testing.F) {
	f.Add([]byte("a\nb\r\n\nc"), byte('\n'), 2)
	f.Add([]byte(strings.Repeat("y", 50)+"\x00x"), byte(0), 20)
	f.Fuzz(func(t *testing.T, in []byte, delim byte, cut int) {
		at := min(max(cut, 0), len(in))
		whole, _ := delimited(strings.NewReader(string(in)), 10, delim)
		parts, _ := delimited(io.MultiReader(strings.NewReader(string(in[:at])), strings.NewReader(string(in[at:]))), 10, delim)
		if !slices.Equal(whole, parts) {
			t.Fatalf("%q, cut at %d: %q", whole, at, parts)
		}
		for _, line := range whole {
			if len(strings.TrimSuffix(line, "...")) > 10 {
				t.Fatalf("%q", line)
			}
		}
	})
}
