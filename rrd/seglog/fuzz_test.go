package seglog

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzOpen opens arbitrary bytes as a segment: it must report, never panic or
// loop, and keep what is appended afterwards.
func FuzzOpen(f *testing.F) {
	good := appendHeader(nil)
	good = appendFrame(good, Pos(len(good)), []byte("first"))
	good = appendFrame(good, Pos(len(good)), []byte("second"))
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(append(good[:30:30], make([]byte, 40)...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segmentName(0)), b, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(dir, Options{MaxRecord: 1 << 16})
		if err != nil {
			return // a foreign version
		}
		defer l.Close()
		before := 0
		for _, err := range l.Records(0) {
			if err == nil {
				before++
			}
		}
		add(t, l, "appended")
		after, last := 0, ""
		for r, err := range l.Records(0) {
			if err == nil {
				after, last = after+1, string(r.Data)
			}
		}
		if after != before+1 || last != "appended" {
			t.Fatalf("%d records, then %d ending in %q", before, after, last)
		}
	})
}
