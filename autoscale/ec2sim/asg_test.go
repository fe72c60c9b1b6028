package ec2sim

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// A groupTest drives one group named web over Auto Scaling's protocol.
type groupTest struct {
	*testing.T
	s *Sim
}

// inGroup runs a test in a bubble with a running emulator and a group of min,
// max and desired instances over three zones.
func inGroup(t *testing.T, o Options, spec GroupSpec, test func(g groupTest)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := New(o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		spec.Name, spec.Image, spec.Types = "web", "ami-1", append(spec.Types, "t3.micro")
		if err := s.CreateGroup(spec); err != nil {
			t.Fatal(err)
		}
		test(groupTest{t, s})
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// do calls an action of the group, which is to succeed.
func (g groupTest) do(action string, pairs ...string) string {
	g.Helper()
	status, body := ask(g.s, "2011-01-01", action, append([]string{"AutoScalingGroupName", "web"}, pairs...)...)
	if status != 200 {
		g.Fatalf("%s %v: %d\n%s", action, pairs, status, body)
	}
	return body
}

// refused calls an action that is to fail with that text.
func (g groupTest) refused(want, action string, pairs ...string) {
	g.Helper()
	status, body := ask(g.s, "2011-01-01", action, append([]string{"AutoScalingGroupName", "web"}, pairs...)...)
	if status == 200 || !strings.Contains(body, want) {
		g.Errorf("%s %v: %d\n%s\nwant %s", action, pairs, status, body, want)
	}
}

// is checks the states of the group's instances, as in "Pending=1 InService=2".
func (g groupTest) is(want string) {
	g.Helper()
	synctest.Wait()
	count := make(map[string]int)
	for _, state := range inside(g.do("DescribeAutoScalingGroups"), "LifecycleState") {
		count[state]++
	}
	var got []string
	for _, f := range strings.Fields(want) {
		state, _, _ := strings.Cut(f, "=")
		got = append(got, state+"="+strconv.Itoa(count[state]))
		delete(count, state)
	}
	if strings.Join(got, " ") != want || len(count) > 0 {
		g.Errorf("%v and %v; want %s", got, count, want)
	}
}

func (g groupTest) ids() []string {
	return inside(g.do("DescribeAutoScalingGroups"), "InstanceId")
}

func (g groupTest) desired(n int) { g.do("SetDesiredCapacity", "DesiredCapacity", strconv.Itoa(n)) }

func TestGroupFollowsItsDesiredCapacity(t *testing.T) {
	t.Parallel()
	inGroup(t, Options{BootTime: 30 * time.Second}, GroupSpec{Min: 1, Max: 7, Desired: 3, Tags: map[string]string{"rondo:group": "web"}}, func(g groupTest) {
		g.is("Pending=3")
		time.Sleep(31 * time.Second)
		g.is("InService=3")
		g.desired(7)
		g.is("Pending=4 InService=3")
		zones := inside(g.do("DescribeAutoScalingInstances"), "AvailabilityZone")
		slices.Sort(zones)
		if got := strings.Join(zones, " "); got != "us-east-1a us-east-1a us-east-1a us-east-1b us-east-1b us-east-1c us-east-1c" {
			g.Errorf("zones %s", got)
		}
		oldest := g.ids()[0]
		g.desired(2)
		time.Sleep(time.Minute)
		g.is("InService=2")
		if slices.Contains(g.ids(), oldest) {
			g.Errorf("the oldest, in the fullest zone, is still there")
		}
		first := g.s.Instances()[0]
		if first.Tags["rondo:group"] != "web" || first.Tags["aws:autoscaling:groupName"] != "web" || first.Image != "ami-1" {
			g.Errorf("%+v", first)
		}
		body := g.do("DescribeScalingActivities")
		for _, want := range []string{
			"<Description>Launching a new EC2 instance: i-", "<Description>Terminating EC2 instance: i-", "a user request explicitly set group desired capacity changing the desired capacity from 3 to 7.",
			"increasing the capacity from 3 to 7.", "shrinking the capacity from 7 to 2.", "<StatusCode>Successful</StatusCode>",
		} {
			if !strings.Contains(body, want) {
				g.Errorf("activities lack %s:\n%s", want, body)
			}
		}
	})
}

func TestGroupActsAfterADelay(t *testing.T) {
	t.Parallel()
	inGroup(t, Options{GroupDelay: 20 * time.Second}, GroupSpec{Max: 5}, func(g groupTest) {
		g.desired(2)
		g.is("")
		time.Sleep(19 * time.Second)
		g.is("")
		time.Sleep(2 * time.Second)
		g.is("Pending=2")
	})
}

func TestGroupRefusals(t *testing.T) {
	t.Parallel()
	inGroup(t, Options{BootTime: time.Second}, GroupSpec{Min: 1, Max: 3}, func(g groupTest) {
		time.Sleep(2 * time.Second)
		id := g.ids()[0]
		g.refused("New SetDesiredCapacity value 4 is above max value 3 for the AutoScalingGroup.", "SetDesiredCapacity", "DesiredCapacity", "4")
		g.refused("New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup.", "SetDesiredCapacity", "DesiredCapacity", "0")
		g.refused("<Code>ScalingActivityInProgress</Code>", "SetDesiredCapacity", "DesiredCapacity", "2", "HonorCooldown", "true")
		g.refused("violate group&#39;s min size constraint", "TerminateInstanceInAutoScalingGroup", "InstanceId", id, "ShouldDecrementDesiredCapacity", "true")
		g.refused("No managed instance found for instance ID: i-0", "TerminateInstanceInAutoScalingGroup", "InstanceId", "i-0", "ShouldDecrementDesiredCapacity", "false")
		g.refused("AutoScalingGroup name not found", "SetDesiredCapacity", "AutoScalingGroupName", "db", "DesiredCapacity", "1")
		g.refused("<Code>AlreadyExists</Code>", "CreateAutoScalingGroup", "MinSize", "1", "MaxSize", "1")
		g.refused("<Code>ResourceInUse</Code>", "DeleteAutoScalingGroup")
		g.refused("<Code>ValidationError</Code>", "UpdateAutoScalingGroup", "MinSize", "4")
		g.refused("does not exist", "CreateAutoScalingGroup", "AutoScalingGroupName", "x", "MinSize", "1", "MaxSize", "1", "LaunchTemplate.LaunchTemplateName", "none")
		g.refused("<Type>Sender</Type><Code>InvalidNextToken</Code>", "DescribeAutoScalingGroups", "NextToken", "x")
		g.refused("No active Lifecycle Action found", "CompleteLifecycleAction", "LifecycleHookName", "h", "InstanceId", id, "LifecycleActionResult", "CONTINUE")
		g.is("InService=1")
	})
}

func TestGroupProtection(t *testing.T) {
	t.Parallel()
	inGroup(t, Options{BootTime: time.Second, StopTime: time.Second}, GroupSpec{Max: 5, Desired: 3}, func(g groupTest) {
		time.Sleep(2 * time.Second)
		ids := g.ids()
		g.do("SetInstanceProtection", "InstanceIds.member.1", ids[0], "InstanceIds.member.2", ids[1], "ProtectedFromScaleIn", "true")
		g.desired(0)
		time.Sleep(5 * time.Second)
		g.is("InService=2")
		if got := g.ids(); !slices.Equal(got, ids[:2]) {
			g.Errorf("left %v, want the protected %v", got, ids[:2])
		}
		if body := g.do("DescribeScalingActivities"); strings.Count(body, "<Description>"+protectedWords) != 1 {
			g.Errorf("activities:\n%s", body)
		}
		g.do("TerminateInstanceInAutoScalingGroup", "InstanceId", ids[0], "ShouldDecrementDesiredCapacity", "false")
		g.do("SetInstanceProtection", "InstanceIds.member.1", ids[1], "ProtectedFromScaleIn", "false")
		time.Sleep(5 * time.Second)
		g.is("")
	})
}

func TestGroupReplacesTheUnhealthy(t *testing.T) {
	t.Parallel()
	inGroup(t, Options{BootTime: 10 * time.Second, StopTime: time.Second}, GroupSpec{Min: 2, Max: 4}, func(g groupTest) {
		g.s.Terminate("Server.InternalError: internal error on launch", g.ids()[0])
		time.Sleep(15 * time.Second)
		g.is("InService=2")
		if body := g.do("DescribeScalingActivities"); !strings.Contains(body, "Termination Reason: Server.InternalError: internal error on launch") {
			g.Errorf("activities:\n%s", body)
		}
		g.s.Terminate("Server.SpotInstanceTermination: Spot instance termination", g.ids()[0])
		g.do("SetInstanceHealth", "InstanceId", g.ids()[1], "HealthStatus", "Unhealthy")
		time.Sleep(30 * time.Second)
		g.is("InService=2")
		body := g.do("DescribeScalingActivities")
		for _, want := range []string{"EC2 health check indicating it has been terminated or stopped", "in response to a user health-check"} {
			if !strings.Contains(body, want) {
				g.Errorf("activities lack %s:\n%s", want, body)
			}
		}
		g.do("SuspendProcesses", "ScalingProcesses.member.1", "Launch")
		g.do("TerminateInstanceInAutoScalingGroup", "InstanceId", g.ids()[0], "ShouldDecrementDesiredCapacity", "false")
		time.Sleep(time.Hour)
		g.is("InService=1")
		g.do("ResumeProcesses")
		g.is("Pending=1 InService=1")
	})
}

func TestGroupFailsToLaunch(t *testing.T) {
	t.Parallel()
	inGroup(t, Options{}, GroupSpec{Max: 4}, func(g groupTest) {
		f := Fault{Action: "RunInstances", Effect: EffectError, Code: "InsufficientInstanceCapacity", Count: 4}
		if err := g.s.Inject(f); err != nil {
			g.Fatal(err)
		}
		g.desired(1)
		g.is("")
		body := g.do("DescribeScalingActivities")
		if n := strings.Count(body, "<StatusCode>Failed</StatusCode>"); n != 3 || !strings.Contains(body, "Launching EC2 instance failed.") {
			g.Errorf("%d failed, want one for each zone:\n%s", n, body)
		}
		time.Sleep(groupRetry + time.Second)
		g.is("Pending=1") // the second zone has room
	})
}

func TestGroupHooks(t *testing.T) {
	t.Parallel()
	inGroup(t, Options{BootTime: time.Second, StopTime: time.Second}, GroupSpec{Max: 4}, func(g groupTest) {
		g.do("PutLifecycleHook", "LifecycleHookName", "up", "LifecycleTransition", hookLaunching, "HeartbeatTimeout", "60", "DefaultResult", "CONTINUE")
		g.do("PutLifecycleHook", "LifecycleHookName", "down", "LifecycleTransition", hookTerminating, "HeartbeatTimeout", "300")
		if body := g.do("DescribeLifecycleHooks"); !strings.Contains(body, "<HeartbeatTimeout>60</HeartbeatTimeout><GlobalTimeout>6000</GlobalTimeout>") {
			g.Errorf("hooks:\n%s", body)
		}
		g.desired(2)
		time.Sleep(2 * time.Second)
		g.is("Pending:Wait=2")
		ids := g.ids()
		g.do("CompleteLifecycleAction", "LifecycleHookName", "up", "InstanceId", ids[0], "LifecycleActionResult", "CONTINUE")
		g.is("Pending:Wait=1 InService=1")
		time.Sleep(50 * time.Second)
		g.do("RecordLifecycleActionHeartbeat", "LifecycleHookName", "up", "InstanceId", ids[1])
		time.Sleep(50 * time.Second)
		g.is("Pending:Wait=1 InService=1")
		time.Sleep(11 * time.Second)
		g.is("InService=2")

		g.desired(0)
		g.is("Terminating:Wait=2")
		if got := g.s.Instances()[0].State; got != Running {
			g.Errorf("while it waits an instance is %s", got)
		}
		g.do("CompleteLifecycleAction", "LifecycleHookName", "down", "InstanceId", ids[0], "LifecycleActionResult", "ABANDON")
		g.is("Terminating:Wait=1 Terminating:Proceed=1")
		time.Sleep(2 * time.Second)
		g.is("Terminating:Wait=1")
		time.Sleep(300 * time.Second)
		g.is("")

		g.desired(1)
		time.Sleep(2 * time.Second)
		first := g.ids()[0]
		g.do("CompleteLifecycleAction", "LifecycleHookName", "up", "InstanceId", first, "LifecycleActionResult", "ABANDON")
		time.Sleep(310 * time.Second)
		if g.is("InService=1"); g.ids()[0] == first {
			g.Error("a launch that was abandoned is in service")
		}
	})
}

func TestGroupStandbyAndAttachment(t *testing.T) {
	t.Parallel()
	inGroup(t, Options{BootTime: time.Second, StopTime: time.Second}, GroupSpec{Max: 4, Desired: 2}, func(g groupTest) {
		time.Sleep(2 * time.Second)
		ids := g.ids()
		g.do("EnterStandby", "InstanceIds.member.1", ids[0], "ShouldDecrementDesiredCapacity", "true")
		g.is("Standby=1 InService=1")
		g.do("ExitStandby", "InstanceIds.member.1", ids[0])
		g.is("InService=2")
		g.do("DetachInstances", "InstanceIds.member.1", ids[0], "ShouldDecrementDesiredCapacity", "true")
		g.is("InService=1")
		if i := g.s.Instances()[0]; i.State != Running || i.Group != "" {
			g.Errorf("detached: %+v", i)
		}
		g.do("AttachInstances", "InstanceIds.member.1", ids[0])
		g.is("InService=2")
		g.do("DetachInstances", "InstanceIds.member.1", ids[0], "ShouldDecrementDesiredCapacity", "false")
		g.is("Pending=1 InService=1")
		g.do("DeleteAutoScalingGroup", "ForceDelete", "true")
		time.Sleep(5 * time.Second)
		if body := g.do("DescribeAutoScalingGroups"); strings.Contains(body, "<member>") {
			g.Errorf("deleted:\n%s", body)
		}
	})
}

// AZRebalance ends instances that nobody chose: after two of a zone went.
func TestGroupRebalances(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		inGroup(t, Options{BootTime: time.Second, StopTime: time.Second, Rebalance: on}, GroupSpec{Max: 6, Desired: 6}, func(g groupTest) {
			time.Sleep(2 * time.Second)
			for _, i := range g.s.Instances() {
				if i.Zone == "us-east-1a" {
					g.do("TerminateInstanceInAutoScalingGroup", "InstanceId", i.ID, "ShouldDecrementDesiredCapacity", "true")
				}
			}
			time.Sleep(time.Minute)
			g.is("InService=4")
			zones := make(map[string]int)
			for _, z := range inside(g.do("DescribeAutoScalingInstances"), "AvailabilityZone") {
				zones[z]++
			}
			if got := zones["us-east-1a"]; (got == 1) != on {
				g.Errorf("rebalancing %v: %v", on, zones)
			}
		})
	}
}

func TestGroupTagsAndPolicies(t *testing.T) {
	t.Parallel()
	inGroup(t, Options{}, GroupSpec{Max: 4}, func(g groupTest) {
		tag := []string{"Tags.member.1.ResourceId", "web", "Tags.member.1.ResourceType", "auto-scaling-group", "Tags.member.1.Key", "rondo:owner", "Tags.member.1.Value", "a"}
		g.do("CreateOrUpdateTags", tag...)
		if body := g.do("DescribeAutoScalingGroups", "Filters.member.1.Name", "tag:rondo:owner", "Filters.member.1.Values.member.1", "a"); !strings.Contains(body, "<Key>rondo:owner</Key><Value>a</Value>") {
			g.Errorf("by tag:\n%s", body)
		}
		g.do("DeleteTags", tag...)
		if body := g.do("DescribeTags"); strings.Contains(body, "owner") {
			g.Errorf("tags:\n%s", body)
		}
		g.do("PutScalingPolicy", "PolicyName", "cpu", "PolicyType", "TargetTrackingScaling")
		if body := g.do("DescribePolicies"); !strings.Contains(body, "<PolicyName>cpu</PolicyName>") {
			g.Errorf("policies:\n%s", body)
		}
		g.do("DeletePolicy", "PolicyName", "cpu")
	})
}

// TestGroupNeverStrays holds a group to its bounds under random requests and
// deaths: once all is quiet it has what is desired, in balance.
func TestGroupNeverStrays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := New(Options{Max: 100, Rebalance: rapid.Bool().Draw(t, "rebalance")})
		if err := s.CreateGroup(GroupSpec{Name: "web", Min: 1, Max: 9, Image: "ami-1", Types: []string{"t3.micro"}}); err != nil {
			t.Fatal(err)
		}
		desired, now := 1, time.Now()
		for range rapid.IntRange(1, 30).Draw(t, "calls") {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				n := rapid.IntRange(0, 11).Draw(t, "desired")
				if status, _ := ask(s, "2011-01-01", "SetDesiredCapacity", "AutoScalingGroupName", "web", "DesiredCapacity", fmt.Sprint(n)); status == 200 {
					desired = n
				} else if n >= 1 && n <= 9 {
					t.Fatalf("%d is refused", n)
				}
			case 1:
				is := s.Instances()
				s.Terminate("Server.InternalError", is[rapid.IntRange(0, len(is)-1).Draw(t, "dies")].ID)
			case 2:
				ids := inside(second(ask(s, "2011-01-01", "DescribeAutoScalingInstances")), "InstanceId")
				less := rapid.Bool().Draw(t, "less")
				id := rapid.SampledFrom(ids).Draw(t, "id")
				if status, _ := ask(s, "2011-01-01", "TerminateInstanceInAutoScalingGroup", "InstanceId", id, "ShouldDecrementDesiredCapacity", fmt.Sprint(less)); status == 200 && less {
					desired--
				}
			case 3:
				now = now.Add(time.Minute)
				s.advance(now, func(Instance) {})
			}
		}
		for range 12 { // evening out takes a launch and an end for each instance
			now = now.Add(time.Minute)
			s.advance(now, func(Instance) {})
		}
		zones := make(map[string]int)
		for _, z := range inside(second(ask(s, "2011-01-01", "DescribeAutoScalingInstances")), "AvailabilityZone") {
			zones[z]++
		}
		if total := zones["us-east-1a"] + zones["us-east-1b"] + zones["us-east-1c"]; total != desired {
			t.Fatalf("%d instances, desired %d", total, desired)
		}
		counts := []int{zones["us-east-1a"], zones["us-east-1b"], zones["us-east-1c"]}
		if s.opt.Rebalance && slices.Max(counts)-slices.Min(counts) > 1 {
			t.Fatalf("out of balance: %v", zones)
		}
	})
}

func second(_ int, body string) string { return body }
