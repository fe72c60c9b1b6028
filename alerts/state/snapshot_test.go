package state_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"rondo/alerts/state"
)

func TestSnapshot(t *testing.T) {
	d := openDisk(t, t.TempDir())
	j, err := state.OpenJournal(d, "journal", 10)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if _, err := j.Append(t.Context(), fmt.Appendf(nil, "entry %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Write(t.Context(), state.Put("gone", nil), state.Put("a", []byte("1")), state.Delete("gone")); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	if err := d.Snapshot(dir); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), state.Put("a", []byte("2"))); err != nil {
		t.Fatal(err)
	}
	all := func(d *state.Disk) (text string) {
		for e, err := range d.Scan(state.Range{}) {
			text += fmt.Sprintf("%s=%s %v\n", e.Key, e.Value, err)
		}
		return text
	}
	c := openDisk(t, dir)
	if err := c.Write(t.Context(), state.Put("a", []byte("2"))); err != nil {
		t.Fatal(err)
	}
	if got, want := all(c), all(d); got != want {
		t.Errorf("copy has\n%s\nwant\n%s", got, want)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Snapshot(dir + "2"); err != state.ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}
