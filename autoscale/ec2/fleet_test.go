package ec2_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2sim"
)

// fleetAnswer is an answer of EC2's as its documentation shows it: some
// instances of one pool, and why the others had none.
const fleetAnswer = `<CreateFleetResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
<requestId>req-1</requestId><fleetId>fleet-1</fleetId>
<errorSet>
 <item><errorCode>InsufficientInstanceCapacity</errorCode><errorMessage>no c7g here</errorMessage><lifecycle>on-demand</lifecycle>
  <launchTemplateAndOverrides><overrides><instanceType>c7g.large</instanceType><subnetId>subnet-a</subnetId></overrides></launchTemplateAndOverrides></item>
 <item><errorCode>VcpuLimitExceeded</errorCode><errorMessage>no more of these</errorMessage><lifecycle>on-demand</lifecycle>
  <launchTemplateAndOverrides><overrides><instanceType>g5.large</instanceType><subnetId>subnet-a</subnetId></overrides></launchTemplateAndOverrides></item>
</errorSet>
<fleetInstanceSet>INSTANCES</fleetInstanceSet></CreateFleetResponse>`

const fleetInstances = `<item><instanceIds><item>i-1</item><item>i-2</item></instanceIds><instanceType>m7g.large</instanceType><lifecycle>on-demand</lifecycle>
<launchTemplateAndOverrides><overrides><instanceType>m7g.large</instanceType><subnetId>subnet-b</subnetId></overrides></launchTemplateAndOverrides></item>`

// TestFleetOnTheWire: one call names all pools in their order, and its answer
// says of each which had no room.
func TestFleetOnTheWire(t *testing.T) {
	t.Parallel()
	answer := strings.Replace(fleetAnswer, "INSTANCES", fleetInstances, 1)
	forms := make(chan url.Values, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		forms <- r.Form
		w.Header().Set("X-Amzn-Requestid", "req-1")
		_, _ = io.WriteString(w, answer)
	}))
	defer srv.Close()
	cloud, err := ec2.New(t.Context(), ec2.Config{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "demo", SecretKey: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	pool := func(typ, subnet string) autoscale.Pool {
		return autoscale.Pool{Type: typ, Subnet: subnet, Market: autoscale.OnDemand}
	}
	l := autoscale.Launch{
		Group: "web", Count: 3, Token: "tok", Tags: map[string]string{autoscale.TagGroup: "web"},
		Template: autoscale.Template{LaunchTemplate: "web", Fleet: true},
		Pools:    []autoscale.Pool{pool("c7g.large", "subnet-a"), pool("g5.large", "subnet-a"), pool("m7g.large", "subnet-b")},
	}
	is, request, err := cloud.Launch(t.Context(), l)
	ce, _ := err.(*autoscale.CallError)
	if len(is) != 2 || request == "" || ce == nil || ce.Failure != autoscale.NoRoom || ce.Code != "InsufficientInstanceCapacity" {
		t.Fatalf("Launch = %v, %q, %v; want 2 instances and what had no room", is, request, err)
	}
	want := []autoscale.Refusal{{Pool: pool("c7g.large", "subnet-a"), Code: "InsufficientInstanceCapacity"}, {Pool: pool("g5.large", "subnet-a"), Code: "VcpuLimitExceeded"}}
	if d := cmp.Diff(want, ce.Refused); d != "" {
		t.Error(d)
	}
	if i := is[1]; i.ID != "i-2" || i.Type != "m7g.large" || i.Subnet != "subnet-b" || i.Market != autoscale.OnDemand {
		t.Errorf("the second instance: %+v", i)
	}
	form := <-forms
	for k, v := range map[string]string{
		"Action": "CreateFleet", "Type": "instant", "ClientToken": "tok", "TargetCapacitySpecification.TotalTargetCapacity": "3",
		"TargetCapacitySpecification.DefaultTargetCapacityType":                  "on-demand",
		"LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateName": "web",
		"LaunchTemplateConfigs.1.Overrides.1.InstanceType":                       "c7g.large",
		"LaunchTemplateConfigs.1.Overrides.3.SubnetId":                           "subnet-b",
		"LaunchTemplateConfigs.1.Overrides.3.Priority":                           "2",
		"TagSpecification.1.Tag.1.Key":                                           autoscale.TagGroup,
		"OnDemandOptions.AllocationStrategy":                                     "prioritized",
	} {
		if form.Get(k) != v {
			t.Errorf("%s = %q, want %q", k, form.Get(k), v)
		}
	}
	answer = strings.Replace(fleetAnswer, "INSTANCES", "", 1)
	if is, _, err := cloud.Launch(t.Context(), l); len(is) != 0 || failure(err) != autoscale.NoRoom {
		t.Errorf("without instances: %v, %v; want no room", is, err)
	}
	<-forms
	answer = strings.NewReplacer("INSTANCES", "", "InsufficientInstanceCapacity", "UnauthorizedOperation", "VcpuLimitExceeded", "Unsupported").Replace(fleetAnswer)
	if _, _, err := cloud.Launch(t.Context(), l); failure(err) != autoscale.Denied {
		t.Errorf("denied: %v", err)
	}
}

// TestFleetOfTheEmulator: what one pool lacks the next one gives, in the same
// call; the same token is the same fleet; Spot instances are listed as such.
func TestFleetOfTheEmulator(t *testing.T) {
	t.Parallel()
	sim, cloud := start(t, ec2sim.Options{})
	form := url.Values{
		"Action": {"CreateLaunchTemplate"}, "Version": {"2016-11-15"}, "LaunchTemplateName": {"web"},
		"LaunchTemplateData.ImageId": {"ami-1"}, "LaunchTemplateData.InstanceType": {"t3.micro"},
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	if sim.ServeHTTP(rec, r); rec.Code != http.StatusOK {
		t.Fatal(rec.Body)
	}
	inject(t, sim, ec2sim.Fault{Effect: ec2sim.EffectNoRoom, Type: "c7g.large", Zone: "us-east-1a", Count: -1})
	l := autoscale.Launch{
		Group: "web", Count: 2, Token: "tok", Tags: map[string]string{autoscale.TagGroup: "web"},
		Template: autoscale.Template{LaunchTemplate: "web", Fleet: true},
		Pools:    []autoscale.Pool{{Type: "c7g.large", Zone: "us-east-1a"}, {Type: "m7g.large", Zone: "us-east-1a"}},
	}
	for range 2 {
		is, _, err := cloud.Launch(t.Context(), l)
		if ce, _ := err.(*autoscale.CallError); err != nil && (ce.Failure != autoscale.NoRoom || len(ce.Refused) != 1 || ce.Refused[0].Pool.Type != "c7g.large") {
			t.Errorf("%v", err)
		}
		if len(is) != 2 || is[0].Type != "m7g.large" || is[0].Zone != "us-east-1a" || len(sim.Instances()) != 2 {
			t.Fatalf("%v; %d in all", is, len(sim.Instances()))
		}
	}
	l.Token, l.Count, l.Pools = "tok2", 1, []autoscale.Pool{{Type: "m7g.large", Zone: "us-east-1b", Market: autoscale.Spot}}
	if is, _, err := cloud.Launch(t.Context(), l); err != nil || len(is) != 1 || is[0].Market != autoscale.Spot {
		t.Errorf("Spot: %v, %v", is, err)
	}
	is, err := cloud.Instances(t.Context(), "web")
	spot := 0
	for _, i := range is {
		if i.Market == autoscale.Spot {
			spot++
		}
	}
	if err != nil || len(is) != 3 || spot != 1 {
		t.Errorf("listed: %v, %v; want 3, one of them Spot", is, err)
	}
}

// TestTerminationProtectionIsSeen: what disableApiTermination keeps is known
// before it is drained.
func TestTerminationProtectionIsSeen(t *testing.T) {
	t.Parallel()
	sim, cloud := start(t, ec2sim.Options{})
	is, err := sim.Launch(2, map[string]string{autoscale.TagGroup: "web"})
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"Action": {"ModifyInstanceAttribute"}, "Version": {"2016-11-15"}, "InstanceId": {is[1].ID}, "DisableApiTermination.Value": {"true"}}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	if sim.ServeHTTP(rec, r); rec.Code != http.StatusOK {
		t.Fatal(rec.Body)
	}
	locked, err := cloud.Locked(t.Context(), "web", []string{is[0].ID, is[1].ID})
	if d := cmp.Diff(map[string]string{is[1].ID: "EC2's termination protection"}, locked); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
}
