package chunk

import (
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"rondo/syslogd/syslog"
)

// TestVersion1 reads a chunk that a program wrote before headers had a
// version.
func TestVersion1(t *testing.T) {
	text, err := os.ReadFile("testdata/version1.json")
	if err != nil {
		t.Fatal(err)
	}
	var p Parts
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	_, d := codecs(t)
	h, err := ParseHeader(p.Header)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(h.Encode()); h.Version != 1 || got != string(p.Header) {
		t.Errorf("version %d, written again %q", h.Version, got)
	}
	c, err := d.Catalogue(p.Types, h)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := d.Rows(c, given(p.Data))
	if err != nil {
		t.Fatal(err)
	}
	for i, raw := range []string{
		"<11>Nov 19 10:00:00 web1 nginx[7]: upstream timed out after 42 ms",
		"<14>1 2026-11-19T10:00:00.123456Z web2 shop 77 - - order 4711 from 10.1.2.3", "no header at all",
	} {
		want := syslog.Parse(raw, start.Add(time.Duration(i)*time.Second), netip.MustParseAddr("10.0.0.9"))
		got, err := rows.Message(i)
		if err != nil {
			t.Fatal(err)
		}
		if want = utc(want); !same(&want, &got) {
			t.Errorf("message %d: %+v, want %+v", i, got, want)
		}
	}
}

// TestNewerVersion refuses what this program cannot know.
func TestNewerVersion(t *testing.T) {
	h := Header{Version: Version + 1, Rows: 1}
	if _, err := ParseHeader(h.Encode()); err == nil || !strings.Contains(err.Error(), "of a newer program") {
		t.Errorf("%v", err)
	}
}
