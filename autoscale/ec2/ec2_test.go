package ec2_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2sim"
)

// start runs an emulator and a client of it. Instances never boot: Run is not
// running, so that states change only where a test says so.
func start(t *testing.T, o ec2sim.Options) (*ec2sim.Sim, *ec2.Cloud) {
	t.Helper()
	sim := ec2sim.New(o)
	srv := httptest.NewServer(sim)
	t.Cleanup(srv.Close)
	cloud, err := ec2.New(t.Context(), ec2.Config{
		Endpoint: srv.URL, Region: "us-east-1", AccessKey: "demo", SecretKey: "demo", LoopbackOnly: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sim, cloud
}

func launch(token string, n int) autoscale.Launch {
	return autoscale.Launch{
		Group: "web", Count: n, Token: token,
		Tags:     map[string]string{autoscale.TagGroup: "web", autoscale.TagDecision: token, "Name": "web"},
		Template: autoscale.Template{Image: "ami-1", Type: "c5.large", Zone: "us-east-1b", UserData: "#!/bin/sh\necho hi\n", Key: "ops", SecurityGroups: []string{"sg-1"}},
	}
}

// TestPoolStandsForTheTemplate: a launch asks for its pool, on the wire.
func TestPoolStandsForTheTemplate(t *testing.T) {
	t.Parallel()
	forms := make(chan url.Values, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		forms <- r.Form
		w.WriteHeader(http.StatusBadRequest)
	}))
	defer srv.Close()
	cloud, err := ec2.New(t.Context(), ec2.Config{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "demo", SecretKey: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	l := launch("tok", 1)
	l.Template.Zone, l.Template.Types, l.Template.Subnets = "", []string{"c7.large", "m7.large"}, []string{"subnet-1", "subnet-2"}
	l.Template.Spot = autoscale.SpotPolicy{Share: 0.5, MaxPrice: 0.05}
	f := func(p autoscale.Pool, want url.Values) {
		t.Helper()
		l.Pools = []autoscale.Pool{p}
		_, _, _ = cloud.Launch(t.Context(), l)
		form, got := <-forms, url.Values{}
		for _, k := range []string{"InstanceType", "SubnetId", "Placement.AvailabilityZone", "InstanceMarketOptions.MarketType", "InstanceMarketOptions.SpotOptions.MaxPrice"} {
			if form.Has(k) {
				got[k] = form[k]
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	f(autoscale.Pool{Type: "m7.large", Subnet: "subnet-2", Market: autoscale.OnDemand}, url.Values{"InstanceType": {"m7.large"}, "SubnetId": {"subnet-2"}})
	f(autoscale.Pool{Type: "m7.large", Zone: "us-east-1c", Market: autoscale.Spot}, url.Values{
		"InstanceType": {"m7.large"}, "Placement.AvailabilityZone": {"us-east-1c"},
		"InstanceMarketOptions.MarketType": {"spot"}, "InstanceMarketOptions.SpotOptions.MaxPrice": {"0.05"},
	})
}

func inject(t *testing.T, sim *ec2sim.Sim, f ec2sim.Fault) {
	t.Helper()
	if err := sim.Inject(f); err != nil {
		t.Fatal(err)
	}
}

func ids(is []autoscale.Instance) []string {
	var out []string
	for _, i := range is {
		out = append(out, i.ID)
	}
	slices.Sort(out)
	return out
}

func TestLaunchDescribeTerminate(t *testing.T) {
	t.Parallel()
	sim, cloud := start(t, ec2sim.Options{})
	ctx := t.Context()
	got, request, err := cloud.Launch(ctx, launch("tok", 2))
	if err != nil || len(got) != 2 || request == "" {
		t.Fatalf("Launch = %v, %q, %v; want 2 instances and a request ID", got, request, err)
	}
	is, err := cloud.Instances(ctx, "web")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, is); d != "" {
		t.Errorf("what Launch returned is not what Instances lists:\n%s", d)
	}
	want := autoscale.Instance{Type: "c5.large", Image: "ami-1", Zone: "us-east-1b", Phase: autoscale.Pending, Tags: launch("tok", 2).Tags}
	first := is[0]
	first.ID, first.PrivateDNS, first.PrivateIP, first.Launched = "", "", "", time.Time{}
	if d := cmp.Diff(want, first); d != "" {
		t.Error(d)
	}
	if data := sim.Instances()[0].UserData; data != "#!/bin/sh\necho hi\n" {
		t.Errorf("user data = %q", data)
	}
	if other, err := cloud.Instances(ctx, "db"); err != nil || len(other) != 0 {
		t.Errorf("another group has %v, %v", other, err)
	}
	if request, err = cloud.Terminate(ctx, "web", ids(is)); err != nil || request == "" {
		t.Errorf("Terminate = %q, %v", request, err)
	}
	if request, err = cloud.Terminate(ctx, "web", ids(is)); err != nil || request != "" {
		t.Errorf("the second Terminate = %q, %v; want no call and no error", request, err)
	}
	is, err = cloud.Instances(ctx, "web")
	if err != nil || is[0].Phase != autoscale.Terminating {
		t.Errorf("afterwards: %v, %v", is, err)
	}
}

func TestSameTokenIsSameInstances(t *testing.T) {
	t.Parallel()
	sim, cloud := start(t, ec2sim.Options{})
	// The answer to the first attempt never arrives.
	inject(t, sim, ec2sim.Fault{Action: "RunInstances", Effect: ec2sim.EffectResetAfter, Count: 1})
	if _, _, err := cloud.Launch(t.Context(), launch("tok", 3)); failure(err) != autoscale.Unclear {
		t.Fatalf("Launch over a reset connection: %v; want unclear", err)
	}
	got, _, err := cloud.Launch(t.Context(), launch("tok", 3))
	if err != nil || len(got) != 3 || len(sim.Instances()) != 3 {
		t.Errorf("the retry returned %d instances, %v; there are %d in all; want 3 and 3", len(got), err, len(sim.Instances()))
	}
	if _, _, err := cloud.Launch(t.Context(), launch("tok", 4)); failure(err) != autoscale.Unclear || len(sim.Instances()) != 3 {
		t.Errorf("other parameters: %v, %d instances; want unclear, for something was launched with the token", err, len(sim.Instances()))
	}
}

func failure(err error) autoscale.Failure {
	if ce, ok := err.(*autoscale.CallError); ok {
		return ce.Failure
	}
	return ""
}

func TestErrorsAreClassified(t *testing.T) {
	t.Parallel()
	f := func(code string, want autoscale.Failure) {
		t.Helper()
		sim, cloud := start(t, ec2sim.Options{})
		inject(t, sim, ec2sim.Fault{Action: "RunInstances", Effect: ec2sim.EffectError, Code: code, Count: 3})
		_, _, err := cloud.Launch(t.Context(), launch("tok", 1))
		ce, ok := err.(*autoscale.CallError)
		if !ok || ce.Failure != want || ce.Code != code || ce.RequestID == "" {
			t.Errorf("%s: %#v; want %s", code, err, want)
		}
		if left := sim.Faults(); len(left) != 1 || left[0].Count != 2 {
			t.Errorf("%s: the SDK asked more than once: %v left", code, left)
		}
	}
	f("RequestLimitExceeded", autoscale.Throttled)
	f("Throttling", autoscale.Throttled)
	f("Unavailable", autoscale.Unclear)
	f("InternalError", autoscale.Unclear)
	f("InsufficientInstanceCapacity", autoscale.NoRoom)
	f("InsufficientFreeAddressesInSubnet", autoscale.NoRoom)
	f("InstanceLimitExceeded", autoscale.NoRoom)
	f("VcpuLimitExceeded", autoscale.NoRoom)
	f("MaxSpotInstanceCountExceeded", autoscale.NoRoom)
	f("Unsupported", autoscale.Permanent)
	f("UnauthorizedOperation", autoscale.Denied)
	f("AuthFailure", autoscale.Denied)
	f("RequestExpired", autoscale.Denied)
	f("IdempotentParameterMismatch", autoscale.Unclear)
	f("InvalidAMIID.NotFound", autoscale.Permanent)
	f("PendingVerification", autoscale.Denied)
	f("SpotMaxPriceTooLow", autoscale.NoRoom)
	f("Blocked", autoscale.Denied)
	f("OptInRequired", autoscale.Denied)
	f("InvalidInstanceID.NotFound", autoscale.Permanent)
	f("ResourceCountExceeded", autoscale.NoRoom)
	f("MaxConfigLimitExceeded", autoscale.NoRoom)
	f("ServerInternal", autoscale.Unclear)
}

func TestBrokenAnswersAreUnclear(t *testing.T) {
	t.Parallel()
	for _, effect := range []ec2sim.Effect{ec2sim.EffectReset, ec2sim.EffectResetAfter, ec2sim.EffectTruncate, ec2sim.EffectHTML} {
		sim, cloud := start(t, ec2sim.Options{})
		inject(t, sim, ec2sim.Fault{Action: "RunInstances", Effect: effect, Count: 1})
		if _, _, err := cloud.Launch(t.Context(), launch("tok", 1)); failure(err) != autoscale.Unclear {
			t.Errorf("%s: %v; want unclear", effect, err)
		}
	}
	sim, cloud := start(t, ec2sim.Options{})
	inject(t, sim, ec2sim.Fault{Action: "RunInstances", Effect: ec2sim.EffectSlow, Delay: ec2sim.Duration(time.Minute), Count: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := cloud.Launch(ctx, launch("tok", 1)); failure(err) != autoscale.Unclear {
		t.Errorf("timeout: %v; want unclear", err)
	}
}

func TestListsComeInPages(t *testing.T) {
	t.Parallel()
	sim, cloud := start(t, ec2sim.Options{Max: 2000})
	for range 3 {
		if _, err := sim.Launch(400, map[string]string{autoscale.TagGroup: "web"}); err != nil {
			t.Fatal(err)
		}
	}
	is, err := cloud.Instances(t.Context(), "web")
	if err != nil || len(is) != 1200 {
		t.Fatalf("%d instances, %v; want 1200", len(is), err)
	}
	if n := len(slices.Compact(ids(is))); n != 1200 {
		t.Errorf("%d different ones of 1200", n)
	}
	_, err = cloud.Terminate(t.Context(), "web", ids(is)[:250])
	for range 3 { // what is unclear is asked again, as the controller does
		if failure(err) == autoscale.Unclear {
			_, err = cloud.Terminate(t.Context(), "web", ids(is)[:250])
		}
	}
	if err != nil {
		t.Error(err)
	}
}

func TestReadsAreRetried(t *testing.T) {
	t.Parallel()
	sim, cloud := start(t, ec2sim.Options{})
	inject(t, sim, ec2sim.Fault{Action: "DescribeInstances", Effect: ec2sim.EffectError, Code: "InternalError", Count: 1})
	if _, err := cloud.Instances(t.Context(), "web"); err != nil {
		t.Error(err)
	}
}

func TestTerminateLooksAgain(t *testing.T) {
	t.Parallel()
	sim, cloud := start(t, ec2sim.Options{})
	web, _ := sim.Launch(1, map[string]string{autoscale.TagGroup: "web"})
	kept, _ := sim.Launch(1, map[string]string{autoscale.TagGroup: "web", autoscale.TagProtect: "true"})
	db, _ := sim.Launch(1, map[string]string{autoscale.TagGroup: "db"})
	f := func(what string, ids ...string) {
		t.Helper()
		if _, err := cloud.Terminate(t.Context(), "web", ids); failure(err) != autoscale.Permanent {
			t.Errorf("%s: %v; want a refusal", what, err)
		}
	}
	f("another group's", web[0].ID, db[0].ID)
	f("a protected one", web[0].ID, kept[0].ID)
	for _, i := range sim.Instances() {
		if i.State != ec2sim.Pending {
			t.Errorf("%s is %s; want all untouched", i.ID, i.State)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	f := func(c ec2.Config, want string) {
		t.Helper()
		err := c.Validate()
		if fmt.Sprint(err) != want {
			t.Errorf("%+v:\n got %v\nwant %s", c, err, want)
		}
	}
	f(ec2.Config{AccessKey: "a"}, "ec2: access_key and secret_key go together")
	f(ec2.Config{AccessKey: "a", SecretKey: "b"}, "ec2: region is wanted where access_key is given")
	f(ec2.Config{Endpoint: "localhost:1"}, `ec2: endpoint "localhost:1": want http(s)://host[:port]`)
	f(ec2.Config{LoopbackOnly: true}, `ec2: endpoint "" is not on this machine: refused`)
	f(ec2.Config{LoopbackOnly: true, Endpoint: "https://ec2.us-east-1.amazonaws.com"}, `ec2: endpoint "https://ec2.us-east-1.amazonaws.com" is not on this machine: refused`)
	f(ec2.Config{LoopbackOnly: true, Endpoint: "http://127.0.0.1:1"}, "<nil>")
	f(ec2.Config{}, "<nil>")
}

// The endpoint comes from the environment where the configuration names none.
func TestEndpointFromEnvironment(t *testing.T) {
	sim := ec2sim.New(ec2sim.Options{})
	srv := httptest.NewServer(sim)
	defer srv.Close()
	for k, v := range map[string]string{
		"AWS_ENDPOINT_URL": srv.URL, "AWS_REGION": "eu-west-3", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
	} {
		t.Setenv(k, v)
	}
	cloud, err := ec2.New(t.Context(), ec2.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Launch(1, map[string]string{autoscale.TagGroup: "web"}); err != nil {
		t.Fatal(err)
	}
	if is, err := cloud.Instances(t.Context(), "web"); err != nil || len(is) != 1 {
		t.Errorf("Instances = %v, %v", is, err)
	}
}

func TestNewMakesNoCall(t *testing.T) {
	// A goroutine that New left behind would not let the bubble end.
	synctest.Test(t, func(t *testing.T) {
		if _, err := ec2.New(t.Context(), ec2.Config{Endpoint: "http://127.0.0.1:1", Region: "r", AccessKey: "a", SecretKey: "b"}); err != nil {
			t.Error(err)
		}
	})
}
