package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// closed makes a store with a table for each run of keys, such as "ab", and
// returns its directory.
func closed(t *testing.T, runs ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	for _, keys := range runs {
		d, err := Open(dir, Options{Reserve: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range strings.Split(keys, "") {
			if err := d.Write(t.Context(), Put(key, []byte(key))); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// missing opens the store and returns how many of its keys are gone, and how
// many stores were set aside.
func missing(t *testing.T, dir string) (gone, aside int) {
	t.Helper()
	d, err := Open(dir, Options{Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, key := range []string{"a", "b", "c"} {
		switch _, err := d.Get(key); {
		case errors.Is(err, ErrNotFound):
			gone++
		case err != nil:
			t.Fatal(err)
		}
	}
	if err := d.Write(t.Context(), Put("new", nil)); err != nil {
		t.Fatal(err)
	}
	dirs, err := SetAside(dir)
	if err != nil {
		t.Fatal(err)
	}
	return gone, len(dirs)
}

// TestFlipped: whichever bit of the list of tables or of a table is damaged,
// nothing is forgotten without the store being set aside.
func TestFlipped(t *testing.T) {
	image := os.DirFS(closed(t, "a", "b", "c"))
	for _, name := range []string{"MANIFEST", "000002.sst"} {
		for at := 0; ; at++ {
			dir := filepath.Join(t.TempDir(), "state")
			if err := os.CopyFS(dir, image); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if at == len(b) {
				break
			}
			b[at] ^= 1 << (at % 8)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if gone, aside := missing(t, dir); gone > 0 && aside == 0 {
				t.Errorf("byte %d of %d of %s: %d keys are gone", at, len(b), name, gone)
			}
		}
	}
}

// TestDamagedFiles: of several tables, Badger opens some at once, and closes
// them while it does when one is damaged; it must not come to that.
func TestDamagedFiles(t *testing.T) {
	for name, damage := range map[string]func(b []byte) []byte{
		"MANIFEST":    func([]byte) []byte { return nil },
		"KEYREGISTRY": func(b []byte) []byte { b[17] ^= 1; return b },
		"000001.sst":  func(b []byte) []byte { b[5] ^= 1; return b },
		"000002.sst":  func(b []byte) []byte { return b[:len(b)/2] },
		"000003.sst":  func(b []byte) []byte { b[len(b)-4] ^= 0x80; return b },
	} {
		t.Run(name, func(t *testing.T) {
			dir := closed(t, "a", "b", "c", "abc")
			path := filepath.Join(dir, name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			if gone, aside := missing(t, dir); gone != 3 || aside != 1 {
				t.Fatalf("%d keys are gone, %d stores set aside", gone, aside)
			}
			dirs, _ := SetAside(dir)
			if got, err := os.ReadFile(filepath.Join(dirs[0], filepath.Base(path))); err != nil || len(got) != len(damage(b)) {
				t.Errorf("what was set aside is not as it was: %d bytes, %v", len(got), err)
			}
		})
	}
}

// TestLockedIsNotDamaged: an open store is not set aside by another process.
func TestLockedIsNotDamaged(t *testing.T) {
	dir := closed(t, "a", "b", "c")
	d, err := Open(dir, Options{Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := Open(dir, Options{Reserve: 1}); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
	if dirs, _ := SetAside(dir); len(dirs) > 0 {
		t.Errorf("set aside: %v", dirs)
	}
}
