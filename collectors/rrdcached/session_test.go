package rrdcached

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSessions plays what real clients send (testdata/*.session). Lines that
// stand together are sent together.
func TestSessions(t *testing.T) {
	files, err := filepath.Glob("testdata/*.session")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := serveMem(t, nil)
			c := s.client()
			var ask, want strings.Builder
			play := func() {
				c.send(strings.TrimSuffix(ask.String(), "\n"))
				got := ""
				for strings.Count(got, "\n") < strings.Count(want.String(), "\n") {
					got += strings.ReplaceAll(c.reply(), s.base(), "BASE")
				}
				if diff := cmp.Diff(want.String(), got); diff != "" {
					t.Errorf("%s(-want +got):\n%s", ask.String(), diff)
				}
				ask.Reset()
				want.Reset()
			}
			for line := range strings.Lines(string(text)) {
				switch line[:2] {
				case "> ":
					if want.Len() > 0 {
						play()
					}
					ask.WriteString(strings.ReplaceAll(line[2:], "BASE", s.base()))
				case "< ":
					want.WriteString(line[2:])
				}
			}
			play()
		})
	}
}

// TestSlowly sends a session byte by byte: where a read ends does not matter.
func TestSlowly(t *testing.T) {
	s := serveMem(t, nil)
	c := s.client()
	for _, b := range wantSet + "\nUPDATE a.rrd 1700000010:1\n" {
		if _, err := c.conn.Write([]byte(string(b))); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Microsecond)
	}
	if got := c.reply() + c.reply(); got != "0 RRD created OK\n0 errors, enqueued 1 value(s).\n" {
		t.Error(got)
	}
}
