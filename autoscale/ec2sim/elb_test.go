package ec2sim

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const elbVersion = "2015-12-01"

func TestTargetGroups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{BootTime: time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		f := wants(t, s, elbVersion)
		arn := inside(f("CreateTargetGroup", "Name=web Protocol=HTTP Port=8080 HealthCheckIntervalSeconds=10", "<Port>8080</Port>"), "TargetGroupArn")[0]
		f("CreateTargetGroup", "Name=web", "<Code>DuplicateTargetGroupName</Code>")
		f("DescribeTargetGroups", "Names.member.1=web", "<TargetGroupArn>"+arn)
		f("DescribeTargetGroups", "Names.member.1=db", "<Code>TargetGroupNotFound</Code>")
		of := "TargetGroupArn=" + arn + " "
		f("ModifyTargetGroupAttributes", of+"Attributes.member.1.Key="+drainDelay+" Attributes.member.1.Value=60", "<Value>60</Value>")
		f("ModifyTargetGroupAttributes", of+"Attributes.member.1.Key=colour Attributes.member.1.Value=red", "<Code>ValidationError</Code>")
		f("DescribeTargetGroupAttributes", of, "<Key>"+drainDelay+"</Key><Value>60</Value>")

		is, _ := s.Launch(1, nil)
		one := of + "Targets.member.1.Id=" + is[0].ID
		f("RegisterTargets", one, "<Code>InvalidTarget</Code>", "not in a running state")
		f("RegisterTargets", of+"Targets.member.1.Id=i-0", "<Code>InvalidTarget</Code>")
		time.Sleep(2 * time.Second)
		f("DescribeTargetHealth", one, "<State>unused</State>", "Target.NotRegistered")
		f("RegisterTargets", one, "RegisterTargetsResult")
		f("DescribeTargetHealth", of, "<State>initial</State>", "<Port>8080</Port>")
		time.Sleep(11 * time.Second)
		f("DescribeTargetHealth", of, "<State>healthy</State>")
		f("DeregisterTargets", one, "DeregisterTargetsResult")
		f("DescribeTargetHealth", of, "<State>draining</State>")
		time.Sleep(61 * time.Second)
		f("DescribeTargetHealth", of, "!<State>")
		f("DeleteTargetGroup", of, "DeleteTargetGroupResult")
		f("DescribeTargetHealth", of, "<Code>TargetGroupNotFound</Code>")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A group's instances are in its target groups while they are in service, and
// drain before they end.
func TestGroupDrains(t *testing.T) {
	t.Parallel()
	inGroup(t, Options{BootTime: time.Second, StopTime: time.Second}, GroupSpec{Max: 3, Desired: 0}, func(g groupTest) {
		f := wants(g.T, g.s, elbVersion)
		arn := inside(f("CreateTargetGroup", "Name=web"), "TargetGroupArn")[0]
		f("ModifyTargetGroupAttributes", "TargetGroupArn="+arn+" Attributes.member.1.Key="+drainDelay+" Attributes.member.1.Value=30")
		g.s.mu.Lock()
		g.s.groups[0].TargetGroups = []string{arn}
		g.s.mu.Unlock()
		g.desired(1)
		time.Sleep(40 * time.Second)
		f("DescribeTargetHealth", "TargetGroupArn="+arn, "<State>healthy</State>")
		g.desired(0)
		f("DescribeTargetHealth", "TargetGroupArn="+arn, "<State>draining</State>")
		g.is("Terminating=1")
		if body := g.do("DescribeScalingActivities"); !strings.Contains(body, "<StatusCode>WaitingForELBConnectionDraining<") {
			g.Errorf("%s", body)
		}
		time.Sleep(29 * time.Second)
		if got := g.s.Instances()[0].State; got != Running {
			g.Errorf("%s after 29 s of 30", got)
		}
		time.Sleep(5 * time.Second)
		g.is("")
	})
}
