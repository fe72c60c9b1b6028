package seglog

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// image is a segment as bytes, with records of sizes as stores write them.
func image(base Pos) (b []byte, recs []Record) {
	b = appendHeader(nil)
	for i, size := range []int{1, 7, 40, 300, 3, 0, 1000, 12, 90, 5} {
		data := fmt.Appendf(nil, "%d%s", i, bytes.Repeat([]byte{byte(i), 0, 1}, size/3))
		pos := base + Pos(len(b))
		b = appendFrame(b, pos, data)
		recs = append(recs, Record{pos, base + Pos(len(b)), data})
	}
	return b, recs
}

// reopen opens a log of these bytes in memory, and returns where the records
// stand that it reads, and the file system.
func reopen(t rapid.TB, b []byte, base Pos) (got []Pos, fs *crashFS) {
	t.Helper()
	fs = newCrashFS()
	fs.seen[filepath.Join("d", segmentName(base))] = &memFile{fs: fs, seen: slices.Clone(b)}
	l, err := Open("d", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for r, err := range l.Records(0) {
		if err == nil {
			got = append(got, r.Pos)
		} else if !isDamage(err) {
			t.Fatal(err)
		}
	}
	return got, fs
}

// checkDamaged opens the image with some bytes changed: all other records are
// read, and no byte is gone, from the segment or from what was set aside.
func checkDamaged(t rapid.TB, b []byte, base Pos, recs []Record, changed ...int) {
	t.Helper()
	var want []Pos
	end := Pos(headerSize) + base
	for _, r := range recs {
		if !slices.ContainsFunc(changed, func(at int) bool { return base+Pos(at) >= r.Pos && base+Pos(at) < r.End }) {
			want, end = append(want, r.Pos), r.End
		}
	}
	got, fs := reopen(t, b, base)
	if !slices.Equal(got, want) {
		t.Fatalf("bytes %d changed: records at %d, want %d", changed, got, want)
	}
	left := fs.seen[filepath.Join("d", segmentName(base))].seen
	if torn := fs.seen[filepath.Join("d", fmt.Sprintf("%016x-0.torn", uint64(end)))]; torn != nil {
		left = append(slices.Clone(left), torn.seen...)
	}
	if !bytes.Equal(left, b) {
		t.Fatalf("bytes %d changed: %d bytes of %d are left", changed, len(left), len(b))
	}
}

func TestEveryByteFlipped(t *testing.T) {
	for _, base := range []Pos{0, 0x1234567890} {
		b, recs := image(base)
		for at := headerSize; at < len(b); at++ {
			for _, bit := range []byte{1, 0x10, 0x80} {
				b[at] ^= bit
				checkDamaged(t, b, base, recs, at)
				b[at] ^= bit
			}
		}
	}
}

func TestHeaderFlipped(t *testing.T) {
	b, recs := image(0)
	for at := range headerSize {
		b[at] ^= 4
		checkDamaged(t, b, 0, recs, at)
		b[at] ^= 4
	}
}

// TestManyChanged changes some bytes anywhere, among them all lengths.
func TestManyChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, recs := image(0)
		var changed []int
		for range rapid.IntRange(2, 5).Draw(t, "changes") {
			at := rapid.IntRange(headerSize, len(b)-1).Draw(t, "at")
			if !slices.Contains(changed, at) {
				b[at] ^= rapid.ByteRange(1, 255).Draw(t, "bits")
				changed = append(changed, at)
			}
		}
		checkDamaged(t, b, 0, recs, changed...)
	})
}

// TestQuotedFrame: a record that holds another one's bytes is no place to go
// on, as it stands elsewhere than these say.
func TestQuotedFrame(t *testing.T) {
	b := appendHeader(nil)
	quote := appendFrame(nil, Pos(len(b)), []byte("quoted"))
	b = appendFrame(b, Pos(len(b)), slices.Concat([]byte("a"), quote, []byte("z")))
	last := Pos(len(b))
	b = appendFrame(b, last, []byte("last"))
	b[headerSize+frameSize] ^= 1
	if got, _ := reopen(t, b, 0); !slices.Equal(got, []Pos{last}) {
		t.Errorf("records at %d, want %d", got, last)
	}
}

// TestTornFilesAreBounded cuts a tail off again and again.
func TestTornFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	for range 3 * maxTorn {
		l := open(t, dir, Options{})
		add(t, l, "record")
		end := l.End()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(dir, segmentName(0)), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("stray"), int64(end)); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	open(t, dir, Options{})
	kept, err := filepath.Glob(filepath.Join(dir, "*"+tornSuffix))
	if err != nil || len(kept) != maxTorn {
		t.Fatalf("%d files are kept, %v", len(kept), err)
	}
	if b, err := os.ReadFile(kept[maxTorn-1]); err != nil || string(b) != "stray" {
		t.Errorf("the newest holds %q, %v", b, err)
	}
}

// TestTornTwice cuts tails off at one position again and again.
func TestTornTwice(t *testing.T) {
	dir, file, ends := segment(t, "alpha", "beta")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * maxTorn {
		if err := os.WriteFile(file, append(whole[:ends[1]:ends[1]], byte(i+1)), 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, dir, Options{})
		if got := read(t, l, 0); got != "alpha beta" {
			t.Fatalf("%q", got)
		}
		l.Close()
	}
	kept, _ := filepath.Glob(filepath.Join(dir, "*"+tornSuffix))
	if len(kept) != maxTorn {
		t.Errorf("%d files are kept, want %d", len(kept), maxTorn)
	}
}

func TestShift(t *testing.T) {
	shift := newShifter()
	rapid.Check(t, func(t *rapid.T) {
		crc := rapid.Uint32().Draw(t, "crc")
		n := rapid.Uint32Range(0, 70000).Draw(t, "n")
		want := crc
		for range n {
			want = castagnoli()[byte(want)] ^ want>>8
		}
		if got := shift.over(crc, n); got != want {
			t.Fatalf("%08x over %d zero bytes is %08x, want %08x", crc, n, got, want)
		}
	})
}

// BenchmarkSearch goes through bytes of which most could be the beginning of
// a frame.
func BenchmarkSearch(b *testing.B) {
	fs := newCrashFS()
	data := bytes.Repeat([]byte{3, 0, 1, 0}, 1<<20/4)
	f := &memFile{fs: fs, seen: data}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		r := &segmentReader{f: f, end: Pos(len(data)), maxRecord: 32 << 20}
		if to, err := r.search(0); err != nil || to != r.end {
			b.Fatal(to, err)
		}
	}
}
