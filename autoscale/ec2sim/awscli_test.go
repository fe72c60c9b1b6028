package ec2sim

import (
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
)

// TestAWSCommandLine drives the emulator with the aws command (Debian's
// awscli), a client that is none of ours.
func TestAWSCommandLine(t *testing.T) {
	t.Parallel()
	bin, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("SKIPPED, NOT PASSED: the aws command is not installed (apt-get install awscli)")
	}
	s := New(Options{})
	srv := httptest.NewServer(s)
	defer srv.Close()
	aws := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(bin, append([]string{"--endpoint-url", srv.URL, "--region", "us-east-1", "--output", "text", "ec2"}, args...)...)
		cmd.Env = []string{
			"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			out = append(out, []byte("\n"+err.Error())...)
		}
		return strings.TrimSpace(string(out))
	}
	run := func(count string) string {
		return aws("run-instances", "--image-id", "ami-1", "--instance-type", "t3.micro", "--count", count, "--client-token", "tok",
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
	if got := aws("describe-instances", "--filters", "Name=tag:rondo:group,Values=web", "--query", "Reservations[].Instances[].[InstanceId,State.Name,Placement.AvailabilityZone,Tags[0].Value]"); got !=
		ids[0]+"\tpending\tus-east-1a\tweb\n"+ids[1]+"\tpending\tus-east-1b\tweb" {
		t.Errorf("describe-instances:\n%s", got)
	}
	if got := aws("terminate-instances", "--instance-ids", ids[0], "--query", "TerminatingInstances[].[InstanceId,PreviousState.Name,CurrentState.Name]"); got != ids[0]+"\tpending\tshutting-down" {
		t.Errorf("terminate-instances: %s", got)
	}
	if is := s.Instances(); is[0].State != ShuttingDown || is[1].State != Pending || is[1].UserData != "#!/bin/sh" {
		t.Errorf("instances: %+v", is)
	}
}
