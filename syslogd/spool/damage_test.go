package spool

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What cannot be read any more is counted exactly, and the rest is delivered.
func TestDamage(t *testing.T) {
	for _, last := range []bool{false, true} {
		dir := t.TempDir()
		s := openAt(t, dir)
		queues := queuesOf(t, s, Limits{}, "a", "b")
		for i := 0; i < 5000; i += 50 {
			put(t, s, queues, messages(i, i+50), Set(1+i/50%3))
		}
		kill(t, s)
		logs, err := filepath.Glob(filepath.Join(dir, "log", "*.log"))
		if err != nil || len(logs) < 3 {
			t.Fatal(logs, err)
		}
		file := logs[1]
		if last {
			file = logs[len(logs)-1]
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := len(data) / 3; i < len(data)/2; i++ {
			data[i] ^= 0x55
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s = openAt(t, dir)
		queues = queuesOf(t, s, Limits{}, "a", "b")
		for i, q := range queues {
			before := check(t, q)
			d := newMemory()
			stop := run(t, q, d)
			put(t, s, queues, messages(5000, 5001), Set(0).With(i))
			for got := d.wait(t, 1); got[len(got)-1] != "message 5000" && !t.Failed(); got = d.wait(t, len(got)+1) {
			}
			stop()
			st := check(t, q)
			if st.Waiting != 0 || st.Dropped[Damaged] == 0 || st.Routed != before.Routed+1 || len(d.got) != int(st.Delivered) {
				t.Errorf("%+v", st)
			}
		}
		kill(t, s)
	}
}

// Without the file of the cursors all that is there is told, and nothing is
// given to the wrong destination.
func TestCursorsAreLost(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	put(t, s, queuesOf(t, s, Limits{}, "a", "b"), messages(0, 10), 3)
	kill(t, s)
	path := filepath.Join(dir, stateFile)
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + ".old"); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	s = openAt(t, dir)
	defer s.Close()
	queues := queuesOf(t, s, Limits{}, "b", "a")
	put(t, s, queues, messages(10, 11), 3)
	d := newMemory()
	defer run(t, queues[0], d)()
	if got := d.wait(t, 1); !slices.Equal(got, []string{"message 10"}) {
		t.Error(got)
	}
	var names []string
	for _, st := range s.Stats() {
		names = append(names, st.Name)
	}
	if !slices.Contains(names, "unknown-1") || !slices.Contains(names, "unknown-2") {
		t.Error(names)
	}
}

// The file before it will do.
func TestCursorsAreDamaged(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	queues := queuesOf(t, s, Limits{}, "a")
	put(t, s, queues, messages(0, 10), 1)
	if err := s.keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	kill(t, s)
	if err := os.Truncate(filepath.Join(dir, stateFile), 20); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir)
	defer s.Close()
	if st := check(t, queuesOf(t, s, Limits{}, "a")[0]); st.Waiting != 10 {
		t.Errorf("%+v", st)
	}
}

func FuzzTail(f *testing.F) {
	var e encoding
	e.encode(messages(0, 3), []Set{1, 2, 3}, 2)
	f.Add(appendTail(e.parts[0].buf, &tail{at: 1, number: 7, count: 3, queues: []entry{{id: 1}, {id: 2, amount: amount{2, 100}}}}))
	f.Fuzz(func(t *testing.T, rec []byte) {
		var one tail
		body, err := readTail(rec, 0, &one)
		if err != nil {
			return
		}
		r := reading{tail: one}
		for bit, e := range one.queues {
			r.reset("log", e.place)
			r.messages(e, bit, body)
			if len(r.batch.Messages) != len(r.batch.Numbers) {
				t.Fatal(len(r.batch.Messages), len(r.batch.Numbers))
			}
		}
	})
}
