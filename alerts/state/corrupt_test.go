package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

func TestCorruptHidesNoOther(t *testing.T) {
	d, err := Open(t.TempDir(), Options{Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write(t.Context(), Put("a", []byte("1")), Put("b", []byte("2")), Put("c", []byte("3"))); err != nil {
		t.Fatal(err)
	}
	for _, damaged := range [][]byte{nil, []byte("xx"), []byte("2abcd")} {
		err = d.db.Update(func(tx *badger.Txn) error { return tx.Set([]byte("b"), damaged) })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Get("b"); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%q: got %v, want ErrCorrupt", damaged, err)
		}
		got := ""
		for e, err := range d.Scan(Range{}) {
			if (e.Key == "b") != errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s: %v", e.Key, err)
			}
			got += e.Key
		}
		if got != "abc" {
			t.Fatalf("scan saw %q", got)
		}
	}
}

// TestSwappedValue: a value that belongs to another key is damage too.
func TestSwappedValue(t *testing.T) {
	d, err := Open(t.TempDir(), Options{Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	sealed := d.seal(Put("a", []byte("1")))
	err = d.db.Update(func(tx *badger.Txn) error { return tx.Set([]byte("b"), sealed) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Get("b"); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("got %v, want ErrCorrupt", err)
	}
}

// TestEmptyFiles: a kill between the making of a memory table or a value log
// and its first byte must not keep the store from opening.
func TestEmptyFiles(t *testing.T) {
	for _, name := range []string{"00099.mem", "000099.vlog"} {
		t.Run(name, func(t *testing.T) { testEmptyFile(t, name) })
	}
}

func testEmptyFile(t *testing.T, name string) {
	dir := t.TempDir()
	d, err := Open(dir, Options{Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), Put("a", []byte("1"))); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err = Open(dir, Options{Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if v, err := d.Get("a"); err != nil || string(v) != "1" {
		t.Errorf("a is %q, %v", v, err)
	}
}
