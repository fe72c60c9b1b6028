package logfile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"rondo/syslogd/syslog"
	"rondo/syslogd/syslog/jsonl"
)

func written() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)) }

// read is all messages of a file, and the error behind them.
func read(in io.Reader, o Options) (string, error) {
	var b strings.Builder
	r, err := NewReader(in, o)
	if err != nil {
		return "", err
	}
	defer r.Close()
	for {
		m, err := r.Next()
		if err != nil {
			if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return b.String(), err
		}
		fmt.Fprintf(&b, "%s %s %s %s %v %q\n", r.Format(), m.Received.UTC().Format(time.DateTime), m.Host, m.App, m.Truncated, m.Text)
	}
}

func packed(t testing.TB, text string) map[string][]byte {
	t.Helper()
	var g, z bytes.Buffer
	gw := gzip.NewWriter(&g)
	zw, err := zstd.NewWriter(&z)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{gw, zw} {
		_, err := io.WriteString(w, text)
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return map[string][]byte{"plain": []byte(text), "gzip": g.Bytes(), "zstd": z.Bytes(), "twice": append(bytes.Clone(z.Bytes()), z.Bytes()...)}
}

func TestReader(t *testing.T) {
	m := syslog.Parse("<13>Nov 21 08:00:00 web app[7]: two\nlines", time.Date(2025, 11, 21, 9, 0, 0, 5e6, time.UTC), netip.MustParseAddr("10.0.0.7"))
	object := string(jsonl.Append(nil, &m)) + "\n"
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"lines", "Dec 31 23:00:00 web app[7]: one\n\nJan  1 08:00:00 db x: two\r\n<13>1 2025-12-24T08:00:00Z h a - - - three\nfour",
			"lines 2025-12-31 22:00:00 web app false \"one\"\nlines 2026-01-01 07:00:00 db x false \"two\"\n" +
				"lines 2025-12-24 08:00:00 h a false \"three\"\nlines 2026-01-02 02:04:05   false \"four\"\n"},
		{"long", strings.Repeat("x", 200) + "\n" + strings.Repeat("y", 100) + "\n" + strings.Repeat("z", 101),
			fmt.Sprintf("lines 2026-01-02 02:04:05   true %q\nlines 2026-01-02 02:04:05   false %q\nlines 2026-01-02 02:04:05   true %q\n",
				strings.Repeat("x", 100), strings.Repeat("y", 100), strings.Repeat("z", 100))},
		{"objects", object + `{"level":"info"}` + "\n" + `{"message":"no time","app":"a"}`,
			"jsonl 2025-11-21 09:00:00 web app false \"two\\nlines\"\n" +
				"jsonl 2026-01-02 02:04:05   false \"{\\\"level\\\":\\\"info\\\"}\"\njsonl 2026-01-02 02:04:05  a false \"no time\"\n"},
		{"journal", "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1767225600000000\n_HOSTNAME=web\nSYSLOG_IDENTIFIER=su\nMESSAGE=hello\n\n",
			"journal 2026-01-01 00:00:00 web su false \"hello\"\n"},
	} {
		max := 100
		if c.name != "long" {
			max = 0
		}
		for name, text := range packed(t, c.text) {
			want := c.want
			if name == "twice" {
				if !strings.HasSuffix(c.text, "\n") {
					continue
				}
				want += want
			}
			if got, err := read(bytes.NewReader(text), Options{Written: written(), MaxLine: max}); got != want || err != nil {
				t.Errorf("%s, %s: %v\n got %s\nwant %s", c.name, name, err, got, want)
			}
		}
	}
}

// TestCutFile: what stands before the damage is read, and the damage is told.
func TestCutFile(t *testing.T) {
	text := strings.Repeat("Dec 31 23:00:00 web app[7]: one\n", 50_000)
	for name, p := range packed(t, text) {
		if name == "plain" || name == "twice" {
			continue
		}
		got, err := read(bytes.NewReader(p[:len(p)*9/10]), Options{Written: written()})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if name == "gzip" && strings.Count(got, "\n") < 1000 {
			t.Errorf("%s: %d lines", name, strings.Count(got, "\n"))
		}
	}
}

// TestNotText: files that lie among logs and are none are refused, and a hole
// in front of lines is none of theirs.
func TestNotText(t *testing.T) {
	for name, content := range map[string]string{
		"wtmp": "\x02\x00\x00\x00\x00~\x00\x00", "journal": "LPKSHHRH\x00", "xz": "\xfd7zXZ\x00\x00",
		"bzip2": "BZh91AY&SY", "lz4": "\x04\x22M\x18d@", "program": "\x7fELF\x02\x01\x01\x00\x00", "UTF-16": "\xff\xfeo\x00k\x00\n\x00",
	} {
		for how, p := range packed(t, content) {
			if got, err := read(bytes.NewReader(p), Options{Written: written()}); !errors.Is(err, ErrNotText) || got != "" {
				t.Errorf("%s, %s: %q, %v", name, how, got, err)
			}
		}
	}
	hole := strings.Repeat("\x00", 3000) + "Dec 31 23:00:00 web app[7]: one\n"
	if got, err := read(strings.NewReader(hole), Options{Written: written()}); err != nil || strings.Count(got, "\n") != 1 {
		t.Errorf("%s, %v", got, err)
	}
}

// TestJournalExport reads what journalctl printed.
func TestJournalExport(t *testing.T) {
	f, err := os.Open("../testdata/journal.export")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := read(f, Options{Written: written()})
	if err != nil || strings.Count(got, "\n") == 0 || strings.Count(got, "journal ") != strings.Count(got, "\n") {
		t.Errorf("%s, %v", got, err)
	}
}

func FuzzReader(f *testing.F) {
	for _, text := range []string{"Dec 31 23:00:00 web app[7]: one\n\n\r\nx", `{"message":"x"}` + "\n{", "__CURSOR=1\nMESSAGE\n\x01\x00\x00\x00\x00\x00\x00\x00x\n\n"} {
		for _, p := range packed(f, text) {
			f.Add(p)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := NewReader(bytes.NewReader(in), Options{Written: written(), MaxLine: 50})
		if err != nil {
			return
		}
		defer r.Close()
		for range 10_000 {
			m, err := r.Next()
			if err != nil {
				return
			}
			if m.Received.IsZero() || r.Format() == Lines && len(m.Raw) > 50 {
				t.Fatalf("%+v", m)
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	text := strings.Repeat("<13>1 2025-12-24T08:00:00Z web-1 nginx 77 - - GET /index.html HTTP/1.1 200\n", 1000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewReader(strings.NewReader(text), Options{Written: written()})
		if err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}
