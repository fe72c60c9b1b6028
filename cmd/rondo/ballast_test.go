package main

import (
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A ballast is there when the disk has room, is given up when a server could
// not start otherwise, and does not come back before there is room again.
func TestBallast(t *testing.T) {
	var told strings.Builder
	free := int64(0)
	b := newBallast(t.TempDir(), slog.New(slog.NewTextHandler(&told, nil)))
	b.free = func(string) (int64, error) { return free, nil }
	there := func() bool {
		info, err := os.Stat(b.path)
		return err == nil && info.Size() == ballastBytes && info.Sys().(*syscall.Stat_t).Blocks*512 >= ballastBytes
	}
	step := func(f func() error, available int64, want bool) {
		t.Helper()
		free = available
		if err := f(); err != nil {
			t.Fatal(err)
		}
		if there() != want {
			t.Errorf("with %d MiB free there is a ballast: %v", available>>20, !want)
		}
	}
	step(b.giveUp, 0, false) // there is none yet
	step(b.keep, ballastRoom-1, false)
	step(b.keep, ballastRoom, true)
	step(b.keep, 0, true)
	step(b.giveUp, startBytes, true)
	if told.Len() > 0 {
		t.Error(told.String())
	}
	step(b.giveUp, startBytes-1, false)
	if !strings.Contains(told.String(), "the disk is full") {
		t.Error(told.String())
	}
	step(b.keep, ballastRoom-1, false)
	step(b.keep, ballastRoom, true)
}
