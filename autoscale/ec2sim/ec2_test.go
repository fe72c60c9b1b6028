package ec2sim

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// wants returns a function that makes a call and looks for texts in its
// answer; one that begins with ! must not be there.
func wants(t *testing.T, s *Sim, version string) func(action, pairs string, texts ...string) string {
	t.Helper()
	return func(action, pairs string, texts ...string) string {
		t.Helper()
		var list []string
		for _, f := range strings.Fields(pairs) {
			name, value, _ := strings.Cut(f, "=")
			list = append(list, name, value)
		}
		status, body := ask(s, version, action, list...)
		for _, text := range texts {
			if absent, not := strings.CutPrefix(text, "!"); not == strings.Contains(body, absent) {
				t.Errorf("%s %s: %d\n%s\nwant %s", action, pairs, status, body, text)
			}
		}
		return body
	}
}

func inject(t *testing.T, s *Sim, faults ...Fault) {
	t.Helper()
	for _, f := range faults {
		if err := s.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	f := wants(t, s, version)
	inject(t, s, Fault{Action: "TerminateInstances", Effect: EffectDeny, Count: -1})
	inject(t, s, Fault{Effect: EffectResetAfter, Count: 1}) // not for dry runs
	for action := range ec2Actions() {
		want := "<Code>DryRunOperation</Code>"
		if action == "TerminateInstances" {
			want = "<Code>UnauthorizedOperation</Code>"
		}
		f(action, "DryRun=true", want)
	}
	if status, _ := call(s, "RunInstances", "DryRun", "true"); status != 412 || len(s.Instances()) != 0 {
		t.Errorf("status %d, %d instances; want 412 and none", status, len(s.Instances()))
	}
	f("TerminateInstances", "InstanceId.1=i-0", "<Code>UnauthorizedOperation</Code>", "ec2:TerminateInstances")
	if left := s.Faults(); len(left) != 2 {
		t.Errorf("%v is left, want both", left)
	}
}

func TestCapacityByPool(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	f := wants(t, s, version)
	inject(t, s,
		Fault{Effect: EffectNoRoom, Type: "c5.large", Zone: "us-east-1a", Market: "on-demand", Room: 1, Count: -1},
		Fault{Effect: EffectNoRoom, Type: "c5.large", Zone: "us-east-1b", Count: -1},
		Fault{Effect: EffectNoRoom, Type: "t3.micro", Code: "InsufficientFreeAddressesInSubnet", Count: 1})
	const one = "ImageId=ami-1 MinCount=1 MaxCount=1 "
	f("RunInstances", one+"InstanceType=c5.large Placement.AvailabilityZone=us-east-1a", "<availabilityZone>us-east-1a")
	f("RunInstances", one+"InstanceType=c5.large Placement.AvailabilityZone=us-east-1a", "<Code>InsufficientInstanceCapacity</Code>",
		"We currently do not have sufficient c5.large capacity in the Availability Zone you requested (us-east-1a).", "choosing us-east-1b, us-east-1c.")
	f("RunInstances", one+"InstanceType=c5.large Placement.AvailabilityZone=us-east-1a InstanceMarketOptions.MarketType=spot", "<instanceLifecycle>spot<")
	f("RunInstances", one+"InstanceType=c5.large", "<availabilityZone>us-east-1c") // the only one with room
	f("RunInstances", one+"InstanceType=c5.large SubnetId=subnet-00000000000000002", "<Code>InsufficientInstanceCapacity</Code>")
	f("RunInstances", one+"InstanceType=t3.micro", "<Code>InsufficientFreeAddressesInSubnet</Code>")
	f("RunInstances", one+"InstanceType=t3.micro", "<instanceId>")
	f("RunInstances", one+"InstanceType=c7g.large Placement.AvailabilityZone=us-east-1c", "<Code>Unsupported</Code>", "choosing us-east-1a, us-east-1b.")

	// What is given back can be had again.
	s.Terminate("Client.UserInitiatedShutdown", s.Instances()[0].ID)
	s.advance(time.Now().Add(time.Minute), func(Instance) {})
	f("RunInstances", one+"InstanceType=c5.large Placement.AvailabilityZone=us-east-1a", "<instanceId>")
}

func TestFleet(t *testing.T) {
	t.Parallel()
	s := New(Options{Max: 200})
	f := wants(t, s, version)
	f("CreateLaunchTemplate", "LaunchTemplateName=web LaunchTemplateData.ImageId=ami-1 LaunchTemplateData.InstanceType=t3.micro", "<launchTemplateId>lt-")
	inject(t, s, Fault{Effect: EffectNoRoom, Type: "c5.large", Zone: "us-east-1a", Count: -1}, Fault{Effect: EffectNoRoom, Type: "c6i.large", Zone: "us-east-1a", Room: 1, Count: -1})
	const config = "Type=instant LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateName=web LaunchTemplateConfigs.1.LaunchTemplateSpecification.Version=$Latest " +
		"LaunchTemplateConfigs.1.Overrides.1.InstanceType=m5.large LaunchTemplateConfigs.1.Overrides.1.AvailabilityZone=us-east-1b LaunchTemplateConfigs.1.Overrides.1.Priority=3.0 " +
		"LaunchTemplateConfigs.1.Overrides.2.InstanceType=c6i.large LaunchTemplateConfigs.1.Overrides.2.AvailabilityZone=us-east-1a LaunchTemplateConfigs.1.Overrides.2.Priority=2.0 " +
		"LaunchTemplateConfigs.1.Overrides.3.InstanceType=c5.large LaunchTemplateConfigs.1.Overrides.3.AvailabilityZone=us-east-1a LaunchTemplateConfigs.1.Overrides.3.Priority=1.0 "
	const spot = config + "TargetCapacitySpecification.TotalTargetCapacity=3 TargetCapacitySpecification.DefaultTargetCapacityType=spot SpotOptions.AllocationStrategy=capacity-optimized-prioritized " +
		"TagSpecification.1.ResourceType=instance TagSpecification.1.Tag.1.Key=a TagSpecification.1.Tag.1.Value=b ClientToken="
	body := f("CreateFleet", spot+"one", "<errorCode>InsufficientInstanceCapacity</errorCode><errorMessage>There is no Spot capacity", "<instanceType>c6i.large</instanceType>", "<instanceType>m5.large</instanceType>", "<lifecycle>spot</lifecycle>", "<version>$Latest</version>")
	is := s.Instances()
	if len(is) != 3 || is[0].Type != "c6i.large" || is[1].Type != "m5.large" || is[2].Zone != "us-east-1b" || is[0].Market != Spot || is[0].Tags["a"] != "b" {
		t.Errorf("%d launched: %+v", len(is), is)
	}
	again := f("CreateFleet", spot+"one")
	if got, want := inside(again, "fleetId"), inside(body, "fleetId"); len(s.Instances()) != 3 || got[0] != want[0] {
		t.Errorf("the same token: %v, want %v", got, want)
	}
	f("CreateFleet", strings.Replace(spot, "Capacity=3", "Capacity=4", 1)+"one", "<Code>IdempotentParameterMismatch</Code>")
	f("CreateFleet", config+"TargetCapacitySpecification.TotalTargetCapacity=2 OnDemandOptions.MinTargetCapacity=500", "<errorCode>UnfulfillableCapacity</errorCode>", "!<instanceId>")
	f("CreateFleet", "Type=maintain", "<Code>UnsupportedOperation</Code>")
	f("CreateFleet", "Type=instant TargetCapacitySpecification.TotalTargetCapacity=1", "<Code>MissingParameter</Code>")
	if n := len(s.Instances()); n != 3 {
		t.Errorf("%d instances, want 3", n)
	}
}

func TestLaunchTemplates(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	f := wants(t, s, version)
	f("CreateLaunchTemplate", "LaunchTemplateName=web LaunchTemplateData.ImageId=ami-1 LaunchTemplateData.InstanceType=c5.large LaunchTemplateData.UserData=aGk= "+
		"LaunchTemplateData.TagSpecification.1.ResourceType=instance LaunchTemplateData.TagSpecification.1.Tag.1.Key=a LaunchTemplateData.TagSpecification.1.Tag.1.Value=b "+
		"TagSpecification.1.ResourceType=launch-template TagSpecification.1.Tag.1.Key=role TagSpecification.1.Tag.1.Value=web",
		"<latestVersionNumber>1</latestVersionNumber>")
	f("CreateLaunchTemplate", "LaunchTemplateName=web", "AlreadyExistsException")
	f("CreateLaunchTemplateVersion", "LaunchTemplateName=web SourceVersion=1 LaunchTemplateData.ImageId=ami-2", "<versionNumber>2</versionNumber>", "<imageId>ami-2", "<instanceType>c5.large")
	f("DescribeLaunchTemplates", "LaunchTemplateName.1=web", "<defaultVersionNumber>1</defaultVersionNumber><latestVersionNumber>2<")
	f("DescribeLaunchTemplates", "Filter.1.Name=tag:role Filter.1.Value.1=web", "<launchTemplateName>web<")
	f("DescribeLaunchTemplates", "Filter.1.Name=tag:role Filter.1.Value.1=db", "!<launchTemplateName>")
	f("DescribeLaunchTemplates", "LaunchTemplateName.1=none", "InvalidLaunchTemplateName.NotFoundException")
	f("DescribeLaunchTemplateVersions", "LaunchTemplateName=web LaunchTemplateVersion.1=$Default", "<imageId>ami-1", "!ami-2", "<userData>aGk=</userData>")
	const run = "MinCount=1 MaxCount=1 LaunchTemplate.LaunchTemplateName=web "
	f("RunInstances", run, "<imageId>ami-1", "<instanceType>c5.large", "<key>a</key><value>b</value>")
	f("ModifyLaunchTemplate", "LaunchTemplateName=web SetDefaultVersion=2", "<defaultVersionNumber>2<")
	f("RunInstances", run+"InstanceType=m5.large", "<imageId>ami-2", "<instanceType>m5.large")
	f("RunInstances", run+"LaunchTemplate.Version=7", "<Code>InvalidLaunchTemplateId.VersionNotFound</Code>")
	f("RunInstances", "MinCount=1 MaxCount=1 LaunchTemplate.LaunchTemplateId=lt-0", "<Code>InvalidLaunchTemplateId.NotFound</Code>")
}

func TestWhatThereIs(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	if err := s.AddImage(Image{Name: "web/2026-03", Created: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Tags: map[string]string{"role": "web"}}); err != nil {
		t.Fatal(err)
	}
	f := wants(t, s, version)
	f("DescribeImages", "Owner.1=self Filter.1.Name=name Filter.1.Value.1=web*", "<name>web/2026-03</name>", "<creationDate>2026-03-01T00:00:00.000Z<", "!al2023")
	f("DescribeImages", "Owner.1=amazon Filter.1.Name=architecture Filter.1.Value.1=arm64", "<name>al2023-ami-2023.9.20260202.0-kernel-6.12-arm64<", "<imageOwnerAlias>amazon<", "!x86_64")
	f("DescribeImages", "Filter.1.Name=tag:role Filter.1.Value.1=web", "web/2026-03", "!al2023")
	f("DescribeImages", "Filter.1.Name=colour Filter.1.Value.1=red", "<Code>InvalidParameterValue</Code>")
	f("DescribeSubnets", "Filter.1.Name=availability-zone Filter.1.Value.1=us-east-1b", "<subnetId>subnet-00000000000000002<", "!us-east-1a")
	f("DescribeSubnets", "SubnetId.1=subnet-9a1", "<availabilityZone>us-east-1a<")
	f("DescribeSecurityGroups", "GroupId.1=sg-7", "<groupId>sg-7<")
	f("DescribeInstanceTypes", "InstanceType.1=c5.large", "<defaultVCpus>2<", "<sizeInMiB>4096<")
	f("DescribeInstanceTypes", "InstanceType.1=x9.huge", "<Code>InvalidInstanceType</Code>")
	f("DescribeInstanceTypeOfferings", "LocationType=availability-zone Filter.1.Name=instance-type Filter.1.Value.1=c7g.large", "us-east-1a", "us-east-1b", "!us-east-1c")
	f("DescribeSpotPriceHistory", "InstanceType.1=c5.large", "<spotPrice>0.028050<", "us-east-1c")
}

func TestPowerAndAttributes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		boots := make(chan string, 9)
		s := New(Options{BootTime: 10 * time.Second, StopTime: 5 * time.Second, CheckTime: time.Minute, Boot: func(ctx context.Context, i Instance) {
			boots <- i.ID
			<-ctx.Done()
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		is, _ := s.Launch(1, nil)
		f := wants(t, s, version)
		one := "InstanceId=" + is[0].ID
		list := "InstanceId.1=" + is[0].ID
		f("StartInstances", "", "<Code>MissingParameter</Code>")
		f("GetConsoleOutput", one, "<output></output>")
		time.Sleep(11 * time.Second)
		f("DescribeInstanceStatus", list, "<instanceStatus><status>initializing<")
		time.Sleep(time.Minute)
		f("DescribeInstanceStatus", list, "<instanceStatus><status>ok<", "<name>reachability</name><status>passed<")
		f("GetConsoleOutput", one, "!<output></output>")
		f("StopInstances", list, "<name>stopping</name>", "<name>running</name>")
		time.Sleep(6 * time.Second)
		f("DescribeInstances", list, "<name>stopped</name>")
		f("ModifyInstanceAttribute", one+" InstanceType.Value=c5.large", "<return>true<")
		f("StartInstances", list, "<name>pending</name>")
		time.Sleep(11 * time.Second)
		f("DescribeInstances", list, "<name>running</name>", "<instanceType>c5.large<")
		f("ModifyInstanceAttribute", one+" InstanceType.Value=c5.xlarge", "<Code>IncorrectInstanceState</Code>")
		f("ModifyInstanceAttribute", one+" DisableApiTermination.Value=true", "<return>true<")
		f("DescribeInstanceAttribute", one+" Attribute=disableApiTermination", "<disableApiTermination><value>true<")
		f("TerminateInstances", list, "<Code>OperationNotPermitted</Code>")
		f("ModifyInstanceAttribute", one+" DisableApiTermination.Value=false", "<return>true<")
		f("TerminateInstances", list, "<name>shutting-down<")
		f("StartInstances", list, "<Code>IncorrectInstanceState</Code>")
		cancel()
		if err := <-done; err != nil || len(boots) != 2 {
			t.Errorf("Run = %v, %d boots; want 2", err, len(boots))
		}
	})
}

func TestDeleteTags(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	is, _ := s.Launch(1, map[string]string{"a": "1", "b": "2"})
	wants(t, s, version)("DeleteTags", "ResourceId.1="+is[0].ID+" Tag.1.Key=a Tag.2.Key=b Tag.2.Value=other", "<return>true<")
	if tags := s.Instances()[0].Tags; len(tags) != 1 || tags["b"] != "2" {
		t.Errorf("tags %v, want b only", tags)
	}
}
