package rrdcached

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAgainstRRDcached plays testdata/session.txt to Debian's rrdcached and to
// us, and compares all replies.
func TestAgainstRRDcached(t *testing.T) {
	theirs := runReal(t)
	ours := serveMem(t, nil)
	text, err := os.ReadFile("testdata/session.txt")
	if err != nil {
		t.Fatal(err)
	}
	them, us := dial(t, "unix", theirs.socket), ours.client()
	batch := false
	var want *string // what we are to say to the last line, which may differ
	got := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if reply, ok := strings.CutPrefix(line, "="); ok {
			if want == nil || reply+"\n" != got {
				t.Errorf("want %q, got %q", reply, got)
			}
			continue
		}
		want = nil
		if strings.HasPrefix(line, "#") || line == "" && !batch {
			continue
		}
		line, differs := strings.CutPrefix(line, "!")
		them.send(strings.ReplaceAll(line, "BASE", theirs.base))
		us.send(strings.ReplaceAll(line, "BASE", ours.base()))
		if batch && line != "." {
			continue
		}
		reply := normal(line, them.reply(), theirs.base)
		got = normal(line, us.reply(), ours.base())
		batch = strings.HasPrefix(got, "0 Go ahead")
		if differs {
			want = &got
			continue
		}
		if diff := cmp.Diff(reply, got); diff != "" {
			t.Errorf("%s: rrdcached (-), we (+):\n%s", line, diff)
		}
	}
}

// anyRow is the newest row of a ring, which RRDtool draws by lot when it makes
// a file.
var anyRow = regexp.MustCompile(`(?m)^(rra\[\d+\]\.cur_row 1) \d+$`)

// normal takes out what differs by its nature: the base directory, the newest
// rows, and the order of LIST, which in rrdcached is the directory's.
func normal(line, reply, base string) string {
	if strings.HasPrefix(line, "LIST") {
		lines := slices.Collect(strings.Lines(reply))
		slices.Sort(lines[1:])
		reply = strings.Join(lines, "")
	}
	return anyRow.ReplaceAllString(strings.ReplaceAll(reply, base, "BASE"), "$1 ANY")
}
