package asg_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/autoscale"
	"rondo/autoscale/ec2/asg"
	"rondo/autoscale/ec2sim"
)

func launch(desired int) autoscale.Launch {
	return autoscale.Launch{Group: "web", Count: 1, Desired: desired, Token: "rondo-x"}
}

func (r *region) launch(desired int) {
	r.t.Helper()
	if _, _, err := r.cloud.Launch(r.t.Context(), launch(desired)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *region) list() []autoscale.Instance {
	r.t.Helper()
	is, err := r.cloud.Instances(r.t.Context(), "web")
	if err != nil {
		r.t.Fatal(err)
	}
	return is
}

// phases writes a list as "i-1 booting, web-asg#2 pending", with IDs numbered in
// their order.
func phases(is []autoscale.Instance) string {
	var out []string
	for n, i := range is {
		id := i.ID
		if strings.HasPrefix(id, "i-") {
			id = fmt.Sprintf("i-%d", n+1)
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", id, i.Phase, i.Waits)))
	}
	return strings.Join(out, ", ")
}

// until waits in real time; its limit is for a broken test alone.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// shows waits until the list is so.
func (r *region) shows(want string) {
	r.t.Helper()
	got := ""
	defer func() {
		if got != want {
			r.t.Logf("the list is %s", got)
		}
	}()
	until(r.t, want, func() bool {
		got = phases(r.list())
		return got == want
	})
}

func (r *region) remarks() string { return strings.Join(r.cloud.Remarks("web"), "\n") }

func fails(t *testing.T, err error, want autoscale.Failure, says string) {
	t.Helper()
	ce, ok := errors.AsType[*autoscale.CallError](err)
	if !ok || ce.Failure != want || !strings.Contains(err.Error(), says) {
		t.Errorf("%v\nwant %s: %s", err, want, says)
	}
}

// What is ordered counts, though it is not there, and can be taken back.
func TestOrders(t *testing.T) {
	t.Parallel()
	r := open(t, ec2sim.Options{GroupDelay: time.Hour}, ec2sim.GroupSpec{Max: 5})
	r.launch(3)
	const three = "web-asg#1 pending, web-asg#2 pending, web-asg#3 pending"
	r.shows(three)
	r.launch(2) // never lowers
	r.shows(three)
	r.cloud = r.client() // a restart
	r.shows(three)
	for range 2 { // the second finds it gone
		if _, err := r.cloud.Terminate(t.Context(), "web", []string{"web-asg#3"}); err != nil {
			t.Fatal(err)
		}
		r.shows("web-asg#1 pending, web-asg#2 pending")
	}
}

// What EC2 knows of a member stands in the list.
func TestMembers(t *testing.T) {
	t.Parallel()
	r := open(t, ec2sim.Options{}, ec2sim.GroupSpec{Max: 5})
	r.launch(2)
	r.shows("i-1 booting, i-2 booting")
	for _, i := range r.list() {
		if i.Launched.IsZero() || i.PrivateDNS == "" || i.PrivateIP == "" || i.Zone == "" || i.Type != "t3.micro" || i.Tags["aws:autoscaling:groupName"] != "web-asg" {
			t.Errorf("%+v", i)
		}
	}
}

// What cannot be launched is no capacity, and everybody hears why.
func TestNoCapacity(t *testing.T) {
	t.Parallel()
	r := open(t, ec2sim.Options{Max: 2}, ec2sim.GroupSpec{Max: 9})
	r.launch(5)
	r.shows("i-1 booting, i-2 booting")
	const why = "the Auto Scaling Group web-asg cannot launch 3 that it was asked for: "
	if got := r.remarks(); !strings.HasPrefix(got, why) {
		t.Errorf("remarks: %s", got)
	}
	_, _, err := r.cloud.Launch(t.Context(), launch(5))
	fails(t, err, autoscale.NoRoom, why)
	// Who wants fewer does not want those that are still to come either.
	if _, err := r.cloud.Terminate(t.Context(), "web", r.alive()[:1]); err != nil {
		t.Fatal(err)
	}
	until(t, "one that is left", func() bool { return len(r.alive()) == 1 })
	r.shows("i-1 booting")
	if got := r.remarks(); got != "" {
		t.Errorf("remarks after the scale-in: %s", got)
	}
}

func TestLaunchIsSuspended(t *testing.T) {
	t.Parallel()
	r := open(t, ec2sim.Options{}, ec2sim.GroupSpec{Max: 5})
	r.group("SuspendProcesses", "ScalingProcesses.member.1", "Launch")
	r.launch(2)
	r.shows("")
	_, _, err := r.cloud.Launch(t.Context(), launch(2))
	fails(t, err, autoscale.Permanent, "cannot launch 2 that it was asked for: its process Launch is suspended: User suspended at")
	r.group("ResumeProcesses", "ScalingProcesses.member.1", "Launch")
	r.shows("i-1 booting, i-2 booting")
}

// The group's own bounds are told, and not run against.
func TestBounds(t *testing.T) {
	t.Parallel()
	r := open(t, ec2sim.Options{}, ec2sim.GroupSpec{Min: 1, Max: 3})
	if _, _, ok := r.cloud.Bounds("web"); ok {
		t.Error("bounds are known before the first list")
	}
	r.shows("i-1 booting")
	if least, most, ok := r.cloud.Bounds("web"); !ok || least != 1 || most != 3 {
		t.Errorf("bounds %d, %d, %v", least, most, ok)
	}
	r.launch(7) // as many as can be had
	r.shows("i-1 booting, i-2 booting, i-3 booting")
	_, _, err := r.cloud.Launch(t.Context(), launch(7))
	fails(t, err, autoscale.Permanent, "7 instances are wanted, the MaxSize of the Auto Scaling Group web-asg is 3")
	_, err = r.cloud.Terminate(t.Context(), "web", r.alive())
	fails(t, err, autoscale.Permanent, "0 instances would be left, the MinSize of the Auto Scaling Group web-asg is 1")
	if n := len(r.alive()); n != 3 {
		t.Errorf("%d are left, want all", n)
	}
	_, err = r.cloud.Instances(t.Context(), "lost")
	fails(t, err, autoscale.Permanent, "there is no Auto Scaling Group no-asg in this region and account")
	_, _, err = r.cloud.Launch(t.Context(), autoscale.Launch{Group: "nobody", Desired: 1})
	fails(t, err, autoscale.Permanent, `group "nobody" has no Auto Scaling Group`)
}

// Others may change the group; that is seen, taken over and said.
func TestOthers(t *testing.T) {
	t.Parallel()
	r := open(t, ec2sim.Options{}, ec2sim.GroupSpec{Min: 0, Desired: 2, Max: 9})
	r.shows("i-1 booting, i-2 booting")
	r.group("SetDesiredCapacity", "DesiredCapacity", "4")
	r.shows("i-1 booting, i-2 booting, i-3 booting, i-4 booting")
	if got, want := r.remarks(), "someone else set the desired capacity of web-asg from 2 to 4"; got != want {
		t.Errorf("remarks: %s, want %s", got, want)
	}
	id := r.list()[1].ID
	r.group("EnterStandby", "InstanceIds.member.1", id, "ShouldDecrementDesiredCapacity", "true")
	r.shows("i-1 booting, i-2 stopped, i-3 booting, i-4 booting")
	_, err := r.cloud.Terminate(t.Context(), "web", []string{id})
	fails(t, err, autoscale.Permanent, "was set aside by someone else: it is Standby in the Auto Scaling Group web-asg")
	detached := r.list()[0].ID
	r.group("DetachInstances", "InstanceIds.member.1", detached, "ShouldDecrementDesiredCapacity", "true")
	r.shows("i-1 stopped, i-2 booting, i-3 booting")
	_, err = r.cloud.Terminate(t.Context(), "web", []string{detached})
	fails(t, err, autoscale.Permanent, detached+" is not in the Auto Scaling Group web-asg")
	r.group("PutScalingPolicy", "PolicyName", "cpu70", "PolicyType", "TargetTrackingScaling")
	r.cloud = r.client()
	r.list()
	if got := r.remarks(); !strings.Contains(got, "web-asg has scaling policies of its own (cpu70)") {
		t.Errorf("remarks: %s", got)
	}
}

// A termination without an answer is not repeated before it would be seen: each
// lowers the desired capacity once more.
func TestDoubt(t *testing.T) {
	t.Parallel()
	r := open(t, ec2sim.Options{}, ec2sim.GroupSpec{Desired: 3, Max: 9})
	r.shows("i-1 booting, i-2 booting, i-3 booting")
	r.fault(ec2sim.Fault{Action: "TerminateInstanceInAutoScalingGroup", Effect: ec2sim.EffectReset, Count: 1})
	id := r.alive()[:1]
	_, err := r.cloud.Terminate(t.Context(), "web", id)
	fails(t, err, autoscale.Unclear, "")
	_, err = r.cloud.Terminate(t.Context(), "web", id)
	fails(t, err, autoscale.Unclear, "was asked for a moment ago without an answer")
	if n := len(r.alive()); n != 3 {
		t.Errorf("%d are left, want 3", n)
	}
	until(t, "a termination that is clear", func() bool {
		_, err := r.cloud.Terminate(t.Context(), "web", id)
		return err == nil
	})
	until(t, "two that are left", func() bool { return len(r.alive()) == 2 })
	r.fault(ec2sim.Fault{Action: "TerminateInstanceInAutoScalingGroup", Effect: ec2sim.EffectError, Code: "ScalingActivityInProgress", Count: 1})
	_, err = r.cloud.Terminate(t.Context(), "web", r.alive()[:1])
	fails(t, err, autoscale.Throttled, "ScalingActivityInProgress")
	if _, err = r.cloud.Terminate(t.Context(), "web", r.alive()[:1]); err != nil {
		t.Error(err)
	}
}

func TestFailuresOfSetDesired(t *testing.T) {
	t.Parallel()
	f := func(code string, want autoscale.Failure) {
		t.Helper()
		r := open(t, ec2sim.Options{}, ec2sim.GroupSpec{Max: 9})
		r.fault(ec2sim.Fault{Action: "SetDesiredCapacity", Effect: ec2sim.EffectError, Code: code, Count: 1})
		_, _, err := r.cloud.Launch(t.Context(), launch(1))
		fails(t, err, want, code)
	}
	f("Throttling", autoscale.Throttled)
	f("ResourceContention", autoscale.Throttled)
	f("ScalingActivityInProgress", autoscale.Throttled)
	f("AccessDenied", autoscale.Denied)
	f("ValidationError", autoscale.Permanent)
	f("InternalFailure", autoscale.Unclear)
}

// Only rondo chooses who goes.
func TestProtection(t *testing.T) {
	t.Parallel()
	r := open(t, ec2sim.Options{}, ec2sim.GroupSpec{Desired: 3, Max: 9})
	r.shows("i-1 booting, i-2 booting, i-3 booting")
	ids := r.alive()
	care := autoscale.Care{Keep: append(slices.Clone(ids), "web-asg#4")}
	for range 2 { // the second has nothing left to do
		if err := r.cloud.Attend(t.Context(), "web", care); err != nil {
			t.Fatal(err)
		}
		r.fault(ec2sim.Fault{Action: "SetInstanceProtection", Effect: ec2sim.EffectError, Code: "Throttling", Count: 1})
	}
	r.sim.ClearFaults()
	r.group("SetDesiredCapacity", "DesiredCapacity", "1") // someone else's
	r.shows("i-1 booting, i-2 booting, i-3 booting")
	r.group("SetDesiredCapacity", "DesiredCapacity", "3")
	if _, err := r.cloud.Terminate(t.Context(), "web", ids[:1]); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of one", func() bool { return cmp.Equal(r.alive(), ids[1:]) })
}

// Instances wait for rondo at hooks that have its name, and at no others.
func TestHooks(t *testing.T) {
	t.Parallel()
	r := open(t, ec2sim.Options{}, ec2sim.GroupSpec{Max: 9})
	for _, h := range [][2]string{{"rondo-launch", "LAUNCHING"}, {"rondo-end", "TERMINATING"}} {
		r.group("PutLifecycleHook", "LifecycleHookName", h[0], "LifecycleTransition", "autoscaling:EC2_INSTANCE_"+h[1], "HeartbeatTimeout", "30")
	}
	attend := func(c autoscale.Care) {
		t.Helper()
		if err := r.cloud.Attend(context.WithoutCancel(t.Context()), "web", c); err != nil {
			t.Fatal(err)
		}
	}
	r.launch(1)
	r.shows("i-1 booting launching")
	id := r.alive()
	attend(autoscale.Care{Keep: id})
	r.shows("i-1 booting launching")
	attend(autoscale.Care{Keep: id, Proceed: id})
	attend(autoscale.Care{Proceed: id}) // it waits no more
	r.shows("i-1 booting")
	// Someone at the console ends it: it drains all the same.
	r.group("TerminateInstanceInAutoScalingGroup", "InstanceId", id[0], "ShouldDecrementDesiredCapacity", "true")
	r.shows("i-1 terminating ending")
	attend(autoscale.Care{Hold: id})
	r.shows("i-1 terminating ending")
	attend(autoscale.Care{Proceed: id})
	until(t, "its end", func() bool { return len(r.alive()) == 0 })
	attend(autoscale.Care{Proceed: id})

	r.group("PutLifecycleHook", "LifecycleHookName", "deploy", "LifecycleTransition", "autoscaling:EC2_INSTANCE_LAUNCHING", "HeartbeatTimeout", "30")
	r.cloud = r.client()
	r.launch(1)
	r.shows("i-1 booting launching")
	attend(autoscale.Care{Proceed: r.alive()})
	r.shows("i-1 booting launching")
}

// What is asked beforehand, and what cannot be.
func TestPreflight(t *testing.T) {
	t.Parallel()
	r := open(t, ec2sim.Options{}, ec2sim.GroupSpec{Max: 9})
	r.group("PutScalingPolicy", "PolicyName", "cpu70")
	show := func(group string) (out []string) {
		for _, q := range r.cloud.Preflight(t.Context(), autoscale.Launch{Group: group}, nil).Requirements {
			out = append(out, fmt.Sprintf("%s %s: %.40s", q.State, q.Name, q.Text))
		}
		return out
	}
	r.fault(ec2sim.Fault{Action: "DescribeLifecycleHooks", Effect: ec2sim.EffectError, Code: "AccessDenied", Count: 1})
	if d := cmp.Diff([]string{
		"ok autoscaling:DescribeAutoScalingGroups: web-asg: min 0, max 9, desired 0; the Au",
		"ok autoscaling:DescribeScalingActivities: ",
		"denied autoscaling:DescribeLifecycleHooks: auth: AccessDenied: fault on demand",
		"ok autoscaling:DescribePolicies: ",
		"ok ec2:DescribeInstances: ",
		"unknown autoscaling:SetDesiredCapacity: Auto Scaling has no dry run: the first r",
		"unknown autoscaling:TerminateInstanceInAutoScalingGroup: Auto Scaling has no dry run: the first r",
		"unknown autoscaling:SetInstanceProtection: Auto Scaling has no dry run: the first r",
		"unknown autoscaling:CreateOrUpdateTags: Auto Scaling has no dry run: the first r",
	}, show("web")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"missing autoscaling:DescribeAutoScalingGroups: permanent: Refused: there is no Auto Sca"}, show("lost")); d != "" {
		t.Error(d)
	}
}

var (
	_ autoscale.Attendant     = (*asg.Cloud)(nil)
	_ autoscale.Bounder       = (*asg.Cloud)(nil)
	_ autoscale.Preflighter   = (*asg.Cloud)(nil)
	_ autoscale.Tagger        = (*asg.Cloud)(nil)
	_ autoscale.Remarker      = (*asg.Cloud)(nil)
	_ autoscale.StatusChecker = (*asg.Cloud)(nil)
)

// TestClaim: the claim of who launches is on the Auto Scaling Group, and seen on
// its members; who takes over puts his own there.
func TestClaim(t *testing.T) {
	t.Parallel()
	r := open(t, ec2sim.Options{}, ec2sim.GroupSpec{Max: 9, Desired: 1})
	claims := func() string {
		i := r.list()[0]
		return i.Tags[autoscale.TagOwner] + " " + i.Tags[autoscale.TagEpoch]
	}
	until(t, "a member", func() bool { is := r.list(); return len(is) == 1 && strings.HasPrefix(is[0].ID, "i-") })
	if got := claims(); got != " " {
		t.Errorf("nobody has acted, and the claim is %q", got)
	}
	l := launch(2)
	l.Tags = map[string]string{"Name": "web", autoscale.TagOwner: "a", autoscale.TagEpoch: "1", autoscale.TagClaimed: "2026-11-21T10:00:00Z"}
	if _, _, err := r.cloud.Launch(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if got := claims(); got != "a 1" {
		t.Errorf("the claim is %q, want that of the launch", got)
	}
	if _, err := r.cloud.Tag(t.Context(), "web", nil, map[string]string{autoscale.TagOwner: "b", autoscale.TagEpoch: "2"}); err != nil {
		t.Fatal(err)
	}
	if got := claims(); got != "b 2" {
		t.Errorf("the claim is %q, want that of who took over", got)
	}
}
