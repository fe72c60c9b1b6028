// Package statetest is the conformance suite of state.Store: every
// implementation must pass it.
package statetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/alerts/state"
)

// Run runs the suite. open returns a new, empty store; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) state.Store) {
	for name, f := range map[string]func(*testing.T, state.Store){
		"basics": basics, "atomic": atomic, "scan": scan, "write while scanning": writeWhileScanning,
		"limits": limits, "closed": closed, "journal": journal, "journal keeps": journalKeeps,
		"model": model,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			defer s.Close()
			f(t, s)
		})
	}
}

func write(t *testing.T, s state.Store, changes ...state.Change) {
	t.Helper()
	if err := s.Write(t.Context(), changes...); err != nil {
		t.Fatal(err)
	}
}

func keys(t *testing.T, s state.Store, r state.Range) string {
	t.Helper()
	var out []string
	for e, err := range s.Scan(r) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Key)
	}
	return strings.Join(out, " ")
}

func basics(t *testing.T, s state.Store) {
	if _, err := s.Get("a"); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("absent key: got %v, want ErrNotFound", err)
	}
	value := []byte("one")
	write(t, s, state.Put("a", value))
	value[0] = 'X' // the store must not have retained it
	if got, err := s.Get("a"); err != nil || string(got) != "one" {
		t.Fatalf("got %q, %v", got, err)
	}
	write(t, s, state.Put("a", nil))
	if got, err := s.Get("a"); err != nil || len(got) != 0 {
		t.Fatalf("an empty value: got %q, %v", got, err)
	}
	write(t, s, state.Delete("a"), state.Delete("never"))
	if _, err := s.Get("a"); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("deleted key: got %v, want ErrNotFound", err)
	}
}

func atomic(t *testing.T, s state.Store) {
	write(t, s, state.Put("a", []byte("1")), state.Put("a", []byte("2")), state.Put("b", []byte("3")), state.Delete("b"))
	if got, _ := s.Get("a"); string(got) != "2" {
		t.Fatalf("the later change must win, got %q", got)
	}
	bad := state.Put("c", make([]byte, state.MaxValue+1))
	if err := s.Write(t.Context(), state.Put("a", []byte("9")), bad); !errors.Is(err, state.ErrTooLarge) {
		t.Fatalf("got %v, want ErrTooLarge", err)
	}
	if got, _ := s.Get("a"); string(got) != "2" {
		t.Fatalf("a refused batch changed a key: %q", got)
	}
}

func scan(t *testing.T, s state.Store) {
	write(t, s, state.Put("a/1", nil), state.Put("a/2", nil), state.Put("a/3", nil), state.Put("a0", nil), state.Put("b/1", nil), state.Put("a", nil))
	f := func(r state.Range, want string) {
		t.Helper()
		if got := keys(t, s, r); got != want {
			t.Errorf("%+v: got %q, want %q", r, got, want)
		}
	}
	f(state.Range{}, "a a/1 a/2 a/3 a0 b/1")
	f(state.Range{Prefix: "a/"}, "a/1 a/2 a/3")
	f(state.Range{Prefix: "a/", Reverse: true}, "a/3 a/2 a/1")
	f(state.Range{Prefix: "a/", After: "a/1"}, "a/2 a/3")
	f(state.Range{Prefix: "a/", After: "a/3"}, "")
	f(state.Range{Prefix: "a/", After: "a/3", Reverse: true}, "a/2 a/1")
	f(state.Range{Prefix: "a/", After: "a/25"}, "a/3")
	f(state.Range{Prefix: "zzz"}, "")
}

func writeWhileScanning(t *testing.T, s state.Store) {
	write(t, s, state.Put("k/1", nil), state.Put("k/2", nil))
	seen := 0
	for e, err := range s.Scan(state.Range{Prefix: "k/"}) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		write(t, s, state.Put(e.Key+"/new", nil), state.Delete(e.Key))
	}
	if seen != 2 {
		t.Fatalf("scan saw %d entries, want the 2 from its begin", seen)
	}
	if got := keys(t, s, state.Range{Prefix: "k/"}); got != "k/1/new k/2/new" {
		t.Fatalf("got %q", got)
	}
}

func limits(t *testing.T, s state.Store) {
	many := make([]state.Change, state.MaxChanges+1)
	for i := range many {
		many[i] = state.Put(fmt.Sprintf("k%d", i), nil)
	}
	for _, batch := range [][]state.Change{
		many, {state.Put("", nil)}, {state.Put(strings.Repeat("k", state.MaxKey+1), nil)},
		{state.Put("a", make([]byte, state.MaxValue)), state.Put("b", make([]byte, state.MaxValue))},
	} {
		if err := s.Write(t.Context(), batch...); !errors.Is(err, state.ErrTooLarge) {
			t.Errorf("batch of %d: got %v, want ErrTooLarge", len(batch), err)
		}
	}
	if got := keys(t, s, state.Range{}); got != "" {
		t.Errorf("a refused batch left %q", got)
	}
	write(t, s, many[:state.MaxChanges]...)
	write(t, s, state.Put(strings.Repeat("k", state.MaxKey), make([]byte, state.MaxValue)))
}

func closed(t *testing.T, s state.Store) {
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("closing twice: %v", err)
	}
	if _, err := s.Get("a"); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Get: %v", err)
	}
	if err := s.Write(t.Context(), state.Put("a", nil)); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	for _, err := range s.Scan(state.Range{}) {
		if !errors.Is(err, state.ErrClosed) {
			t.Errorf("Scan: %v", err)
		}
	}
}

func journal(t *testing.T, s state.Store) {
	j, err := state.OpenJournal(s, "j", 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if _, err := j.Append(t.Context(), []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s, state.Put("j/other", nil)) // no record
	if err := j.Replace(t.Context(), 3, []byte("x")); err != nil {
		t.Fatal(err)
	}
	j, err = state.OpenJournal(s, "j", 0)
	if err != nil {
		t.Fatal(err)
	}
	if seq, _ := j.Append(t.Context(), nil); seq != 21 {
		t.Fatalf("went on at %d, want 21", seq)
	}
	want := uint64(18)
	for r, err := range j.After(17) {
		if err != nil || r.Seq != want {
			t.Fatalf("got %d, %v, want %d", r.Seq, err, want)
		}
		want++
	}
	if want != 22 {
		t.Fatalf("last was %d", want-1)
	}
	for r := range j.Newest() {
		if want--; r.Seq != want {
			t.Fatalf("descending: got %d, want %d", r.Seq, want)
		}
		if r.Seq == 3 && string(r.Value) != "x" {
			t.Fatalf("replaced record holds %q", r.Value)
		}
	}
}

func journalKeeps(t *testing.T, s state.Store) {
	j, err := state.OpenJournal(s, "j", 5)
	if err != nil {
		t.Fatal(err)
	}
	for range 9 {
		if _, err := j.Append(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (n int) {
		for range j.After(0) {
			n++
		}
		return n
	}
	if n := count(); n != 5 {
		t.Fatalf("kept %d, want 5", n)
	}
	if j, err = state.OpenJournal(s, "j", 2); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 2 {
		t.Fatalf("after opening with fewer to keep: %d, want 2", n)
	}
}

// model compares random histories with a map.
func model(t *testing.T, s state.Store) {
	want := make(map[string][]byte)
	rapid.Check(t, func(t *rapid.T) {
		var batch []state.Change
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			key := rapid.StringMatching(`[ab]/[0-9]`).Draw(t, "key")
			if rapid.Bool().Draw(t, "delete") {
				batch = append(batch, state.Delete(key))
				delete(want, key)
			} else {
				v := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "value")
				batch = append(batch, state.Put(key, v))
				want[key] = bytes.Clone(v)
			}
		}
		if err := s.Write(t.Context(), batch...); err != nil {
			t.Fatal(err)
		}
		got := make(map[string][]byte)
		for e, err := range s.Scan(state.Range{Reverse: rapid.Bool().Draw(t, "reverse")}) {
			if err != nil {
				t.Fatal(err)
			}
			got[e.Key] = e.Value
		}
		equal := cmp.Comparer(bytes.Equal)
		if d := cmp.Diff(want, got, equal); d != "" {
			t.Fatal(d)
		}
	})
}
