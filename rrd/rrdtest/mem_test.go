package rrdtest

import "testing"

func TestMem(t *testing.T) {
	TestStore(t, func(_ *testing.T, o Options) Store { return NewMem(o) })
}
