package ec2sim

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// call makes one request without a network and returns status and body.
func call(s *Sim, action string, pairs ...string) (int, string) {
	return ask(s, version, action, pairs...)
}

// ask does so with the API version of any service.
func ask(s *Sim, version, action string, pairs ...string) (int, string) {
	v := url.Values{"Action": {action}, "Version": {version}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func run(s *Sim, token, count string) (int, string) {
	return call(s, "RunInstances", "ImageId", "ami-1", "MinCount", "1", "MaxCount", count, "ClientToken", token,
		"TagSpecification.1.ResourceType", "instance", "TagSpecification.1.Tag.1.Key", "rondo:group", "TagSpecification.1.Tag.1.Value", "web")
}

// inside returns the text of all elements of that name.
func inside(body, name string) (out []string) {
	for part := range strings.SplitSeq(body, "<"+name+">") {
		if text, _, ok := strings.Cut(part, "</"+name+">"); ok {
			out = append(out, text)
		}
	}
	return out
}

func TestLifeOfAnInstance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type event struct {
			what string
			at   time.Duration
		}
		start := time.Now()
		var mu sync.Mutex
		var events []event
		note := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, event{what, time.Since(start)})
		}
		s := New(Options{BootTime: 12 * time.Second, StopTime: 3 * time.Second, Boot: func(ctx context.Context, i Instance) {
			note("boots " + string(i.State) + " " + i.Hostname())
			<-ctx.Done()
			note("ends")
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		seed, err := s.Launch(1, map[string]string{"a": "b"})
		if err != nil {
			t.Fatal(err)
		}
		state := func(want State) {
			t.Helper()
			if got := s.Instances()[0].State; got != want {
				t.Errorf("after %v: %s, want %s", time.Since(start), got, want)
			}
		}
		time.Sleep(11 * time.Second)
		state(Pending)
		time.Sleep(2 * time.Second)
		state(Running)
		time.Sleep(time.Hour)
		call(s, "TerminateInstances", "InstanceId.1", seed[0].ID)
		synctest.Wait()
		state(ShuttingDown)
		time.Sleep(4 * time.Second)
		state(Terminated)
		_, body := call(s, "DescribeInstances")
		if !strings.Contains(body, "<name>terminated</name>") || !strings.Contains(body, "User initiated shutdown") {
			t.Errorf("Describe after the end:\n%s", body)
		}
		time.Sleep(time.Hour)
		if n := len(s.Instances()); n != 0 {
			t.Errorf("%d instances are remembered an hour later", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := []event{{"boots running ip-10-0-1-4", 12 * time.Second}, {"ends", time.Hour + 13*time.Second}}
		if !slices.Equal(events, want) {
			t.Errorf("events %v, want %v", events, want)
		}
	})
}

func TestSeedHasBooted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		booted := make(chan time.Time, 2)
		s := New(Options{BootTime: time.Minute, Boot: func(context.Context, Instance) { booted <- time.Now() }})
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		if err := s.Seed(2, nil); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, cancel)
		if err := s.Run(ctx); err != nil || len(booted) != 2 || !(<-booted).Equal(start) {
			t.Errorf("Run = %v, %d more booted", err, len(booted))
		}
	})
}

func TestRunEndsItsInstances(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := 0
		s := New(Options{BootTime: time.Second, Boot: func(ctx context.Context, _ Instance) { <-ctx.Done(); ended++ }})
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := s.Launch(1, nil); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(5*time.Second, cancel)
		if err := s.Run(ctx); err != nil || ended != 1 {
			t.Errorf("Run = %v, %d ended", err, ended)
		}
	})
}

func TestErrorsHaveEC2sShape(t *testing.T) {
	t.Parallel()
	s := New(Options{Max: 3})
	f := func(wantStatus int, wantCode, action string, pairs ...string) {
		t.Helper()
		status, body := call(s, action, pairs...)
		var e ec2Error
		if err := xml.Unmarshal([]byte(body), &e); err != nil || status != wantStatus || e.Code != wantCode || len(e.RequestID) != 36 || e.Message == "" {
			t.Errorf("%s %v: %d %+v %v; want %d %s", action, pairs, status, e, err, wantStatus, wantCode)
		}
	}
	ok := []string{"ImageId", "ami-1", "MinCount", "1", "MaxCount", "1"}
	with := func(pairs ...string) []string { return append(slices.Clone(ok), pairs...) }
	f(400, "InvalidAction", "RunAway")
	f(400, "MissingParameter", "RunInstances", "MinCount", "1", "MaxCount", "1")
	f(400, "MissingParameter", "RunInstances", "ImageId", "ami-1")
	f(400, "InvalidAMIID.Malformed", "RunInstances", with("ImageId", "x")...)
	f(400, "InvalidAMIID.Malformed", "RunInstances", with("ImageId", "ami-12_3")...)
	f(400, "InvalidParameterValue", "RunInstances", with("InstanceType", "large")...)
	f(400, "InvalidParameterValue", "RunInstances", with("InstanceType", "m5.Large")...)
	f(400, "InvalidParameterValue", "RunInstances", with("MinCount", "0")...)
	f(400, "InvalidParameterValue", "RunInstances", with("MaxCount", "many")...)
	f(400, "InvalidParameterValue", "RunInstances", with("MinCount", "3", "MaxCount", "2")...)
	f(400, "InvalidParameterValue", "RunInstances", with("ClientToken", strings.Repeat("x", 65))...)
	f(400, "InvalidParameterValue", "RunInstances", with("Placement.AvailabilityZone", "mars-1a")...)
	f(400, "InvalidUserData.Malformed", "RunInstances", with("UserData", "%%%")...)
	f(400, "InvalidParameterValue", "RunInstances", with("TagSpecification.1.ResourceType", "instance", "TagSpecification.1.Tag.1.Key", "aws:x")...)
	f(400, "InstanceLimitExceeded", "RunInstances", with("MinCount", "4", "MaxCount", "4")...)
	f(400, "InvalidInstanceID.NotFound", "TerminateInstances", "InstanceId.1", "i-0")
	f(400, "InvalidInstanceID.Malformed", "TerminateInstances", "InstanceId.1", "x")
	f(400, "MissingParameter", "TerminateInstances")
	f(400, "InvalidParameterValue", "DescribeInstances", "Filter.1.Name", "colour", "Filter.1.Value.1", "red")
	f(400, "InvalidNextToken", "DescribeInstances", "NextToken", "x")
	f(400, "InvalidParameterValue", "DescribeInstances", "MaxResults", "4")
	f(400, "InvalidInstanceID.NotFound", "DescribeInstances", "InstanceId.1", "i-0")
	f(400, "MissingParameter", "CreateTags", "ResourceId.1", "i-0")
	for _, code := range []string{"RequestLimitExceeded", "InsufficientInstanceCapacity", "AuthFailure", "Throttling"} {
		if err := s.Inject(Fault{Effect: EffectError, Code: code, Count: 1}); err != nil {
			t.Fatal(err)
		}
		f(statusOf(code), code, "DescribeInstances")
	}
}

// TestIdempotence compares the emulator with the rule itself, under random
// sequences of launches and terminations.
func TestIdempotence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := New(Options{Max: 1000})
		model := map[string][2]string{} // token -> count, reservation
		launched := 0
		for range rapid.IntRange(1, 30).Draw(t, "calls") {
			token := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "token")
			count := rapid.SampledFrom([]string{"1", "2", "5"}).Draw(t, "count")
			status, body := run(s, token, count)
			before, known := model[token]
			switch {
			case !known:
				n := len(inside(body, "instanceId"))
				if status != 200 || fmt.Sprint(n) != count {
					t.Fatalf("first %s of %s: %d\n%s", token, count, status, body)
				}
				model[token] = [2]string{count, inside(body, "reservationId")[0]}
				launched += n
			case before[0] != count:
				if !strings.Contains(body, "IdempotentParameterMismatch") {
					t.Fatalf("%s of %s after %s: %d\n%s", token, count, before[0], status, body)
				}
			case status != 200 || inside(body, "reservationId")[0] != before[1] || fmt.Sprint(len(inside(body, "instanceId"))) != count:
				t.Fatalf("repeated %s: %d\n%s\nwant reservation %s", token, status, body, before[1])
			}
			if rapid.Bool().Draw(t, "end one") && known {
				is := s.Instances()
				s.Terminate("Server.SpotInstanceTermination", is[len(is)-1].ID)
			}
			if got := len(s.Instances()); got != launched {
				t.Fatalf("%d instances, want %d", got, launched)
			}
		}
	})
}

func TestDescribePagesAndFilters(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	web, _ := s.Launch(12, map[string]string{"rondo:group": "web", "n": "1"})
	if _, err := s.Launch(3, map[string]string{"rondo:group": "db"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	next := ""
	for range 10 {
		_, body := call(s, "DescribeInstances", "Filter.1.Name", "tag:rondo:group", "Filter.1.Value.1", "web", "MaxResults", "5", "NextToken", next)
		got = append(got, inside(body, "instanceId")...)
		tokens := inside(body, "nextToken")
		if len(tokens) == 0 {
			break
		}
		next = tokens[0]
	}
	if !slices.Equal(got, idsOf(web)) {
		t.Errorf("pages hold %v, want %v", got, idsOf(web))
	}
	f := func(want int, pairs ...string) {
		t.Helper()
		if _, body := call(s, "DescribeInstances", pairs...); len(inside(body, "instanceId")) != want {
			t.Errorf("%v: %d, want %d", pairs, len(inside(body, "instanceId")), want)
		}
	}
	f(15)
	f(0, "Filter.1.Name", "instance-state-name", "Filter.1.Value.1", "running")
	f(15, "Filter.1.Name", "instance-state-name", "Filter.1.Value.1", "running", "Filter.1.Value.2", "pending")
	f(3, "Filter.1.Name", "tag:rondo:group", "Filter.1.Value.1", "*b", "Filter.2.Name", "tag:rondo:group", "Filter.2.Value.1", "d?")
	f(12, "Filter.1.Name", "tag-key", "Filter.1.Value.1", "n")
	f(2, "InstanceId.1", web[0].ID, "InstanceId.2", web[5].ID)
	f(1, "Filter.1.Name", "instance-id", "Filter.1.Value.1", web[3].ID)
}

func TestHiddenAfterLaunch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		if err := s.Inject(Fault{Action: "RunInstances", Effect: EffectHide, Delay: Duration(30 * time.Second), Count: 1}); err != nil {
			t.Fatal(err)
		}
		_, body := run(s, "a", "2")
		ids := inside(body, "instanceId")
		if _, body = call(s, "DescribeInstances"); strings.Contains(body, "instanceId") || len(ids) != 2 {
			t.Errorf("launched %v, listed at once:\n%s", ids, body)
		}
		if _, again := run(s, "a", "2"); !slices.Equal(inside(again, "instanceId"), ids) {
			t.Errorf("the same token gives\n%s", again)
		}
		time.Sleep(31 * time.Second)
		if _, body = call(s, "DescribeInstances"); !slices.Equal(inside(body, "instanceId"), ids) {
			t.Errorf("31 s later:\n%s", body)
		}
	})
}

func TestOtherActions(t *testing.T) {
	t.Parallel()
	s := New(Options{Region: "eu-west-3"})
	is, _ := s.Launch(1, map[string]string{"a": "b"})
	f := func(want, action string, pairs ...string) {
		t.Helper()
		if status, body := call(s, action, pairs...); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d\n%s\nwant %s", action, status, body, want)
		}
	}
	f(`<CreateTagsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>`, "CreateTags", "ResourceId.1", is[0].ID, "Tag.1.Key", "c", "Tag.1.Value", "d")
	f("<key>c</key><value>d</value>", "DescribeTags", "Filter.1.Name", "key", "Filter.1.Value.1", "c")
	f("<instanceStatus><status>not-applicable</status>", "DescribeInstanceStatus", "IncludeAllInstances", "true")
	f("<imageId>ami-7</imageId>", "DescribeImages", "ImageId.1", "ami-7")
	f("<zoneName>eu-west-3b</zoneName>", "DescribeAvailabilityZones")
	f("<regionName>eu-west-3</regionName>", "DescribeRegions")
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	f := func(method, body, site string, wantStatus int, want string) {
		t.Helper()
		r := httptest.NewRequest(method, "/_sim/faults", strings.NewReader(body))
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var got bytes.Buffer
		if json.Compact(&got, w.Body.Bytes()) != nil {
			got.Write(w.Body.Bytes())
		}
		if w.Code != wantStatus || !strings.Contains(got.String(), want) {
			t.Errorf("%s %s: %d %s; want %d %s", method, body, w.Code, got.String(), wantStatus, want)
		}
	}
	f("POST", `{"action":"RunInstances","effect":"hide","delay":"30s","count":2}`, "", 200, `[{"action":"RunInstances","effect":"hide","delay":"30s","count":2}]`)
	f("POST", `{"effect":"error","count":1}`, "", 400, "effect error wants a code")
	f("POST", `{"effect":"explode","count":1}`, "", 400, `effect "explode": want one of`)
	f("POST", `{"effect":"reset"}`, "", 400, "count 0: want 1 or more")
	f("POST", `{"efect":"reset","count":1}`, "", 400, "unknown field")
	f("POST", `{"effect":"reset","count":1}`, "cross-site", 403, "")
	f("GET", "", "", 200, `"hide"`)
	f("DELETE", "", "", 200, "[]")
}

// FuzzAPI: no request does worse than an error.
func FuzzAPI(f *testing.F) {
	f.Add("Action=RunInstances&ImageId=ami-1&MinCount=1&MaxCount=2&ClientToken=a")
	f.Add("Action=DescribeInstances&Filter.1.Name=tag:a&Filter.1.Value.1=[*&MaxResults=5")
	f.Add("Action=CreateTags&ResourceId.1=i-1&Tag.1.Key=a&Tag.1.Value=b")
	f.Add("Action=TerminateInstances&InstanceId.1=i-1;%zz")
	f.Add("Action=CreateAutoScalingGroup&Version=2011-01-01&AutoScalingGroupName=w&MinSize=1&MaxSize=2&LaunchTemplate.LaunchTemplateName=web&VPCZoneIdentifier=subnet-1,,x")
	f.Add("Action=CreateFleet&Type=instant&TargetCapacitySpecification.TotalTargetCapacity=2&LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateName=web&LaunchTemplateConfigs.1.Overrides.1.Priority=1")
	f.Add("Action=CreateLaunchTemplate&LaunchTemplateName=abc&LaunchTemplateData.ImageId=resolve:ssm:/a&LaunchTemplateData.UserData=aGk=")
	f.Add("Action=DescribeImages&Owner.1=self&Filter.1.Name=name&Filter.1.Value.1=a?*&DryRun=true")
	f.Add("Action=CreateTargetGroup&Version=2015-12-01&Name=web&Port=80")
	f.Add("Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::1:role/a&RoleSessionName=b")
	f.Add("Action=SetDesiredCapacity&Version=2011-01-01&AutoScalingGroupName=web&DesiredCapacity=2")
	f.Add("Action=DescribeAutoScalingGroups&Version=2011-01-01&MaxRecords=1&NextToken=from-1&Filters.member.1.Name=tag:a&Filters.member.1.Values.member.1=b")
	f.Fuzz(func(t *testing.T, body string) {
		s := New(Options{Max: 5})
		if _, err := s.Launch(2, map[string]string{"a": "b"}); err != nil {
			t.Fatal(err)
		}
		if err := s.CreateGroup(GroupSpec{Name: "web", Min: 1, Max: 3, Image: "ami-1", Types: []string{"t3.micro"}}); err != nil {
			t.Fatal(err)
		}
		call(s, "CreateLaunchTemplate", "LaunchTemplateName", "web", "LaunchTemplateData.ImageId", "ami-1")
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%q: %s", body, w.Body)
		}
		if err := xml.Unmarshal(w.Body.Bytes(), new(struct{})); err != nil {
			t.Errorf("%q: %v\n%s", body, err, w.Body)
		}
	})
}

func BenchmarkDescribe(b *testing.B) {
	s := New(Options{})
	if _, err := s.Launch(100, map[string]string{"rondo:group": "web"}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		call(s, "DescribeInstances", "Filter.1.Name", "tag:rondo:group", "Filter.1.Value.1", "web")
	}
}

// TestThousandInstances runs as many as the emulator is asked to, each with a
// goroutine, through the life of a group. All of it is far below 1 GB.
func TestThousandInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		boots, _ := ParseTimes("lognormal(60s,0.4)")
		s := New(Options{Boots: boots, Boot: func(ctx context.Context, _ Instance) { <-ctx.Done() }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		if err := s.CreateGroup(GroupSpec{Name: "web", Max: n, Desired: n, Image: "ami-1", Types: []string{"t3.micro"}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		runtime.ReadMemStats(&after)
		running := 0
		for _, i := range s.Instances() {
			if i.State == Running {
				running++
			}
		}
		grown := int64(after.Sys) - int64(before.Sys)
		t.Logf("%d instances run in %.1f MB more", running, float64(grown)/1e6)
		if running != n || grown > 100e6 {
			t.Errorf("%d run, want %d; %d bytes more", running, n, grown)
		}
		ask(s, "2011-01-01", "SetDesiredCapacity", "AutoScalingGroupName", "web", "DesiredCapacity", "0")
		time.Sleep(time.Minute)
		if body := second(ask(s, "2011-01-01", "DescribeAutoScalingInstances")); strings.Contains(body, "<member>") {
			t.Error("some are left")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
