package autoscale

import "testing"

func TestDemand(t *testing.T) {
	t.Parallel()
	runScript(t, "testdata/demand.txt")
}
