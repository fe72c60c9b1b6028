package outtest

import (
	"testing"
	"time"
)

// Eventually waits until something has happened, and fails the test if it does
// not within 20 s.
func Eventually(t *testing.T, happened func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(20 * time.Second); !happened(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal("it has not happened")
		}
	}
}
