package asg_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/cloudtest"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2/asg"
	"rondo/autoscale/ec2sim"
)

// A region is an emulator with one Auto Scaling Group, web-asg, of rondo's group
// web.
type region struct {
	t     *testing.T
	sim   *ec2sim.Sim
	url   string
	cloud *asg.Cloud
}

func open(t *testing.T, o ec2sim.Options, spec ec2sim.GroupSpec) *region {
	t.Helper()
	o.BootTime, o.StopTime = 50*time.Millisecond, 50*time.Millisecond
	r := &region{t: t, sim: ec2sim.New(o)}
	srv := httptest.NewServer(r.sim)
	r.url = srv.URL
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.sim.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait(); srv.Close() })
	spec.Name, spec.Image, spec.Types = "web-asg", "ami-1", []string{"t3.micro"}
	if err := r.sim.CreateGroup(spec); err != nil {
		t.Fatal(err)
	}
	r.cloud = r.client()
	return r
}

// client is a new one, as after a restart.
func (r *region) client() *asg.Cloud {
	r.t.Helper()
	conf := ec2.Config{Endpoint: r.url, Region: "us-east-1", AccessKey: "demo", SecretKey: "demo", LoopbackOnly: true}
	instances, err := ec2.New(r.t.Context(), conf)
	if err != nil {
		r.t.Fatal(err)
	}
	cloud, err := asg.New(r.t.Context(), conf, instances, map[string]string{"web": "web-asg", "lost": "no-asg"})
	if err != nil {
		r.t.Fatal(err)
	}
	return cloud
}

// call is a call of someone else's.
func (r *region) call(action, version string, pairs ...string) {
	r.t.Helper()
	v := url.Values{"Action": {action}, "Version": {version}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	answer, err := http.PostForm(r.url, v)
	if err != nil || answer.StatusCode != http.StatusOK {
		r.t.Fatal(action, answer, err)
	}
	_ = answer.Body.Close()
}

// group is a call about web-asg.
func (r *region) group(action string, pairs ...string) {
	r.t.Helper()
	r.call(action, "2011-01-01", append([]string{"AutoScalingGroupName", "web-asg"}, pairs...)...)
}

func (r *region) fault(f ec2sim.Fault) {
	r.t.Helper()
	if err := r.sim.Inject(f); err != nil {
		r.t.Fatal(err)
	}
}

func (r *region) find(field func(ec2sim.Instance) string, states ...ec2sim.State) (out []string) {
	for _, i := range r.sim.Instances() {
		if i.Group == "web-asg" && slices.Contains(states, i.State) {
			out = append(out, field(i))
		}
	}
	slices.Sort(out)
	return out
}

func (r *region) alive() []string {
	return r.find(func(i ec2sim.Instance) string { return i.ID }, ec2sim.Pending, ec2sim.Running)
}

func world(t *testing.T) cloudtest.World {
	t.Helper()
	w, _ := worldOf(t)
	return w
}

func worldOf(t *testing.T) (cloudtest.World, *region) {
	t.Helper()
	r := open(t, ec2sim.Options{Max: 1000}, ec2sim.GroupSpec{Max: 500})
	lossy := map[string]string{"launch": "SetDesiredCapacity", "terminate": "TerminateInstanceInAutoScalingGroup"}
	return cloudtest.World{
		Cloud: r.cloud, Group: autoscale.Group{Name: "web", ASG: "web-asg"}, Alive: r.alive,
		Up: func() []string { return r.find(ec2sim.Instance.Hostname, ec2sim.Running) },
		Lose: func(action string) {
			r.fault(ec2sim.Fault{Action: lossy[action], Effect: ec2sim.EffectResetAfter, Count: 1})
		},
		Protect: func(id string) {
			r.call("CreateTags", "2016-11-15", "ResourceId.1", id, "Tag.1.Key", autoscale.TagProtect, "Tag.1.Value", "yes")
		},
		Foreign: func() (string, func() bool) {
			db, err := r.sim.Launch(1, map[string]string{autoscale.TagGroup: "web"}) // the tag alone makes it no member
			if err != nil {
				t.Fatal(err)
			}
			return db[0].ID, func() bool {
				return slices.ContainsFunc(r.sim.Instances(), func(i ec2sim.Instance) bool {
					return i.ID == db[0].ID && (i.State == ec2sim.Pending || i.State == ec2sim.Running)
				})
			}
		},
	}, r
}

func TestConformance(t *testing.T) {
	t.Parallel()
	cloudtest.Run(t, world)
}

func TestStory(t *testing.T) {
	t.Parallel()
	cloudtest.Story(t, world(t))
}

// The same with hooks: instances go into service when they are heard of, and end
// when they have drained, or the story would not.
func TestStoryWithHooks(t *testing.T) {
	t.Parallel()
	w, r := worldOf(t)
	var mu sync.Mutex
	var hosts []string
	var asked time.Time
	observer := r.client()
	w.Up = func() []string { // what waits to be ended runs, and has no work
		mu.Lock()
		defer mu.Unlock()
		if time.Since(asked) < 200*time.Millisecond {
			return hosts
		}
		is, err := observer.Instances(context.Background(), "web")
		if err != nil {
			return hosts
		}
		asked, hosts = time.Now(), nil
		for _, i := range is {
			if i.Phase == autoscale.Booting {
				host, _, _ := strings.Cut(i.PrivateDNS, ".")
				hosts = append(hosts, host)
			}
		}
		return hosts
	}
	for name, at := range map[string]string{"rondo-launch": "LAUNCHING", "rondo-end": "TERMINATING"} {
		r.group("PutLifecycleHook", "LifecycleHookName", name, "LifecycleTransition", "autoscaling:EC2_INSTANCE_"+at)
	}
	cloudtest.Story(t, w)
}
