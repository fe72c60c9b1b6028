package ec2_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2sim"
)

// TestPreflight: each action that IAM denies is named, with what allows it;
// each thing that does not exist is named; nothing is changed.
func TestPreflight(t *testing.T) {
	t.Parallel()
	sim, cloud := start(t, ec2sim.Options{})
	own, err := sim.Launch(1, map[string]string{autoscale.TagGroup: "web"})
	if err != nil {
		t.Fatal(err)
	}
	l := launch("tok", 1)
	l.Template.Profile, l.Template.Zone = "web-role", ""
	l.Template.Subnets = []string{"subnet-00000000000000001"}
	f := func(ids []string, want ...string) {
		t.Helper()
		p := cloud.Preflight(t.Context(), l, ids)
		var got []string
		for _, r := range p.Requirements {
			if r.State == autoscale.Granted {
				continue
			}
			b, _ := json.Marshal(r.Policy)
			got = append(got, fmt.Sprintf("%s %s %s", r.Name, r.State, b))
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if len(sim.Instances()) != 1 || sim.Instances()[0].State == ec2sim.ShuttingDown {
			t.Errorf("a preflight changed something: %v", sim.Instances())
		}
		if p.Account != "000000000000" {
			t.Errorf("account %q", p.Account)
		}
	}
	id := []string{own[0].ID}
	f(id)
	f(nil, "ec2:TerminateInstances unknown null", "ec2:DescribeInstanceAttribute unknown null")
	inject(t, sim, ec2sim.Fault{Action: "TerminateInstances", Effect: ec2sim.EffectDeny, Count: -1})
	f(id, `ec2:TerminateInstances denied {"Effect":"Allow","Action":"ec2:TerminateInstances","Resource":"arn:aws:ec2:*:000000000000:instance/*","Condition":{"StringEquals":{"aws:ResourceTag/rondo:group":"web"}}}`)
	sim.ClearFaults()
	inject(t, sim, ec2sim.Fault{Action: "RunInstances", Effect: ec2sim.EffectDeny, Count: -1})
	f(id, `ec2:RunInstances denied {"Effect":"Allow","Action":"ec2:RunInstances","Resource":"*"}`)
	sim.ClearFaults()
	// Denied, and allowed a moment later: the launch as a whole was.
	inject(t, sim, ec2sim.Fault{Action: "RunInstances", Effect: ec2sim.EffectDeny, Count: 1})
	f(id, `ec2:RunInstances denied {"Effect":"Allow","Action":"ec2:RunInstances","Resource":"*"}`)
	l.Template.LaunchTemplate, l.Template.Subnets = "web", nil
	f(id, "launch template web missing null")
	l.Template.LaunchTemplate, l.Template.Fleet = "", true
	inject(t, sim, ec2sim.Fault{Action: "CreateFleet", Effect: ec2sim.EffectDeny, Count: 1})
	f(id, `ec2:CreateFleet denied {"Effect":"Allow","Action":"ec2:CreateFleet","Resource":"*"}`)
}

// TestPreflightFindsWhatLaunchLacks: EC2 denies a launch as a whole; which
// permission it was is found by asking for less.
func TestPreflightFindsWhatLaunchLacks(t *testing.T) {
	t.Parallel()
	sim := ec2sim.New(ec2sim.Options{})
	lacks := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.Form.Get("Action") == "RunInstances" && r.Form.Has(lacks) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized to perform this operation.</Message></Error></Errors><RequestID>r</RequestID></Response>`)
			return
		}
		sim.ServeHTTP(w, r)
	}))
	defer srv.Close()
	cloud, err := ec2.New(t.Context(), ec2.Config{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "demo", SecretKey: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	l := launch("tok", 1)
	l.Template.Profile = "web-role"
	f := func(param, want string) {
		t.Helper()
		lacks = param
		var got []string
		for _, r := range cloud.Preflight(t.Context(), l, nil).Lacks() {
			b, _ := json.Marshal(r.Policy)
			got = append(got, string(b))
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s:\n got %s\nwant %s", param, strings.Join(got, "\n"), want)
		}
	}
	f("TagSpecification.1.ResourceType", `{"Effect":"Allow","Action":"ec2:CreateTags","Resource":"arn:aws:ec2:*:000000000000:instance/*","Condition":{"StringEquals":{"ec2:CreateAction":"RunInstances"}}}`)
	f("IamInstanceProfile.Name", `{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::000000000000:role/*","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}}`)
	f("ImageId", `{"Effect":"Allow","Action":"ec2:RunInstances","Resource":"*"}`)
	f("nothing", "")
}

// TestPreflightWithoutDryRun: a server that launches where it should only say
// whether it would is asked for nothing more.
func TestPreflightWithoutDryRun(t *testing.T) {
	t.Parallel()
	cloud := canned(t, `<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet/></DescribeInstancesResponse>`)
	p := cloud.Preflight(t.Context(), launch("tok", 1), nil)
	if last := p.Requirements[len(p.Requirements)-1]; last.Name != "dry run" || last.State != autoscale.Unsure {
		t.Errorf("%+v", p)
	}
}
