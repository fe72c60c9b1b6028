package rrd_test

import (
	"errors"
	"fmt"
	"testing"

	"rondo/rrd"
)

// onlyWatcher remembers what it was told to watch.
type onlyWatcher struct {
	watches []rrd.Watch
	moved   func(int, rrd.Time)
	err     error
}

func (w *onlyWatcher) Watch(ws []rrd.Watch, moved func(int, rrd.Time)) error {
	if w.err != nil {
		return w.err
	}
	w.watches, w.moved = ws, moved
	return nil
}

func TestShareWatcher(t *testing.T) {
	t.Parallel()
	store := &onlyWatcher{}
	both := rrd.ShareWatcher(store, 2)
	told := ""
	note := func(who string) func(int, rrd.Time) {
		return func(i int, at rrd.Time) { told += fmt.Sprintf("%s%d@%d ", who, i, at) }
	}
	f := func(want string) {
		t.Helper()
		told = ""
		for i := range store.watches {
			store.moved(i, rrd.Time(i))
		}
		if told != want {
			t.Errorf("told %q, want %q", told, want)
		}
	}
	watch := func(part, n int, who string) {
		t.Helper()
		if err := both[part].Watch(make([]rrd.Watch, n), note(who)); err != nil {
			t.Fatal(err)
		}
	}
	watch(1, 2, "groups")
	f("groups0@0 groups1@1 ")
	watch(0, 1, "rules")
	f("rules0@0 groups0@1 groups1@2 ")
	store.err = errors.New("bad matcher")
	if err := both[0].Watch(nil, nil); err == nil {
		t.Error("an error was kept back")
	}
	store.err = nil
	watch(1, 1, "new")
	f("rules0@0 new0@1 ")
	watch(0, 0, "none")
	f("new0@0 ")
}
