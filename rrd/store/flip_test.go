package store

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	flipSeed  = "STORE_FLIP_SEED"
	flipFirst = "STORE_FLIP_FIRST"
	flipCount = "RONDO_FLIPS" // how many bits; make soak sets it
)

// TestFlippedBits flips one bit anywhere in a store's files, Badger's own
// among them, opens it and compares all answers with the truth: each row is
// equal, or it is missing. What is missing is reported, but for the one place
// that Badger cuts off without a word, its log of what is not in a table yet
// (*.mem). A flip at which Badger ends the process, see the package comment,
// is counted; that is why a child process does all this.
func TestFlippedBits(t *testing.T) {
	count := 25
	if n, err := strconv.Atoi(os.Getenv(flipCount)); err == nil {
		count = n
	}
	if seed := os.Getenv(flipSeed); seed != "" {
		flipsFrom(t, seed, count)
		return
	}
	t.Parallel()
	seed := strconv.FormatUint(rand.Uint64(), 10)
	ended := 0
	for first := 0; first < count; {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFlippedBits$")
		cmd.Env = append(os.Environ(), flipSeed+"="+seed, flipFirst+"="+strconv.Itoa(first))
		out, err := cmd.CombinedOutput()
		last, path := lastFlip(out)
		switch {
		case err == nil && last == count-1:
			t.Logf("seed %s: %d bits flipped, at %d of them Badger ended the process", seed, count, ended)
			return
		case bytes.Contains(out, []byte("--- FAIL")) || last < first || !strings.Contains(path, "/blocks/"):
			t.Fatalf("seed %s, bit %d in %s: %v\n%s", seed, last, path, err, out)
		}
		ended++
		first = last + 1
	}
	t.Logf("seed %s: %d bits flipped, at %d of them Badger ended the process", seed, count, ended)
}

// lastFlip finds the last flip that a child began.
func lastFlip(out []byte) (n int, path string) {
	n = -1
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "flip "); ok {
			fmt.Sscan(rest, &n, &path)
		}
	}
	return n, path
}

// flipsFrom is what the child does.
func flipsFrom(t *testing.T, seed string, count int) {
	number, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	first, err := strconv.Atoi(os.Getenv(flipFirst))
	if err != nil {
		t.Fatal(err)
	}
	dir, o, want := history(t)
	st := openStore(t, copyOf(t, dir), o)
	whole := subset(t, st, want, false)
	closeStore(t, st)
	paths := files(t, dir)
	for i := first; i < count; i++ {
		rng := rand.New(rand.NewPCG(number, uint64(i)))
		name := strings.TrimPrefix(paths[rng.IntN(len(paths))], dir)
		copied := copyOf(t, dir)
		fmt.Printf("flip %d %s\n", i, name)
		flipBit(t, rng, filepath.Join(copied, name))
		st, err := Open(copied, o)
		if err != nil {
			t.Errorf("bit %d, %s: %v", i, name, err)
			continue
		}
		rows := subset(t, st, want, strings.HasPrefix(name, "/log/"))
		reported := st.stats.Damaged.Load() > 0 || st.log.Stats().Dropped > 0 || st.table.log.Stats().Dropped > 0
		if rows < whole && !reported && filepath.Ext(name) != ".mem" {
			t.Errorf("bit %d, %s: %d rows of %d, and nothing was reported", i, name, rows, whole)
		}
		if err := st.kill(); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(copied); err != nil {
			t.Error(err)
		}
	}
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return copied
}

// flipBit flips a bit of what a file holds: Badger's end in zeros.
func flipBit(t *testing.T, rng *rand.Rand, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if used := len(bytes.TrimRight(b, "\x00")); used > 0 {
		b[rng.IntN(used)] ^= 1 << rng.IntN(8)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
