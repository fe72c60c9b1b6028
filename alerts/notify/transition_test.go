package notify

import (
	"testing"

	"rondo/alerts"
)

// TestFingerprint: FNV-1a as Prometheus' model.LabelSet computes it; the
// constant is that of the empty set.
func TestFingerprint(t *testing.T) {
	if got := alerts.Fingerprint(nil); got != 14695981039346656037 {
		t.Errorf("empty set: %d", got)
	}
}
