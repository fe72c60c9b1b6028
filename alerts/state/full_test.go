package state

import (
	"errors"
	"strings"
	"testing"
)

// Too little room to open in is told, before Badger touches mapped memory.
func TestWantFree(t *testing.T) {
	dir := t.TempDir()
	if err := wantFree(dir, 1); err != nil {
		t.Error(err)
	}
	if err := wantFree(dir, 1<<60); !errors.Is(err, ErrDiskFull) || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v, want ErrDiskFull and where", err)
	}
}
