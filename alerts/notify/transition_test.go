package notify

import (
	"testing"
	"time"

	"rondo/alerts"
	"rondo/rrd"
)

// TestFingerprint: FNV-1a as Prometheus' model.LabelSet computes it; the
// constant is that of the empty set.
func TestFingerprint(t *testing.T) {
	if got := alerts.Fingerprint(nil); got != 14695981039346656037 {
		t.Errorf("empty set: %d", got)
	}
}

// TestOfTransition: how many alerts a change is, and which of them fire.
func TestOfTransition(t *testing.T) {
	own := rrd.Labels{{Name: "severity", Value: "page"}}
	for _, c := range []struct {
		from, to alerts.Status
		labels   rrd.Labels
		flap     alerts.FlapChange
		want     string
	}{
		{to: alerts.Critical, want: "new critical"},
		{from: alerts.Warning, to: alerts.Critical, want: "changed critical, not warning"},
		{from: alerts.Warning, to: alerts.Critical, labels: own, want: "changed critical"},
		{from: alerts.Critical, to: alerts.Critical, flap: alerts.FlapStart, want: "changed critical"},
		{from: alerts.Critical, flap: alerts.FlapEnd, want: "resolved, not critical"},
	} {
		n := OfTransition(alerts.Transition{ID: "x", Rule: "r", Labels: c.labels, From: c.from, To: c.to, Flap: c.flap, At: time.Unix(9, 0)}, "rcv", "")
		got := n.Reason
		for _, a := range n.Alerts {
			if a.Firing() {
				got += " " + a.Severity.String()
			} else {
				got += ", not " + a.Severity.String()
			}
		}
		if got != c.want {
			t.Errorf("%v to %v: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}
