package ec2sim

import (
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// awsCommand returns a function that runs the aws command (Debian's awscli, a
// client that is none of ours) against an emulator. It takes a second or more
// for each call.
func awsCommand(t *testing.T, s *Sim) func(args ...string) string {
	t.Helper()
	bin, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("SKIPPED, NOT PASSED: the aws command is not installed (apt-get install awscli)")
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	home := t.TempDir()
	return func(args ...string) string {
		t.Helper()
		cmd := exec.Command(bin, append([]string{"--endpoint-url", srv.URL, "--region", "us-east-1", "--output", "text"}, args...)...)
		cmd.Env = []string{
			"PATH=/usr/bin:/bin", "HOME=" + home, "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			out = append(out, []byte("\n"+err.Error())...)
		}
		return strings.TrimSpace(string(out))
	}
}

func TestAWSCommandLine(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	aws := awsCommand(t, s)
	run := func(count string) string {
		return aws("ec2", "run-instances", "--image-id", "ami-1", "--instance-type", "t3.micro", "--count", count, "--client-token", "tok",
			"--user-data", "#!/bin/sh", "--tag-specifications", "ResourceType=instance,Tags=[{Key=rondo:group,Value=web}]", "--query", "Instances[].InstanceId")
	}
	first := run("2")
	if ids := strings.Fields(first); len(ids) != 2 || !strings.HasPrefix(ids[0], "i-") {
		t.Fatalf("run-instances: %s", first)
	}
	if again := run("2"); again != first {
		t.Errorf("the same token: %s, want %s", again, first)
	}
	if other := run("3"); !strings.Contains(other, "(IdempotentParameterMismatch)") {
		t.Errorf("the same token, other parameters: %s", other)
	}
	ids := strings.Fields(first)
	if got := aws("ec2", "describe-instances", "--filters", "Name=tag:rondo:group,Values=web", "--query", "Reservations[].Instances[].[InstanceId,State.Name,Placement.AvailabilityZone,Tags[0].Value]"); got !=
		ids[0]+"\tpending\tus-east-1a\tweb\n"+ids[1]+"\tpending\tus-east-1b\tweb" {
		t.Errorf("describe-instances:\n%s", got)
	}
	if got := aws("ec2", "terminate-instances", "--instance-ids", ids[0], "--query", "TerminatingInstances[].[InstanceId,PreviousState.Name,CurrentState.Name]"); got != ids[0]+"\tpending\tshutting-down" {
		t.Errorf("terminate-instances: %s", got)
	}
	if is := s.Instances(); is[0].State != ShuttingDown || is[1].State != Pending || is[1].UserData != "#!/bin/sh" {
		t.Errorf("instances: %+v", is)
	}
}

func TestAWSCommandLineAutoScaling(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	aws := awsCommand(t, s)
	f := func(want string, args ...string) {
		t.Helper()
		if got := aws(args...); got != want {
			t.Errorf("%v:\n%s\nwant\n%s", args, got, want)
		}
	}
	f("web\t1", "ec2", "create-launch-template", "--launch-template-name", "web", "--launch-template-data", `{"ImageId":"ami-1","InstanceType":"t3.micro"}`, "--query", "LaunchTemplate.[LaunchTemplateName,LatestVersionNumber]")
	f("", "autoscaling", "create-auto-scaling-group", "--auto-scaling-group-name", "web", "--min-size", "1", "--max-size", "4",
		"--launch-template", "LaunchTemplateName=web", "--availability-zones", "us-east-1a", "us-east-1b", "--tags", "Key=rondo:group,Value=web,PropagateAtLaunch=true")
	f("", "autoscaling", "set-desired-capacity", "--auto-scaling-group-name", "web", "--desired-capacity", "3")
	f("web\t1\t4\t3\tPending Pending Pending", "autoscaling", "describe-auto-scaling-groups", "--query", "AutoScalingGroups[].[AutoScalingGroupName,MinSize,MaxSize,DesiredCapacity,join(' ',Instances[].LifecycleState)]")
	id := s.Instances()[0].ID
	f("Terminating EC2 instance: "+id+"\tInProgress", "autoscaling", "terminate-instance-in-auto-scaling-group", "--instance-id", id, "--should-decrement-desired-capacity", "--query", "Activity.[Description,StatusCode]")
	if got := aws("autoscaling", "set-desired-capacity", "--auto-scaling-group-name", "web", "--desired-capacity", "9"); !strings.Contains(got, "(ValidationError)") {
		t.Errorf("too much: %s", got)
	}
	f(userARN, "sts", "get-caller-identity", "--query", "Arn")
}

func TestAWSCommandLineFleet(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	aws := awsCommand(t, s)
	inject(t, s, Fault{Effect: EffectNoRoom, Type: "c5.large", Count: -1})
	if status, body := call(s, "CreateLaunchTemplate", "LaunchTemplateName", "web", "LaunchTemplateData.ImageId", "ami-1"); status != 200 {
		t.Fatal(body)
	}
	got := aws("ec2", "create-fleet", "--type", "instant", "--target-capacity-specification", "TotalTargetCapacity=2,DefaultTargetCapacityType=spot",
		"--launch-template-configs", `[{"LaunchTemplateSpecification":{"LaunchTemplateName":"web","Version":"$Latest"},"Overrides":[{"InstanceType":"c5.large"},{"InstanceType":"m5.large"}]}]`,
		"--query", "[Errors[0].[ErrorCode,LaunchTemplateAndOverrides.Overrides.InstanceType],Instances[0].[InstanceType,length(InstanceIds)]]")
	if want := "InsufficientInstanceCapacity\tc5.large\nm5.large\t2"; got != want {
		t.Errorf("create-fleet:\n%s\nwant\n%s", got, want)
	}
	if got := aws("ec2", "run-instances", "--image-id", "ami-1", "--dry-run"); !strings.Contains(got, "(DryRunOperation)") {
		t.Errorf("dry run: %s", got)
	}
}

func TestAWSCommandLineServices(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	aws := awsCommand(t, s)
	is, _ := s.Launch(1, nil)
	s.advance(is[0].Launched.Add(time.Minute), func(Instance) {})
	arn := aws("elbv2", "create-target-group", "--name", "web", "--protocol", "HTTP", "--port", "80", "--vpc-id", vpc, "--query", "TargetGroups[0].TargetGroupArn")
	if got := aws("elbv2", "register-targets", "--target-group-arn", arn, "--targets", "Id="+is[0].ID); got != "" {
		t.Errorf("register-targets: %s", got)
	}
	if got := aws("elbv2", "describe-target-health", "--target-group-arn", arn, "--query", "TargetHealthDescriptions[].[Target.Id,Target.Port,TargetHealth.State]"); got != is[0].ID+"\t80\tinitial" {
		t.Errorf("describe-target-health: %s", got)
	}
	if got := aws("ssm", "send-command", "--document-name", "AWS-RunShellScript", "--instance-ids", is[0].ID, "--parameters", "commands=uptime", "--query", "Command.Status"); got != "Pending" {
		t.Errorf("send-command: %s", got)
	}
	if got := s.Commands(); len(got) != 1 || got[0].Parameters["commands"][0] != "uptime" {
		t.Errorf("commands: %+v", got)
	}
	if got := aws("ssm", "get-parameter", "--name", amiAlias+"arm64", "--query", "Parameter.Value"); got != "ami-00000000000000003" {
		t.Errorf("get-parameter: %s", got)
	}
}
