package ec2_test

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"

	"rondo/autoscale"
	"rondo/autoscale/ec2sim"
)

// TestFaultTable: the random runs of the controller replay EC2's errors as
// they are classified here. Each goes over the wire once, as EC2 answers it.
func TestFaultTable(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../testdata/ec2-faults.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sim, cloud := start(t, ec2sim.Options{})
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		field := strings.Fields(lines.Text())
		if len(field) == 0 || field[0] == "#" {
			continue
		}
		n++
		inject(t, sim, ec2sim.Fault{Action: "RunInstances", Effect: ec2sim.EffectError, Code: field[0], Count: 1})
		_, _, err := cloud.Launch(t.Context(), launch("t"+strconv.Itoa(n), 1))
		if got := failure(err); got != autoscale.Failure(field[2]) {
			t.Errorf("%s: %v is %q, the table says %q", field[0], err, got, field[2])
		}
	}
	if n != 23 {
		t.Errorf("%d codes in the table, want 23", n)
	}
	if is := sim.Instances(); len(is) != 0 {
		t.Errorf("%d instances were launched by calls that failed", len(is))
	}
}
