package collectors

import (
	"context"
	"errors"
	"testing"
)

// A clock is a collector of the least sort.
type clock struct{ every int }

func (*clock) Run(context.Context) error { return nil }

func TestKindOf(t *testing.T) {
	defaults := func() clock { return clock{every: 10} }
	build := func(_ Env, c clock) (*clock, error) {
		if c.every < 1 {
			return nil, errors.New("every: want at least 1")
		}
		return &c, nil
	}
	k := KindOf("clock", true, defaults, build)
	f := func(decode func(any) error, every int) {
		t.Helper()
		got, err := k.Build(Env{}, decode)
		if every == 0 {
			if err == nil || got != nil {
				t.Errorf("got %v, %v, want an error alone", got, err)
			}
			return
		}
		if err != nil || got.(*clock).every != every {
			t.Errorf("got %v, %v, want every %d", got, err, every)
		}
	}
	f(func(any) error { return nil }, 10)
	f(func(c any) error { c.(*clock).every = 3; return nil }, 3)
	f(func(c any) error { c.(*clock).every = 0; return nil }, 0)
	f(func(any) error { return errors.New("rondo.yml:3: unknown key") }, 0)
	if k.Name != "clock" || !k.Default {
		t.Errorf("%+v", k)
	}
}
