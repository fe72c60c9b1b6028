package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// memory is a Target in memory that fails as a test wants.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	changed map[string]time.Time
	puts    int
	sent    int
	fail    func(name string) error // of Put; may be nil
}

func newMemory() *memory {
	return &memory{objects: map[string][]byte{}, changed: map[string]time.Time{}}
}

func (m *memory) Put(_ context.Context, name string, body io.Reader) error {
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(name); err != nil {
			return err
		}
	}
	m.objects[name], m.changed[name] = b, time.Now()
	m.puts++
	m.sent += len(b)
	return nil
}

func (m *memory) Get(_ context.Context, name string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.objects[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (m *memory) List(_ context.Context, prefix string, each func(string, int64, time.Time) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.objects)) {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if err := each(name, int64(len(m.objects[name])), m.changed[name]); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Delete(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, name)
	return nil
}

func (m *memory) names(prefix string) (names []string) {
	for name := range m.objects {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// tree writes files below a new directory.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	plant(t, dir, files)
	return dir
}

func plant(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// files reads a directory back.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		found[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// noise is text that cannot be compressed.
func noise(n int, seed uint64) string {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = rng.Read(b)
	return string(b)
}

func example() map[string]string {
	return map[string]string{
		"metrics/checkpoint":      noise(9<<20, 1),
		"metrics/blocks/1/1.vlog": noise(3000, 2),
		"metrics/blocks/1/1.sst":  strings.Repeat("key ", 1000),
		"metrics/blocks/2/1.vlog": noise(5000, 3),
		"metrics/blocks/2/copy":   noise(5000, 3),
		"logs/log/0.log":          strings.Repeat("all is well\n", 100_000),
		"logs/empty":              "",
	}
}

func at(minute int) time.Time { return time.Date(2026, 11, 21, 3, minute, 0, 0, time.UTC) }

func mustCreate(t testing.TB, target Target, dir string, o Options) *Manifest {
	t.Helper()
	m, err := Create(t.Context(), target, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func restored(t testing.TB, target Target, when time.Time, ids Identities) (map[string]string, error) {
	t.Helper()
	all, err := List(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Choose(all, when)
	if err != nil {
		return nil, err
	}
	m, err := Load(t.Context(), target, b)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := Restore(t.Context(), target, m, ids, dir, nil); err != nil {
		return nil, err
	}
	return files(t, dir), nil
}

func targets(t *testing.T) map[string]Target {
	d, err := OpenDir(filepath.Join(t.TempDir(), "target"), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return map[string]Target{"directory": d, "memory": newMemory()}
}

func keys(t testing.TB) (Keys, Identities) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseRecipients([]string{id.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	ids, err := ParseIdentities(strings.NewReader("# created\n" + id.String() + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return k, ids
}

// TestRoundTrip: several backups of a directory that changes, each restored as
// it was, with and without encryption.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	k, ids := keys(t)
	for name, target := range targets(t) {
		for _, o := range []Options{{}, {Keys: k}} {
			t.Run(fmt.Sprint(name, len(o.Keys.names)), func(t *testing.T) {
				want := example()
				dir := tree(t, want)
				o.Now = at(1)
				mustCreate(t, target, dir, o)
				changes := map[string]string{"metrics/checkpoint": noise(9<<20, 9), "logs/log/1.log": "new"}
				plant(t, dir, changes)
				o.Now = at(2)
				mustCreate(t, target, dir, o)
				got, err := restored(t, target, at(1), ids)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Fatalf("%v, first backup:\n%.200s", err, diff)
				}
				maps.Copy(want, changes)
				got, err = restored(t, target, time.Time{}, ids)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Fatalf("%v, second backup:\n%.200s", err, diff)
				}
			})
		}
	}
}

// TestIncremental: what is at the target is not sent again, and what has gone
// from there is.
func TestIncremental(t *testing.T) {
	t.Parallel()
	target, dir := newMemory(), tree(t, example())
	first := mustCreate(t, target, dir, Options{Now: at(1)})
	if first.Stored() > first.Bytes()-1e6 {
		t.Errorf("%d bytes are stored of %d: not compressed", first.Stored(), first.Bytes())
	}
	target.puts = 0
	var p Progress
	mustCreate(t, target, dir, Options{Now: at(2), Progress: func(x Progress) { p = x }})
	if target.puts != 1 || p.Sent != 0 || p.Reused != first.Bytes() || p.Files != len(first.Files) {
		t.Errorf("%d objects put for nothing new; %+v", target.puts, p)
	}
	plant(t, dir, map[string]string{"logs/log/1.log": "new"})
	target.puts = 0
	mustCreate(t, target, dir, Options{Now: at(3)})
	if target.puts != 2 {
		t.Errorf("%d objects put for one new file, want it and the manifest", target.puts)
	}
	delete(target.objects, objectPath(first.Objects[0].Name))
	if _, err := restored(t, target, at(3), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("backup without one of its objects: %v", err)
	}
	mustCreate(t, target, dir, Options{Now: at(4)})
	if _, err := restored(t, target, at(4), nil); err != nil {
		t.Errorf("the next backup: %v", err)
	}
}

// TestOtherRecipients: a backup never has objects that another key reads, or
// no key at all.
func TestOtherRecipients(t *testing.T) {
	t.Parallel()
	target, dir := newMemory(), tree(t, example())
	k1, id1 := keys(t)
	k2, id2 := keys(t)
	mustCreate(t, target, dir, Options{Now: at(1)})
	mustCreate(t, target, dir, Options{Now: at(2), Keys: k1})
	mustCreate(t, target, dir, Options{Now: at(3), Keys: k2})
	for minute, ids := range map[int]Identities{1: nil, 2: id1, 3: id2} {
		if got, err := restored(t, target, at(minute), ids); err != nil || cmp.Diff(example(), got) != "" {
			t.Errorf("backup %d: %v", minute, err)
		}
	}
	for minute, ids := range map[int]Identities{2: id2, 3: nil} {
		_, err := restored(t, target, at(minute), ids)
		if !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "encrypted to age1") {
			t.Errorf("backup %d with the wrong key: %v", minute, err)
		}
	}
	if _, err := ParseIdentities(strings.NewReader("AGE-SECRET-KEY-1MISTYPED")); err == nil || strings.Contains(err.Error(), "MISTYPED") {
		t.Errorf("a mistyped secret: %v", err)
	}
	if _, err := ParseRecipients([]string{"age1nonsense"}); err == nil {
		t.Error("a recipient that is none")
	}
	for name, b := range target.objects {
		if strings.HasPrefix(name, objectDir) && bytes.Contains(b, []byte("AGE-SECRET")) {
			t.Errorf("%s holds a secret", name)
		}
	}
}

// TestDamage: each byte that differs and each object that is missing is found
// and named, and nothing is restored.
func TestDamage(t *testing.T) {
	t.Parallel()
	k, ids := keys(t)
	for _, o := range []Options{{Now: at(1)}, {Now: at(1), Keys: k}} {
		target := newMemory()
		m := mustCreate(t, target, tree(t, example()), o)
		if err := errors.Join(Verify(t.Context(), target, m, nil, nil), Verify(t.Context(), target, m, ids, nil)); err != nil {
			t.Fatal(err)
		}
		for _, name := range target.names(objectDir) {
			good := target.objects[name]
			bad := bytes.Clone(good)
			bad[rand.N(len(bad))] ^= 1 << rand.N(8)
			for what, b := range map[string][]byte{"changed": bad, "short": good[:len(good)-1], "missing": nil} {
				if target.objects[name] = b; b == nil {
					delete(target.objects, name)
				}
				for _, err := range []error{Verify(t.Context(), target, m, nil, nil), second(restored(t, target, time.Time{}, ids))} {
					damage, ok := errors.AsType[*DamageError](err)
					if !ok || objectPath(damage.Object) != name || len(damage.Files) == 0 || !strings.Contains(err.Error(), damage.Files[0]) {
						t.Errorf("%s %s: %v", name, what, err)
					}
				}
			}
			target.objects[name] = good
		}
		name := target.names(manifestDir)[0]
		target.objects[name][10] ^= 1
		if _, err := restored(t, target, time.Time{}, ids); err == nil || !strings.Contains(err.Error(), "checksum") {
			t.Errorf("damaged manifest: %v", err)
		}
	}
}

func second[A, B any](_ A, b B) B { return b }

// TestBrokenOff: a backup that fails on its way, at each of its writes, is
// none; what was there stays good, and the next one succeeds.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	target, dir := newMemory(), tree(t, example())
	mustCreate(t, target, dir, Options{Now: at(0)})
	errFull := errors.New("no space left on device")
	for n := range 4 {
		want := map[string]string{}
		maps.Copy(want, files(t, dir))
		plant(t, dir, map[string]string{"metrics/checkpoint": noise(17<<20, uint64(100+n))})
		puts := 0
		target.fail = func(string) error {
			if puts++; puts > n {
				return errFull
			}
			return nil
		}
		if _, err := Create(t.Context(), target, dir, Options{Now: at(10 + n), Keep: 1}); n < 4 && !errors.Is(err, errFull) {
			t.Fatalf("backup that may put %d objects: %v", n, err)
		}
		target.fail = nil
		if got, err := restored(t, target, time.Time{}, nil); err != nil || cmp.Diff(want, got) != "" {
			t.Fatalf("the backup before: %v", err)
		}
		mustCreate(t, target, dir, Options{Now: at(20 + n)})
		if got, err := restored(t, target, time.Time{}, nil); err != nil || cmp.Diff(files(t, dir), got) != "" {
			t.Fatalf("the backup after: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Create(ctx, target, dir, Options{Now: at(40)}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestClockWasAhead: a backup is kept although an older one is said to be newer.
func TestClockWasAhead(t *testing.T) {
	t.Parallel()
	target, dir := newMemory(), tree(t, map[string]string{"a": "always"})
	for _, minute := range []int{1000, 1, 2} {
		mustCreate(t, target, dir, Options{Now: at(minute), Keep: 1})
		all, err := List(t.Context(), target)
		if err != nil || len(all) != 1 || !all[0].Time.Equal(at(minute)) {
			t.Errorf("minute %d: %v, %v", minute, all, err)
		}
	}
}

// TestPrune: the newest backups stay whole; what no backup needs goes when it
// is a day old, and nothing goes while a manifest cannot be read.
func TestPrune(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		target, dir := newMemory(), tree(t, map[string]string{"a": "always"})
		keep := rapid.IntRange(1, 3).Draw(rt, "keep")
		want := map[int]map[string]string{}
		for minute := range rapid.IntRange(1, 6).Draw(rt, "backups") {
			plant(t, dir, map[string]string{fmt.Sprint("dir/", rapid.IntRange(0, 3).Draw(rt, "file")): rapid.StringN(0, 20, 80).Draw(rt, "text")})
			mustCreate(t, target, dir, Options{Now: at(minute), Keep: keep})
			want[minute] = files(t, dir)
			if minute >= keep {
				delete(want, minute-keep)
			}
		}
		target.objects[tmpDir+"/left"] = []byte("half")
		target.changed[tmpDir+"/left"] = time.Now()
		before := len(target.objects)
		if err := prune(t.Context(), target, "", keep, time.Now()); err != nil || len(target.objects) != before {
			rt.Fatalf("%v; young objects were removed: %d of %d stay", err, len(target.objects), before)
		}
		newest := target.names(manifestDir)
		last := newest[len(newest)-1]
		good := target.objects[last]
		target.objects[last] = []byte("{}")
		if err := prune(t.Context(), target, "", keep, time.Now().Add(48*time.Hour)); err == nil || len(target.objects) != before {
			rt.Fatalf("with a manifest that cannot be read: %v, %d of %d stay", err, len(target.objects), before)
		}
		target.objects[last] = good
		if err := prune(t.Context(), target, "", keep, time.Now().Add(48*time.Hour)); err != nil {
			rt.Fatal(err)
		}
		needed := map[string]bool{}
		for minute, files := range want {
			all, err := List(t.Context(), target)
			if err != nil || len(all) != len(want) {
				rt.Fatalf("%v, %d backups of %d", err, len(all), len(want))
			}
			b, _ := Choose(all, at(minute))
			m, err := Load(t.Context(), target, b)
			if err == nil {
				err = Verify(t.Context(), target, m, nil, nil)
			}
			if err != nil || len(m.Files) != len(files) {
				rt.Fatalf("backup %d: %v", minute, err)
			}
			for i := range m.Objects {
				needed[objectPath(m.Objects[i].Name)] = true
			}
		}
		if left := target.names(objectDir); len(left) != len(needed) || len(target.names(tmpDir)) != 0 {
			rt.Fatalf("%d objects stay, %d are needed", len(left), len(needed))
		}
	})
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	target := newMemory()
	if _, err := restored(t, target, time.Time{}, nil); !errors.Is(err, ErrNone) {
		t.Errorf("no backup: %v", err)
	}
	m := mustCreate(t, target, tree(t, example()), Options{Now: at(5)})
	if _, err := restored(t, target, at(4), nil); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "oldest is of 2026-11-21T03:05") {
		t.Errorf("too early: %v", err)
	}
	dir := tree(t, map[string]string{"precious": "data"})
	if err := Restore(t.Context(), target, m, nil, dir, nil); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("directory that is not empty: %v", err)
	}
	if got := files(t, dir); got["precious"] != "data" || len(got) != 1 {
		t.Errorf("directory has become %v", got)
	}
	empty := t.TempDir()
	if err := Restore(t.Context(), target, m, nil, empty, nil); err != nil {
		t.Errorf("empty directory: %v", err)
	}
	left, err := filepath.Glob(empty + ".restoring*")
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
	if _, err := OpenDir(filepath.Join(t.TempDir(), "not", "mounted"), true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a parent that is not there: %v", err)
	}
}

// TestTwoAtOnce: of two backups to one directory the second is refused.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "target")
	first, err := OpenDir(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenDir(dir, true)
	if want := dir + ": another backup to this place is running"; !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	reader, err := OpenDir(dir, false)
	if err != nil {
		t.Fatalf("one that only reads: %v", err)
	}
	if err := errors.Join(reader.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	again, err := OpenDir(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestHostileManifests: no manifest makes Restore write elsewhere.
func TestHostileManifests(t *testing.T) {
	t.Parallel()
	good := func() *Manifest {
		p := Piece{sum([]byte("x")), 1}
		return &Manifest{
			Version: 1, Files: []File{{"a/b", 1, []string{p.SHA256}}},
			Objects: []Object{{sum([]byte("y")), 1, []Piece{p}}},
		}
	}
	if err := good().check(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Manifest){
		"up":           func(m *Manifest) { m.Files[0].Name = "../x" },
		"up in it":     func(m *Manifest) { m.Files[0].Name = "a/../../x" },
		"absolute":     func(m *Manifest) { m.Files[0].Name = "/etc/passwd" },
		"nothing":      func(m *Manifest) { m.Files[0].Name = "" },
		"itself":       func(m *Manifest) { m.Files[0].Name = "." },
		"twice":        func(m *Manifest) { m.Files = append(m.Files, m.Files[0]) },
		"longer":       func(m *Manifest) { m.Files[0].Size = 1 << 40 },
		"lost piece":   func(m *Manifest) { m.Objects[0].Pieces[0].SHA256 = sum(nil) },
		"huge piece":   func(m *Manifest) { m.Objects[0].Pieces[0].Size = 1 << 40 },
		"negative":     func(m *Manifest) { m.Objects[0].Pieces[0].Size = -1 },
		"object's way": func(m *Manifest) { m.Objects[0].Name = "../../x" },
	} {
		m := good()
		if change(m); m.check() == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

func FuzzManifest(f *testing.F) {
	target := newMemory()
	mustCreate(f, target, tree(f, map[string]string{"a/b": "text", "c": ""}), Options{Now: at(1), Rondo: "0.1.0"})
	f.Add(target.objects[target.names(manifestDir)[0]])
	f.Add([]byte(`{"version":1,"files":[{"name":"../a","size":0,"sha256":[]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(manifestDir+at(1).Format(stampLayout)+"-"+sum(b)+".json", b)
		if err != nil {
			return
		}
		dir := filepath.Join(t.TempDir(), "in")
		_ = Restore(t.Context(), newMemory(), m, nil, dir, nil) // must not panic, nor write elsewhere
		if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) > 1 {
			t.Errorf("wrote %v, %v", entries, err)
		}
	})
}

// BenchmarkCreate is how fast files become objects in a directory.
func BenchmarkCreate(b *testing.B) {
	k, _ := keys(b)
	text := map[string]string{}
	for i := range 16 {
		text[fmt.Sprintf("dir/%d.vlog", i)] = noise(8<<20, uint64(i))
	}
	dir := tree(b, text)
	for name, o := range map[string]Options{"plain": {}, "encrypted": {Keys: k}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(16 * 8 << 20)
			for b.Loop() {
				target, err := OpenDir(filepath.Join(b.TempDir(), "target"), true)
				if err != nil {
					b.Fatal(err)
				}
				mustCreate(b, target, dir, o)
				target.Close()
			}
		})
	}
}
