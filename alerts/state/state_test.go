package state_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"rondo/alerts/state"
	"rondo/alerts/state/statetest"
)

func openDisk(t testing.TB, dir string) *state.Disk {
	t.Helper()
	d, err := state.Open(dir, state.Options{Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestMemory(t *testing.T) {
	statetest.Run(t, func(*testing.T) state.Store { return state.NewMemory() })
}

func TestDisk(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store { return openDisk(t, t.TempDir()) })
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	if err := d.Write(t.Context(), state.Put("a", []byte("1"))); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Open(dir, state.Options{}); !errors.Is(err, state.ErrInUse) {
		t.Fatalf("opened twice: got %v, want ErrInUse", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if v, err := openDisk(t, dir).Get("a"); err != nil || string(v) != "1" {
		t.Fatalf("after reopening: %q, %v", v, err)
	}
}

// TestCrash copies the directory of an open store, as kill -9 leaves it.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	for i := range 50 {
		if err := d.Write(t.Context(), state.Put(fmt.Sprintf("k%02d", i), []byte("value"))); err != nil {
			t.Fatal(err)
		}
		if i%10 != 0 {
			continue
		}
		copied := filepath.Join(t.TempDir(), "state")
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		c := openDisk(t, copied)
		for n := range i + 1 {
			if v, err := c.Get(fmt.Sprintf("k%02d", n)); err != nil || string(v) != "value" {
				t.Fatalf("k%02d lost after %d writes: %q, %v", n, i+1, v, err)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDiskFull(t *testing.T) {
	d, err := state.Open(t.TempDir(), state.Options{Reserve: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write(t.Context(), state.Put("a", nil)); !errors.Is(err, state.ErrDiskFull) {
		t.Fatalf("got %v, want ErrDiskFull", err)
	}
	if _, err := d.Get("a"); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("reading a full store: %v", err)
	}
}

// TestBounded overwrites one megabyte again and again.
func TestBounded(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	value := make([]byte, 100<<10)
	for i := range 600 {
		if err := d.Write(t.Context(), state.Put(fmt.Sprintf("k%d", i%10), value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	used := tables(t, dir)
	t.Logf("60 MB written, 1 MB live, %d KB of tables", used>>10)
	if used > 30<<20 {
		t.Fatalf("tables occupy %d bytes", used)
	}
}

func tables(t *testing.T, dir string) (used int64) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, e fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(p) == ".sst" {
			info, err := e.Info()
			if err != nil {
				return err
			}
			used += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return used
}

func TestConcurrent(t *testing.T) {
	d := openDisk(t, t.TempDir())
	j, err := state.OpenJournal(d, "j", 0)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if _, err := j.Append(context.Background(), []byte("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	n := 0
	for range j.After(0) {
		n++
	}
	if n != 160 {
		t.Fatalf("%d records, want 160", n)
	}
}

func BenchmarkWrite(b *testing.B) {
	d := openDisk(b, b.TempDir())
	value := make([]byte, 500)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Write(b.Context(), state.Put("key", value)); err != nil {
			b.Fatal(err)
		}
	}
}
