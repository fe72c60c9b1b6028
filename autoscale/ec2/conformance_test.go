package ec2_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/cloudtest"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2sim"
)

// world runs an emulator whose instances boot and end by themselves.
func world(t *testing.T) cloudtest.World {
	t.Helper()
	sim := ec2sim.New(ec2sim.Options{Max: 1000, BootTime: 100 * time.Millisecond, StopTime: 50 * time.Millisecond})
	srv := httptest.NewServer(sim)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = sim.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait(); srv.Close() })
	cloud, err := ec2.New(t.Context(), ec2.Config{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "demo", SecretKey: "demo", LoopbackOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	find := func(field func(ec2sim.Instance) string, states ...ec2sim.State) (out []string) {
		for _, i := range sim.Instances() {
			if i.Tags[autoscale.TagGroup] == "web" && slices.Contains(states, i.State) {
				out = append(out, field(i))
			}
		}
		slices.Sort(out)
		return out
	}
	id := func(i ec2sim.Instance) string { return i.ID }
	lossy := map[string]string{"launch": "RunInstances", "terminate": "TerminateInstances"}
	return cloudtest.World{
		Cloud: cloud, Group: autoscale.Group{Name: "web", Launch: autoscale.Template{Image: "ami-1"}},
		Alive: func() []string { return find(id, ec2sim.Pending, ec2sim.Running) },
		Up:    func() []string { return find(ec2sim.Instance.Hostname, ec2sim.Running) },
		Lose: func(action string) {
			inject(t, sim, ec2sim.Fault{Action: lossy[action], Effect: ec2sim.EffectResetAfter, Count: 1})
		},
		Protect: func(id string) {
			answer, err := http.PostForm(srv.URL, url.Values{
				"Action": {"CreateTags"}, "Version": {"2016-11-15"}, "ResourceId.1": {id}, "Tag.1.Key": {autoscale.TagProtect}, "Tag.1.Value": {"yes"},
			})
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Fatal(answer, err)
			}
			_ = answer.Body.Close()
		},
		Foreign: func() (string, func() bool) {
			db, err := sim.Launch(1, map[string]string{autoscale.TagGroup: "db"})
			if err != nil {
				t.Fatal(err)
			}
			return db[0].ID, func() bool {
				return slices.ContainsFunc(sim.Instances(), func(i ec2sim.Instance) bool {
					return i.ID == db[0].ID && (i.State == ec2sim.Pending || i.State == ec2sim.Running)
				})
			}
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	cloudtest.Run(t, world)
}

func TestStory(t *testing.T) {
	t.Parallel()
	cloudtest.Story(t, world(t))
}
