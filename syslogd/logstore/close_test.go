package logstore

import (
	"testing"

	"rondo/syslogd"
)

// A search that the end of the store meets between reading a chunk and
// decoding it must not take it for corrupt.
func TestCloseDuringSearch(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	put(t, s, line("some text", start))
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	parts, err := s.parts(newPlan(syslogd.Query{}))
	if err != nil || len(parts) != 1 {
		t.Fatal(parts, err)
	}
	b, err := parts[0].read(partTypes, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.decoder.Catalogue(b, parts[0].info.header); err != nil {
		t.Error(err)
	}
}
