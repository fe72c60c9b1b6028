package elb

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/ec2sim"
)

// TestLife: an instance is registered when it serves, drains when it is to go,
// and has left when the balancer lists it no more; with kill -9 at each step.
func TestLife(t *testing.T) {
	t.Parallel()
	f := func(restarts bool) {
		on(t, "instance", func(b *bench) {
			again := func() {
				if restarts {
					b.stop()
					b.start()
				}
			}
			b.start()
			ids := b.launch(2)
			time.Sleep(5 * time.Second)
			b.has("both serve", ids[0]+"=initial", ids[1]+"=initial")
			again()
			time.Sleep(40 * time.Second)
			b.has("both serve", ids[0]+"=healthy", ids[1]+"=healthy")
			if got := b.b.Note("web", ids[0]); got != "ELB: healthy" {
				b.Errorf("note: %q", got)
			}
			b.phase(autoscale.Draining, ids[0])
			b.waits(ids[0], "the load balancer is to be asked about it (target group web)")
			again()
			time.Sleep(4 * time.Second)
			b.has("one drains", ids[0]+"=draining", ids[1]+"=healthy")
			again()
			time.Sleep(4 * time.Second)
			b.waits(ids[0], "the load balancer still drains it (up to 1m0s, target group web)")
			time.Sleep(time.Minute)
			b.waits(ids[0], "")
			b.has("it has left", ids[1]+"=healthy")
			// It is taken back, and registered anew.
			b.phase(autoscale.InService, ids[0])
			time.Sleep(40 * time.Second)
			b.has("taken back", ids[0]+"=healthy", ids[1]+"=healthy")
			// One ends by itself: its target goes as the instance does.
			b.sim.Terminate("Server.SpotInstanceTermination", ids[1])
			time.Sleep(40 * time.Second)
			b.has("one ended", ids[0]+"=healthy")
		})
	}
	f(false)
	f(true)
}

// TestAddresses: of an instance that is over EC2 knows no address, and nobody
// but us takes the target out.
func TestAddresses(t *testing.T) {
	t.Parallel()
	on(t, "ip", func(b *bench) {
		b.start()
		ids := b.launch(2)
		is := b.sim.Instances()
		b.ask("RegisterTargets", "Targets.member.1.Id=10.9.9.9")
		time.Sleep(30 * time.Second)
		b.has("all", is[0].PrivateIP+"=healthy", is[1].PrivateIP+"=healthy", "10.9.9.9=unhealthy")
		b.stop()
		b.sim.Terminate("Client.UserInitiatedShutdown", ids[0])
		time.Sleep(3 * time.Minute) // it is not even listed as terminated any more
		b.start()
		time.Sleep(10 * time.Second)
		b.has("its target drains", is[0].PrivateIP+"=draining", is[1].PrivateIP+"=healthy", "10.9.9.9=unhealthy")
		time.Sleep(2 * time.Minute)
		b.has("it has left", is[1].PrivateIP+"=healthy", "10.9.9.9=unhealthy")
		if got := strings.Join(b.b.Remarks("web"), "; "); got != "target group web has targets that are not rondo's and are left alone: 10.9.9.9" {
			b.Errorf("remarks: %s", got)
		}
	})
}

// TestMissingData: a group that is not listed, an old list and an empty one take
// nobody out.
func TestMissingData(t *testing.T) {
	t.Parallel()
	on(t, "instance", func(b *bench) {
		b.start()
		ids := b.launch(2)
		time.Sleep(40 * time.Second)
		f := func(what string, change func()) {
			b.Helper()
			b.change(change)
			b.stop()
			b.start()
			time.Sleep(5 * time.Minute)
			b.has(what, ids[0]+"=healthy", ids[1]+"=healthy")
		}
		f("the cloud does not answer", func() { b.absent = true })
		f("an old list without one", func() { b.absent, b.old, b.gone[ids[0]] = false, time.Hour, true })
		f("an empty list", func() { b.old, b.gone[ids[1]] = 0, true })
		f("a dry run", func() { b.dry, b.gone[ids[1]] = true, false })
		b.phase(autoscale.Draining, ids[1])
		time.Sleep(time.Minute)
		b.waits(ids[1], "in a dry run nobody takes it out")
		b.change(func() { b.dry, b.phases[ids[1]] = false, autoscale.InService })
		time.Sleep(2 * time.Minute)
		b.has("a new list without one, while another serves", ids[1]+"=healthy")
	})
}

// TestTheLastOne: the last healthy target stays until its heir is healthy.
func TestTheLastOne(t *testing.T) {
	t.Parallel()
	on(t, "instance", func(b *bench) {
		b.start()
		old := b.launch(1)[0]
		time.Sleep(40 * time.Second)
		heir := b.launch(1)[0]
		b.phase(autoscale.Replaced, old)
		time.Sleep(5 * time.Second)
		b.has("the heir is not healthy yet", old+"=healthy", heir+"=initial")
		b.waits(old, "the load balancer has no other healthy target in target group web")
		time.Sleep(20 * time.Second)
		b.has("it is", old+"=draining", heir+"=healthy")
	})
}

// TestTrouble: throttled for minutes, denied, resets and a target that is
// refused: calls are few, what is known is acted on, and all ends well.
func TestTrouble(t *testing.T) {
	t.Parallel()
	on(t, "instance", func(b *bench) {
		b.start()
		ids := b.launch(3)
		time.Sleep(40 * time.Second)
		began := time.Now()
		b.inject(ec2sim.Fault{Action: "DescribeTargetHealth", Effect: ec2sim.EffectError, Code: "Throttling", Count: -1})
		b.phase(autoscale.Draining, ids[0])
		time.Sleep(10 * time.Minute)
		if n, most := b.called("DescribeTargetHealth", began); n > 20 || most > 7 {
			b.Errorf("%d calls in 10 minutes of throttling, %d within one", n, most)
		}
		if n := b.b.Stats()["DescribeTargetHealth_failed_throttled"]; n < 5 {
			b.Errorf("%d throttled calls are counted: %v", n, b.b.Stats())
		}
		if got := strings.Join(b.b.Remarks("web"), "; "); !strings.Contains(got, "target group web cannot be kept equal to the group: throttled: Throttling") {
			b.Errorf("remarks: %s", got)
		}
		b.waits(ids[0], "which fails: throttled: Throttling")
		b.sim.ClearFaults()
		time.Sleep(4 * time.Minute)
		b.has("the drain went on meanwhile", ids[1]+"=healthy", ids[2]+"=healthy")
		b.waits(ids[0], "")

		b.inject(ec2sim.Fault{Action: "RegisterTargets", Effect: ec2sim.EffectResetAfter, Count: 1})
		b.inject(ec2sim.Fault{Action: "DeregisterTargets", Effect: ec2sim.EffectReset, Count: 2})
		b.inject(ec2sim.Fault{Action: "DescribeTargetHealth", Effect: ec2sim.EffectTruncate, Count: 2})
		b.phase(autoscale.InService, ids[0])
		b.phase(autoscale.Draining, ids[1])
		time.Sleep(2 * time.Minute)
		b.has("over resets", ids[0]+"=healthy", ids[2]+"=healthy")
	})
}

// TestStorm: while AWS throttles every call, and when it has come back, thirty
// target groups together stay below what they may ask.
func TestStorm(t *testing.T) {
	t.Parallel()
	on(t, "instance", func(b *bench) {
		for port := range 29 {
			b.more = append(b.more, Binding{Group: "web", TargetGroup: b.arn, Port: 8000 + port})
		}
		b.start()
		ids := b.launch(2)
		time.Sleep(2 * time.Minute)
		if n := len(b.targets()); n != 60 {
			b.Errorf("%d targets, want 2 in 30 target groups", n)
		}
		began := time.Now()
		b.inject(ec2sim.Fault{Effect: ec2sim.EffectError, Code: "Throttling", Count: -1})
		b.phase(autoscale.Draining, ids[0])
		time.Sleep(10 * time.Minute)
		storm, most := b.called("DescribeTargetHealth", began)
		if storm > 30*20 || most > 2*60+10 {
			b.Errorf("%d calls in 10 minutes of throttling, %d of them within one", storm, most)
		}
		back := time.Now()
		b.sim.ClearFaults()
		time.Sleep(5 * time.Minute)
		after, most := b.called("DescribeTargetHealth", back)
		if most > 2*60+10 {
			b.Errorf("%d calls within a minute afterwards", most)
		}
		if n := len(b.targets()); n != 30 {
			b.Errorf("%d targets, want 1 in 30 target groups", n)
		}
		b.Logf("30 target groups, 10 minutes of throttling: %d calls of DescribeTargetHealth; in the 5 minutes after: %d, %d at most within one", storm, after, most)
	})
}

// TestRefused: a target that the balancer does not take keeps no other out.
func TestRefused(t *testing.T) {
	t.Parallel()
	on(t, "instance", func(b *bench) {
		ids := b.launch(7)
		stuck, err := b.sim.Launch(1, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.phase(autoscale.InService, stuck[0].ID) // it is pending for a second: InvalidTarget
		b.inject(ec2sim.Fault{Effect: ec2sim.EffectStuck, Instance: stuck[0].ID})
		b.start()
		time.Sleep(40 * time.Second)
		var want []string
		for _, id := range ids {
			want = append(want, id+"=healthy")
		}
		b.has("all but one", want...)
		if got := b.b.Note("web", stuck[0].ID); got != "ELB: not registered, permanent: InvalidTarget" {
			b.Errorf("note: %q", got)
		}
		since := time.Now()
		time.Sleep(10 * time.Minute)
		if n, _ := b.called("RegisterTargets", since); n == 0 || n > 12 {
			b.Errorf("%d more calls for it in 10 minutes", n)
		}
	})
}

// TestUnhealthy: who answers no health checks is said, and replaced where that
// is wanted; not when most of them do not.
func TestUnhealthy(t *testing.T) {
	t.Parallel()
	on(t, "instance", func(b *bench) {
		b.conf.Replace = true
		b.start()
		ids := b.launch(3)
		time.Sleep(40 * time.Second)
		b.inject(ec2sim.Fault{Effect: ec2sim.EffectSilent, Instance: ids[0]})
		time.Sleep(95 * time.Second)
		if got := b.b.Note("web", ids[0]); !strings.HasPrefix(got, "ELB: unhealthy for 1m") || !strings.HasSuffix(got, "s, Target.Timeout") {
			b.Errorf("note: %q", got)
		}
		got := b.b.Ailing("web")
		if a, ok := got[ids[0]]; !ok || len(got) != 1 || a.Check != "the health check of target group web" || time.Since(a.Since) < time.Minute {
			b.Errorf("ailing: %v", got)
		}
		b.inject(ec2sim.Fault{Effect: ec2sim.EffectSilent, Instance: ids[1]})
		time.Sleep(time.Minute)
		if got := b.b.Ailing("web"); len(got) != 0 {
			b.Errorf("two of three are ailing: %v; it is the check, then", got)
		}
	})
}

// TestAttached: the target group of an Auto Scaling Group is read and no more.
func TestAttached(t *testing.T) {
	t.Parallel()
	on(t, "instance", func(b *bench) {
		known := false
		b.group.ASG = "web-asg"
		b.asg = func(string) ([]string, bool) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return []string{b.arn}, known
		}
		b.start()
		ids := b.launch(2)
		time.Sleep(time.Minute)
		b.has("nothing is known of it yet")
		b.change(func() { known = true })
		b.ask("RegisterTargets", "Targets.member.1.Id="+ids[0])
		b.phase(autoscale.Draining, ids[0])
		time.Sleep(time.Minute)
		b.has("left to AWS", ids[0]+"=healthy")
		b.waits(ids[0], "")
		if got := strings.Join(b.b.Remarks("web"), "; "); !strings.Contains(got, "target group web is attached to the Auto Scaling Group, so AWS fills and drains it") {
			b.Errorf("remarks: %s", got)
		}
		if got := b.b.Note("web", ids[0]); got != "ELB: healthy" {
			b.Errorf("note: %q", got)
		}
	})
}

// TestShortDrain: a group that does not wait as long as the balancer drains cuts
// connections.
func TestShortDrain(t *testing.T) {
	t.Parallel()
	on(t, "instance", func(b *bench) {
		b.group.Drain = 30 * time.Second
		b.start()
		b.launch(1)
		time.Sleep(5 * time.Second)
		want := "drain 30s is shorter than the deregistration delay 1m0s of target group web: connections that last longer are cut"
		if got := b.b.Remarks("web"); len(got) != 1 || got[0] != want {
			b.Errorf("remarks: %q", got)
		}
	})
}

// TestNeeds: what is denied comes with the statement that allows it; what was
// never called is not known.
func TestNeeds(t *testing.T) {
	t.Parallel()
	on(t, "instance", func(b *bench) {
		f := func(want ...string) {
			b.Helper()
			var got []string
			for _, r := range b.b.Needs(b.Context(), "web") {
				line := fmt.Sprintf("%s %s", strings.TrimPrefix(r.Name, "elasticloadbalancing:"), r.State)
				if r.Policy != nil {
					line += " " + strings.Replace(r.Policy.Resource, b.arn, "ARN", 1)
				}
				got = append(got, line)
			}
			if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
				b.Errorf("got\n%s\nwant\n%s", g, w)
			}
		}
		b.start()
		f("DescribeTargetGroups ok", "DescribeTargetGroupAttributes ok", "DescribeTargetHealth ok", "RegisterTargets unknown ARN", "DeregisterTargets unknown ARN")
		b.inject(ec2sim.Fault{Action: "DescribeTargetHealth", Effect: ec2sim.EffectDeny, Count: -1})
		f("DescribeTargetGroups ok", "DescribeTargetGroupAttributes ok", "DescribeTargetHealth denied *", "RegisterTargets unknown ARN", "DeregisterTargets unknown ARN")
		b.sim.ClearFaults()
		b.inject(ec2sim.Fault{Action: "RegisterTargets", Effect: ec2sim.EffectDeny, Count: -1})
		time.Sleep(5 * time.Minute)
		b.launch(1)
		time.Sleep(5 * time.Second)
		f("DescribeTargetGroups ok", "DescribeTargetGroupAttributes ok", "DescribeTargetHealth ok", "RegisterTargets denied ARN", "DeregisterTargets unknown ARN")
		b.ask("DeleteTargetGroup")
		f("DescribeTargetGroups missing", "DescribeTargetGroupAttributes ok", "DescribeTargetHealth missing", "RegisterTargets denied ARN", "DeregisterTargets unknown ARN")
	})
}
