package ec2sim

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFaultErrors(t *testing.T) {
	t.Parallel()
	f := func(fault Fault, want string) {
		t.Helper()
		if err := fault.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", fault, err, want)
		}
	}
	f(Fault{Effect: EffectSlow, Count: 1}, "effect slow wants a delay")
	f(Fault{Effect: EffectSkew, Count: 1, Delay: Duration(time.Hour)}, "a delay of up to 10m")
	f(Fault{Effect: EffectEnd, Count: 1, Delay: -1}, "delay, after and for")
	f(Fault{Effect: EffectReset, Count: -2}, "count -2")
	f(Fault{Effect: EffectReset, Count: 1, Share: 1.5}, "share 1.5")
	f(Fault{Effect: EffectReset, Count: 1, Room: 1}, "room 1")
	f(Fault{Effect: EffectReset, Count: 1, Zone: "a"}, "knows no type, zone or market")
	f(Fault{Effect: EffectNoRoom, Count: 1, Market: "black"}, `market "black"`)
	f(Fault{Effect: EffectNoRoom, Count: 1, Instance: "i-1"}, "does not strike an instance")
	if err := New(Options{}).Inject(Fault{Effect: EffectEnd, Instance: "i-1"}); err == nil {
		t.Error("a fault of an instance that there is not is taken")
	}
}

// A script is one fault or a list, taken as a whole or not at all.
func TestScript(t *testing.T) {
	t.Parallel()
	f := func(text string, want int) {
		t.Helper()
		var c Script
		s := New(Options{})
		err := json.Unmarshal([]byte(text), &c)
		if err == nil {
			err = s.Inject(c...)
		}
		if got := len(s.Faults()); got != want || (err == nil) != (want > 0) {
			t.Errorf("%s: %d faults, %v; want %d", text, got, err, want)
		}
	}
	f(`{"effect":"reset","count":1}`, 1)
	f(`[{"effect":"reset","count":1},{"effect":"error","code":"Unavailable","share":0.5,"after":"1m","for":"5m","count":-1}]`, 2)
	f(`[{"effect":"reset","count":1},{"effect":"explode","count":1}]`, 0)
	f(`[{"effect":"reset","cuont":1}]`, 0)
	f(`{"effect":"reset","cuont":1}`, 0)
	f(`7`, 0)
}

func TestFaultsHaveTheirTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		inject(t, s, Fault{Effect: EffectError, Code: "Unavailable", Count: -1, After: Duration(10 * time.Second), For: Duration(20 * time.Second)})
		status := func(want int) {
			t.Helper()
			if got, body := call(s, "DescribeRegions"); got != want {
				t.Errorf("%d, want %d\n%s", got, want, body)
			}
		}
		status(200)
		time.Sleep(11 * time.Second)
		status(503)
		time.Sleep(18 * time.Second)
		status(503)
		time.Sleep(2 * time.Second)
		status(200)
		if left := s.Faults(); len(left) != 0 {
			t.Errorf("%v is left", left)
		}
	})
}

// A brown-out fails a share of the requests, the same ones for the same seed.
func TestBrownOut(t *testing.T) {
	t.Parallel()
	failed := func(seed uint64) (out []bool) {
		s := New(Options{Seed: seed})
		inject(t, s, Fault{Effect: EffectError, Code: "InternalError", Share: 0.3, Count: -1})
		for range 1000 {
			status, _ := call(s, "DescribeRegions")
			out = append(out, status != 200)
		}
		return out
	}
	first, same := failed(1), failed(1)
	n := 0
	for i, f := range first {
		if f {
			n++
		}
		if f != same[i] {
			t.Fatalf("request %d differs", i)
		}
	}
	if n < 240 || n > 360 {
		t.Errorf("%d of 1000 failed, want about 300", n)
	}
}

func TestLivesGoWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		boots := make(chan string, 9)
		s := New(Options{BootTime: 10 * time.Second, StopTime: time.Second, Boot: func(_ context.Context, i Instance) { boots <- i.ID }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		inject(t, s,
			Fault{Effect: EffectStuck, Type: "a.stuck", Count: 1}, Fault{Effect: EffectSilent, Type: "a.silent", Count: 1},
			Fault{Effect: EffectImpaired, Type: "a.impaired", Delay: Duration(time.Minute), Count: 1},
			Fault{Effect: EffectEnd, Type: "a.end", Delay: Duration(5 * time.Second), Code: "Client.VolumeLimitExceeded", Count: 1},
			Fault{Effect: EffectSpotNotice, Type: "a.spot", Market: "spot", Delay: Duration(time.Minute), Count: 1})
		f := wants(t, s, version)
		for _, kind := range []string{"stuck", "silent", "impaired", "end", "spot"} {
			pairs := "ImageId=ami-1 MinCount=1 MaxCount=1 InstanceType=a." + kind
			if kind == "spot" {
				pairs += " InstanceMarketOptions.MarketType=spot"
			}
			f("RunInstances", pairs, "<instanceId>")
		}
		time.Sleep(time.Minute + time.Second)
		of := func(kind string) Instance {
			for _, i := range s.Instances() {
				if i.Type == "a."+kind {
					return i
				}
			}
			return Instance{}
		}
		if i := of("stuck"); i.State != Pending {
			t.Errorf("stuck: %s", i.State)
		}
		if i := of("silent"); i.State != Running || len(boots) != 2 {
			t.Errorf("silent: %s, and %d others booted, want 2", i.State, len(boots))
		}
		if i := of("end"); i.State != Terminated {
			t.Errorf("end: %s", i.State)
		}
		f("DescribeInstances", "Filter.1.Name=instance-type Filter.1.Value.1=a.end", "<stateReason><code>Client.VolumeLimitExceeded</code>")
		f("DescribeInstanceStatus", "InstanceId.1="+of("impaired").ID, "<instanceStatus><status>impaired<", "<impairedSince>", "<systemStatus><status>ok")
		if i := of("spot"); i.State != Running || time.Until(i.Doomed) < 118*time.Second {
			t.Errorf("spot: %+v", i)
		}
		time.Sleep(2*time.Minute + 5*time.Second)
		f("DescribeInstances", "Filter.1.Name=instance-type Filter.1.Value.1=a.spot", "<code>Server.SpotInstanceTermination</code>", "<name>terminated</name>")
		inject(t, s, Fault{Effect: EffectEnd, Instance: of("silent").ID, Code: "Server.InternalError"})
		synctest.Wait()
		if i := of("silent"); !i.State.over() {
			t.Errorf("an instance that was struck is %s", i.State)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestUnseen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		unseen, _ := ParseTimes("5s..20s")
		s := New(Options{Unseen: unseen})
		if _, err := s.Launch(5, nil); err != nil {
			t.Fatal(err)
		}
		f := wants(t, s, version)
		f("DescribeInstances", "", "!<instanceId>")
		time.Sleep(21 * time.Second)
		f("DescribeInstances", "", "<instanceId>")
	})
}

func TestTrickle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		inject(t, s, Fault{Effect: EffectTrickle, Delay: Duration(time.Minute), Count: 1})
		start := time.Now()
		status, body := call(s, "DescribeRegions")
		if d := time.Since(start); status != 200 || d != time.Minute || !strings.HasSuffix(body, "</DescribeRegionsResponse>") {
			t.Errorf("%d after %v: %s", status, d, body)
		}
	})
}

func TestSamePage(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	if _, err := s.Launch(20, nil); err != nil {
		t.Fatal(err)
	}
	inject(t, s, Fault{Action: "DescribeInstances", Effect: EffectSamePage, Count: -1})
	_, first := call(s, "DescribeInstances", "MaxResults", "5")
	token := inside(first, "nextToken")[0]
	_, next := call(s, "DescribeInstances", "MaxResults", "5", "NextToken", token)
	if got := inside(next, "nextToken"); len(got) != 1 || got[0] != token {
		t.Errorf("next token %v, want %s again", got, token)
	}
}

func TestClockSkew(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	inject(t, s, Fault{Effect: EffectSkew, Delay: Duration(8 * time.Minute), Count: -1})
	f := func(ahead time.Duration, want int) {
		t.Helper()
		r := httptest.NewRequest("POST", "/", strings.NewReader(url.Values{"Action": {"DescribeRegions"}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Amz-Date", time.Now().Add(ahead).UTC().Format("20060102T150405Z"))
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		date, err := time.Parse(time.RFC1123, w.Header().Get("Date"))
		if w.Code != want || err != nil || time.Until(date) < 7*time.Minute {
			t.Errorf("%v ahead: %d, want %d; Date %v %v\n%s", ahead, w.Code, want, date, err, w.Body)
		}
	}
	f(0, 400)
	f(8*time.Minute, 200)
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Throttle: true, Max: 5000})
		accepted := func(n int, pairs ...string) (ok int) {
			for range n {
				switch status, body := call(s, "RunInstances", append([]string{"ImageId", "ami-1", "MinCount", "1"}, pairs...)...); status {
				case 200:
					ok++
				case 503:
					if !strings.Contains(body, "<Code>RequestLimitExceeded</Code>") {
						t.Errorf("%s", body)
					}
				default:
					t.Fatalf("%d %s", status, body)
				}
			}
			return ok
		}
		if n := accepted(20, "MaxCount", "1"); n != 5 {
			t.Errorf("at once %d, want a bucket of 5", n)
		}
		time.Sleep(10 * time.Second)
		if n := accepted(20, "MaxCount", "900"); n != 1 {
			t.Errorf("900 at a time %d, want 1: a bucket of 1000 instances", n)
		}
		time.Sleep(time.Second)
		reads := 0
		for range 200 {
			if status, _ := call(s, "DescribeInstances", "MaxResults", "5"); status == 200 {
				reads++
			}
		}
		if reads != 100 {
			t.Errorf("%d reads, want 100", reads)
		}
	})
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		as := func(key, version, action string, pairs ...string) (int, string) {
			v := url.Values{"Action": {action}, "Version": {version}}
			for i := 0; i < len(pairs); i += 2 {
				v.Set(pairs[i], pairs[i+1])
			}
			r := httptest.NewRequest("POST", "/", strings.NewReader(v.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+key+"/20260102/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w.Code, w.Body.String()
		}
		const sts = "2011-06-15"
		if _, body := as("a", sts, "GetCallerIdentity"); !strings.Contains(body, "<Arn>"+userARN+"</Arn>") {
			t.Errorf("%s", body)
		}
		if _, body := as("a", "", "GetCallerIdentity"); !strings.Contains(body, "<Account>") {
			t.Errorf("by the signature's scope: %s", body)
		}
		_, body := as("a", sts, "AssumeRole", "RoleArn", "arn:aws:iam::000000000000:role/web", "RoleSessionName", "rondo", "DurationSeconds", "900")
		keys := inside(body, "AccessKeyId")
		if len(keys) != 1 {
			t.Fatalf("%s", body)
		}
		if status, body := as(keys[0], version, "DescribeRegions"); status != 200 {
			t.Errorf("%s", body)
		}
		time.Sleep(901 * time.Second)
		if _, body := as(keys[0], version, "DescribeRegions"); !strings.Contains(body, "<Code>RequestExpired</Code>") {
			t.Errorf("%s", body)
		}
		if status, body := as(keys[0], sts, "GetCallerIdentity"); status != 403 || !strings.Contains(body, "<Code>ExpiredToken</Code>") {
			t.Errorf("%s", body)
		}
	})
}

func TestTimes(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		got, err := ParseTimes(text)
		s := got.String()
		if err != nil {
			s = "error"
		}
		if s != want {
			t.Errorf("%q: %s %v, want %s", text, s, err, want)
		}
	}
	f("90s", "1m30s")
	f("30s..90s", "30s..1m30s")
	f("lognormal(60s,0.4)", "lognormal(1m0s,0.4)")
	f("lognormal(60s, 0.4)", "lognormal(1m0s,0.4)")
	for _, bad := range []string{"", "x", "90s..30s", "-1s", "48h", "lognormal(60s)", "lognormal(60s,-1)", "lognormal(60s,NaN)", "1s..", "lognormal(60s,9)"} {
		f(bad, "error")
	}
	s := New(Options{Seed: 7})
	uniform, _ := ParseTimes("30s..90s")
	tail, _ := ParseTimes("lognormal(60s,0.4)")
	below := 0
	for range 1000 {
		if d := uniform.draw(s.rand); d < 30*time.Second || d > 90*time.Second {
			t.Errorf("uniform: %v", d)
		}
		if tail.draw(s.rand) < time.Minute {
			below++
		}
	}
	if below < 440 || below > 560 {
		t.Errorf("%d of 1000 below the median", below)
	}
}
