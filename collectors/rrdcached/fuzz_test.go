package rrdcached

import (
	"bytes"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"rondo/rrd"
)

// FuzzLine: what can be read is what was written, and nothing panics.
func FuzzLine(f *testing.F) {
	for _, line := range sessions(f) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, word := range fields(line) {
			texts, at, err := reading(nil, word)
			if err != nil {
				continue
			}
			stamp, values, _ := strings.Cut(word, ":")
			if strings.Join(texts, ":") != values {
				t.Errorf("%q is read as %q", values, texts)
			}
			want, err := rrd.ParseUpdateTime(stamp, 0)
			if err != nil || want != at {
				t.Errorf("time %q is %d, RRDtool reads %d, %v", stamp, at, want, err)
			}
		}
	})
}

// FuzzSession plays anything to a server: it answers, and ends.
func FuzzSession(f *testing.F) {
	s := serveMem(f, func(c *Config) { c.WriteFiles = false })
	all := sessions(f)
	f.Add([]byte(strings.Join(all, "\n") + "\n"))
	for _, line := range all {
		f.Add([]byte(line + "\n"))
		f.Add([]byte("BATCH\n" + line + "\n.\n"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(bytes.ToUpper(text), []byte("FETCH")) && len(text) > 1000 {
			return // many long answers
		}
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() { s.serve(t.Context(), theirs); close(done) }()
		go func() {
			_, _ = ours.Write(text)
			_, _ = io.WriteString(ours, "\n.\nQUIT\n")
		}()
		if err := ours.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, ours); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		ours.Close()
		<-done
	})
}

// sessions are the lines of testdata.
func sessions(tb testing.TB) (lines []string) {
	tb.Helper()
	dir, err := os.ReadDir("testdata")
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range dir {
		if e.IsDir() {
			continue
		}
		text, err := os.ReadFile("testdata/" + e.Name())
		if err != nil {
			tb.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			lines = append(lines, strings.TrimLeft(strings.TrimSpace(line), "!>"))
		}
	}
	return lines
}
