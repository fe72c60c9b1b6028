package ec2_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2sim"
)

// TestTerminateReadsAgain: whatever the controller believes of instances, what
// their tags say when it asks for their end counts. Fleets of two groups are
// random, and so are the instances that are named.
//
// RONDO_RAIDS is the number of terminations.
func TestTerminateReadsAgain(t *testing.T) {
	t.Parallel()
	runs, seed := 300, rand.Uint64()
	if s := os.Getenv("RONDO_RAIDS"); s != "" {
		runs, _ = strconv.Atoi(s)
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	refused := 0
	for run := range runs {
		sim := ec2sim.New(ec2sim.Options{})
		cloud, err := ec2.New(t.Context(), ec2.Config{Endpoint: "http://ec2.test", Region: "us-east-1", AccessKey: "demo", SecretKey: "demo", Transport: &wire{sim: sim}})
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + rng.IntN(10) {
			tags := map[string]string{"Name": "web", autoscale.TagGroup: "web"}
			switch rng.IntN(12) {
			case 0:
				tags[autoscale.TagGroup] = []string{"db", "Web", "web ", "", "web2"}[rng.IntN(5)]
			case 1:
				tags[autoscale.TagProtect] = []string{"true", "false", "", "no"}[rng.IntN(4)]
			case 2:
				delete(tags, autoscale.TagGroup)
			}
			if _, err := sim.Launch(1, tags); err != nil {
				t.Fatal(err)
			}
		}
		var ids []string
		good := true
		for _, i := range sim.Instances() {
			if rng.IntN(2) == 0 {
				ids = append(ids, i.ID)
				v := i.Tags[autoscale.TagProtect]
				good = good && i.Tags[autoscale.TagGroup] == "web" && (v == "" || v == "false")
			}
		}
		if len(ids) == 0 {
			continue
		}
		if !good {
			refused++
		}
		if _, err := cloud.Terminate(t.Context(), "web", ids); (err == nil) != good {
			t.Errorf("run %d of seed %d: %v", run, seed, err)
		}
		for _, i := range sim.Instances() {
			if ended := i.State != ec2sim.Pending; ended != (good && slices.Contains(ids, i.ID)) {
				t.Errorf("run %d of seed %d: %s with %v is %s", run, seed, i.ID, i.Tags, i.State)
			}
		}
	}
	t.Logf("%d terminations from seed %d, %d of them refused", runs, seed, refused)
}
