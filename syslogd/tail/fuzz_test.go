package tail

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	start := multiline{pattern: regexp.MustCompile(`^\d`), start: true, maxLines: 3}
	more := multiline{pattern: regexp.MustCompile(`^\s`), maxLines: 3}
	for _, c := range []struct {
		name  string
		split splitter
		data  string
		end   ending
		want  []string
		rest  string
	}{
		{"lines", splitter{UTF8, 64, multiline{}}, "a\nb\r\n\nc", open, []string{"a", "b", ""}, "c"},
		{"the last one", splitter{UTF8, 64, multiline{}}, "a\nb", closing, []string{"a", "b"}, ""},
		{"too long", splitter{UTF8, 64, multiline{}}, strings.Repeat("ä", 40) + "\n", open, []string{strings.Repeat("ä", 32), strings.Repeat("ä", 8)}, ""},
		{"a hole in front", splitter{UTF8, 64, multiline{}}, "\x00\x00\x00a\n", open, []string{"a"}, ""},
		{"start", splitter{UTF8, 64, start}, "1 a\n b\n2 c\n", open, []string{"1 a\n b"}, "2 c\n"},
		{"start, quiet", splitter{UTF8, 64, start}, "1 a\n b\n2 c\n d", quiet, []string{"1 a\n b", "2 c"}, " d"},
		{"continue", splitter{UTF8, 64, more}, "a\n at x\n at y\nb\n", open, []string{"a\n at x\n at y"}, "b\n"},
		{"too many lines", splitter{UTF8, 64, more}, "a\n 1\n 2\n 3\nb\n", open, []string{"a\n 1\n 2", " 3"}, "b\n"},
		{"utf-16", splitter{UTF16LE, 64, multiline{}}, "a\x00\r\x00\n\x00\n\x0a\n\x00b\x00", open, []string{"a\x00", "\n\x0a"}, "b\x00"},
	} {
		var got []string
		data := []byte(c.data)
		for {
			record, n, _ := c.split.next(data, c.end)
			if n == 0 {
				break
			}
			got = append(got, string(record))
			data = data[n:]
		}
		if diff := cmp.Diff(c.want, got); diff != "" || string(data) != c.rest {
			t.Errorf("%s: %s; rest %q", c.name, diff, data)
		}
	}
}

func TestEncodings(t *testing.T) {
	for _, c := range []struct {
		encoding Encoding
		data     string
		want     string
	}{
		{UTF8, "größe \xff", "größe \xff"},
		{Latin1, "gr\xf6\xdfe", "größe"},
		{Windows1252, "\x80 \x93x\x94", "€ “x”"},
		{UTF16LE, "a\x00\x3d\xd8\x00\xde\xac\x20", "a😀€"},
		{UTF16BE, "\x00a\xd8\x3d\xde\x00\x20\xac", "a😀€"},
		{UTF16BE, "\xd8\x3d\x00a\x00", "\ufffda\ufffd"},
	} {
		if got := string(c.encoding.appendText(nil, []byte(c.data))); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.encoding, c.data, got, c.want)
		}
	}
}

// Whatever a file holds, all of it is taken, in order, and what is taken does
// not depend on how much is seen at a time, but for groups of lines.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n three\n\n\x00four"), uint8(0), false)
	f.Add([]byte("Exception in thread main\n\tat a.b.C(D.java:1)\n\tat e\nnext"), uint8(0), true)
	f.Add([]byte("a\x00\n\x00b\x00\r\x00\n\x00\x3d\xd8\x00\xde"), uint8(3), false)
	encodings := []Encoding{UTF8, Latin1, Windows1252, UTF16LE, UTF16BE}
	f.Fuzz(func(t *testing.T, data []byte, e uint8, group bool) {
		s := splitter{encoding: encodings[int(e)%len(encodings)], maxLine: minMaxLine}
		if group {
			s.multi = multiline{pattern: regexp.MustCompile(`^\s`), maxLines: 4}
		}
		for rest := data; len(rest) > 0; {
			window := rest[:min(len(rest), s.room())]
			end := open
			if len(window) == len(rest) {
				end = closing
			}
			record, n, _ := s.next(window, end)
			if n <= 0 || n > len(window) || len(record) > n {
				t.Fatalf("%q: takes %d of %d bytes, record %q", window, n, len(window), record)
			}
			if !bytes.Contains(window[:n], record) {
				t.Fatalf("record %q is not in %q", record, window[:n])
			}
			if text := s.encoding.appendText(nil, record); s.encoding != UTF8 && !utf8.Valid(text) {
				t.Fatalf("%q is no UTF-8", text)
			}
			rest = rest[n:]
		}
	})
}

// A state file is refused, or it is read, and written as it was read.
func FuzzState(f *testing.F) {
	known := map[string]int64{"glob-1": 7}
	p := &position{id: "1-64-9-f112b1e8ba84cd99", head: beginningOf(bytes.Repeat([]byte("x"), 100)), path: "/log/a \"b\"", first: "/log/a", offset: 100, size: 120}
	f.Add(appendState(nil, known, map[string]*position{p.id: p}))
	f.Add([]byte(stateMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range [][]byte{data, withSum(data)} {
			st, err := parseState(d)
			if err != nil {
				continue
			}
			byID := map[string]*position{}
			for _, p := range st.positions {
				byID[p.id] = p
			}
			again, err := parseState(appendState(nil, st.known, byID))
			if err != nil || len(again.positions) != len(byID) || len(again.known) != len(st.known) {
				t.Fatalf("%q: %v", d, err)
			}
			for _, q := range again.positions {
				if diff := cmp.Diff(byID[q.id], q, cmp.AllowUnexported(position{}, headSum{}, beginning{}, fileKey{})); diff != "" {
					t.Fatal(diff)
				}
			}
		}
	})
}

// withSum gives damaged data the checksum that lets it through.
func withSum(data []byte) []byte {
	if i := bytes.LastIndex(data, []byte("\nsum ")); i >= 0 {
		data = data[:i+1]
	}
	return sealState(bytes.Clone(data))
}

// What a mark is called does not matter to those who read marks.
func FuzzMark(f *testing.F) {
	f.Add("1-64-9-f112b1e8ba84cd99-2", uint64(7<<16))
	f.Add("journal-1-s", uint64(7))
	f.Fuzz(func(t *testing.T, source string, pos uint64) {
		if p, ok := fromMark(Mark{source, pos}); ok && (p.next < 0 || p.mark().Pos != pos || p.born.n > headLen) {
			t.Errorf("%+v", p)
		}
		lastJournal([]Mark{{source, pos}})
	})
}

func TestGlob(t *testing.T) {
	for _, c := range []struct{ pattern, path, is string }{
		{"/log/*.log", "/log/a.log", "match"},
		{"/log/*.log", "/log/x/a.log", ""},
		{"/log/**/*.log", "/log/a.log", "match"},
		{"/log/**/*.log", "/log/x/y/a.log", "match"},
		{"/log/**/*.log", "/log/x", "on the way"},
		{"/log/*/a.log", "/log/x", "on the way"},
		{"/log/**", "/log/x/y", "match"},
		{"/log/a.log", "/log/a.log.1", "rotated"},
		{"/log/a.log", "/log/a.log-20261011.gz", "rotated"},
		{"/log/a.log", "/log/a-2026-10-11.log", "rotated"},
		{"/log/a.log", "/log/ab.log", ""},
		{"/log/syslog", "/log/syslog.2.gz", "rotated"},
	} {
		p, err := newPattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, r := range p.rotations() {
			if r.match(c.path) {
				got = "rotated"
			}
		}
		if p.mayHold(c.path) && got == "" {
			got = "on the way"
		}
		if p.match(c.path) {
			got = "match"
		}
		if got != c.is {
			t.Errorf("%s of %s: got %q, want %q", c.path, c.pattern, got, c.is)
		}
	}
}

func TestFamily(t *testing.T) {
	for path, want := range map[string]string{
		"/log/app.log": "app.log", "/log/app.log.1": "app.log", "/log/app.log.12.gz": "app.log", "/log/app.log-20261011": "app.log",
		"/log/app-2026-10-11.log": "app.log", "/log/app.log.old": "app.log", "/log/web1.log": "web1.log", "/log/syslog.1": "syslog",
		"/log/app.log.lck": "app.log.lck", "/log/2026.log": "2026.log",
	} {
		if got := family(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}
