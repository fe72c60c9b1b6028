package rrdtest

import "testing"

// alive is a MemSets that pretends to be killed.
type alive struct{ *MemSets }

func (alive) Maintain() error    { return nil }
func (alive) Restart(bool) error { return nil }

func TestMemSets(t *testing.T) {
	TestSets(t, func(o Options) (SetLife, func(), error) { return alive{NewMemSets(o)}, func() {}, nil })
}
