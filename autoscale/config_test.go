package autoscale

import (
	"encoding/json"
	"math"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	f := func(want string, change func(*Config)) {
		t.Helper()
		c := web()
		change(&c)
		got := ""
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	g := func(want string, change func(*Group)) {
		t.Helper()
		f(want, func(c *Config) { change(&c.Groups[0]) })
	}
	f("", func(*Config) {})
	f("autoscale: tick 1ms: want 100ms to 1m", func(c *Config) { c.Tick = time.Millisecond })
	f("autoscale: keep 10: want at least 1000 journal entries", func(c *Config) { c.Keep = 10 })
	f(`autoscale: group "web" is defined twice`, func(c *Config) { c.Groups = append(c.Groups, c.Groups[0]) })
	g(`autoscale: group "a b": name: want 1 to 63 letters, digits, - or _`, func(g *Group) { g.Name = "a b" })
	g(`autoscale: group "web": mode "on": want dry-run or act`, func(g *Group) { g.Mode = "on" })
	g(`autoscale: group "web": metric: a PromQL expression is wanted`, func(g *Group) { g.Metric = "" })
	g(`autoscale: group "web": launch: image and images exclude each other`, func(g *Group) { g.Launch.Images = ImageFilter{Owner: "self", Name: "web-*"} })
	g(`autoscale: group "web": launch.images: owner and name are wanted: of anybody's images of that name none can be trusted`, func(g *Group) { g.Launch = Template{Images: ImageFilter{Name: "web-*"}} })
	g(`autoscale: group "web": launch: type and types exclude each other`, func(g *Group) { g.Launch.Type, g.Launch.Types = "a", []string{"b"} })
	g(`autoscale: group "web": launch: zone or subnet, zones and subnets exclude each other`, func(g *Group) { g.Launch.Zones, g.Launch.Subnets = []string{"a"}, []string{"b"} })
	g(`autoscale: group "web": launch.zones: each once, and none empty`, func(g *Group) { g.Launch.Zones = []string{"a", "b", "a"} })
	g(`autoscale: group "web": launch.spot.share 2: want 0 to 1`, func(g *Group) { g.Launch.Spot.Share = 2 })
	g(`autoscale: group "web": launch.spot: share is wanted`, func(g *Group) { g.Launch.Spot.Base = 2 })
	g(`autoscale: group "web": launch.fleet needs launch.launch_template`, func(g *Group) { g.Launch.Fleet = true })
	g(`autoscale: group "web": replace 1s: want 1m or more, or never`, func(g *Group) { g.Replace = Patience(time.Second) })
	g(`autoscale: group "web": min -1: want 0 or more`, func(g *Group) { g.Min = -1 })
	g(`autoscale: group "web": max 1: want 2 to 2000 (not less than min)`, func(g *Group) { g.Max = 1 })
	g(`autoscale: group "web": in.below 4 must be less than out.above 4: between them nothing changes`, func(g *Group) { g.In.Below = 4 })
	g(`autoscale: group "web": in.below -Inf: want a number`, func(g *Group) { g.In.Below = math.Inf(-1) })
	g(`autoscale: group "web": out.steps[1].above +Inf: steps rise and start at out.above 4 or more`, func(g *Group) { g.Out.Add, g.Out.Steps = 0, []Step{{5, 1}, {math.Inf(1), 2}} })
	g(`autoscale: group "web": in.remove: want a number from 1 on, or enough`, func(g *Group) { g.In.Remove = 0 })
	g(`autoscale: group "web": out: add (a number or enough) or steps is wanted`, func(g *Group) { g.Out.Add = 0 })
	g(`autoscale: group "web": out: add and steps exclude each other`, func(g *Group) { g.Out.Steps = []Step{{4, 1}} })
	g(`autoscale: group "web": out.steps[1].above 5: steps rise and start at out.above 4 or more`, func(g *Group) { g.Out.Add, g.Out.Steps = 0, []Step{{5, 1}, {5, 2}} })
	g(`autoscale: group "web": out.steps[0].add: want a number from 1 on, or enough`, func(g *Group) { g.Out.Add, g.Out.Steps = 0, []Step{{5, 0}} })
	g(`autoscale: group "web": cooldown -1s: want more than 0`, func(g *Group) { g.Cooldown = -time.Second })
	g(`autoscale: group "web": in.for 2h0m0s: want 0 to 1h`, func(g *Group) { g.In.For = 2 * time.Hour })
	p := func(want string, ps ...Policy) {
		t.Helper()
		g(want, func(g *Group) { g.Policies = ps })
	}
	step := Policy{Name: "cpu", Metric: "cpu", Out: OutPolicy{Above: 0.8, Add: 1}, In: InPolicy{Below: 0.2, Remove: 1}}
	other := step
	other.Name, other.In.Remove = "a.b", 0
	p("", step, Policy{Track: &TrackPolicy{}})
	p(`autoscale: group "web": policy "step": name: another policy has it, give each its own`, Policy{Out: step.Out, In: step.In})
	p(`autoscale: group "web": policy "a.b": name: want 1 to 63 letters, digits, blanks, - or _`+"\n"+`autoscale: group "web": policy "a.b": in.remove: want a number from 1 on, or enough`, other)
	p(`autoscale: group "web": policy "track": track.use 2: want more than 0, at most 1`, Policy{Track: &TrackPolicy{Use: 2}})
	p(`autoscale: group "web": policy "queue": queue: per and rate exclude each other`+"\n"+`autoscale: group "web": policy "queue": queue.arrival: a PromQL expression is wanted, what comes a second`, Policy{Queue: &QueuePolicy{Per: 1, Rate: 1}})
	p(`autoscale: group "web": policy "queue": queue.per 0: want more than 0, or a rate`, Policy{Queue: &QueuePolicy{}})
	p(`autoscale: group "web": policy "demand": demand.per -1: want more than 0`+"\n"+`autoscale: group "web": policy "demand": demand.shrink_after 2h0m0s: want more than 0, at most 1h`, Policy{Demand: &DemandPolicy{Per: -1, ShrinkAfter: 2 * time.Hour}})
	p(`autoscale: group "web": policy "track": track and demand exclude each other: give each a policy of its own`, Policy{Track: &TrackPolicy{}, Demand: &DemandPolicy{Per: 1}})
	p(`autoscale: group "web": policy "free": metric: one of its own is wanted, a PromQL expression that gives a series for each host`+"\n"+`autoscale: group "web": policy "free": free.of "all": want server or fleet`, Policy{Free: &FreePolicy{Of: "all"}})
	p(`autoscale: group "web": policy "free": free.above 1.2: want at least a server more than below 0.5, which is what one less costs`, Policy{Metric: "cpu", Free: &FreePolicy{Above: 1.2}})
	p(`autoscale: group "web": policy "free": free.above 1.5: want more than below 0.2, and less than 1, which is the whole fleet`, Policy{Metric: "cpu", Free: &FreePolicy{Of: "fleet", Above: 1.5}})
	p(`autoscale: group "web": policy "votes": votes.below 0.8 must be less than votes.above 0.8: between them servers abstain`+"\n"+`autoscale: group "web": policy "votes": votes.share 0.3: want 0.5 to 1`, Policy{Metric: "cpu", Votes: &VotesPolicy{Above: 0.8, Below: 0.8, Share: 0.3}})
	var many []Policy
	for i := range maxPolicies {
		step.Name = strconv.Itoa(i)
		many = append(many, step)
	}
	p(`autoscale: group "web": 9 policies: want 8 at most`, many...)
	g(`autoscale: group "web": policy "cpu": metric: a PromQL expression is wanted, here or of the group`, func(g *Group) {
		*g = Group{Name: "web", Max: 3, Policies: []Policy{{Name: "cpu", Out: step.Out, In: step.In}}}
	})
	g(`autoscale: group "web": launch.user_data: 16385 bytes, EC2 takes 16384`, func(g *Group) { g.Launch.UserData = strings.Repeat("x", 16<<10+1) })
	g(`autoscale: group "web": mode act needs launch.image, launch.images or launch.launch_template, or asg (an Auto Scaling Group), or exec (a program)`, func(g *Group) { g.Launch = Template{} })
	g(`autoscale: group "web": mode act needs launch.image, launch.images or launch.launch_template`, func(g *Group) { g.Launch = Template{Type: "t3.micro"} })
	g("", func(g *Group) { g.Launch, g.ASG = Template{}, "web-asg" })
	g("", func(g *Group) { g.Launch, g.Exec = Template{}, &Program{Command: []string{"/bin/pool"}} })
	g(`autoscale: group "web": launch, asg and exec exclude each other: instances come from one of them`, func(g *Group) { g.ASG = "web-asg" })
	g(`autoscale: group "web": launch, asg and exec exclude each other: instances come from one of them`, func(g *Group) {
		g.Launch, g.ASG, g.Exec = Template{}, "web-asg", &Program{Command: []string{"/bin/pool"}}
	})
	g(`autoscale: group "web": exec.command: want an absolute path, and arguments`, func(g *Group) { g.Launch, g.Exec = Template{}, &Program{Command: []string{"pool"}} })
	g(`autoscale: group "web": exec.timeout 1h0m0s: want more than 0, to 30s`, func(g *Group) {
		g.Launch, g.Exec = Template{}, &Program{Command: []string{"/bin/pool"}, Timeout: time.Hour}
	})
}

// TestSetupSurvives: a configuration that the journal keeps is read as it was.
func TestSetupSurvives(t *testing.T) {
	t.Parallel()
	g := web().Groups[0]
	g.Policies = []Policy{
		{Track: &TrackPolicy{}}, {Demand: &DemandPolicy{Per: 3}}, {Queue: &QueuePolicy{Rate: 3, Arrival: "a"}}, {Name: "q", Queue: &QueuePolicy{Per: 3}},
		{Metric: "free", Free: &FreePolicy{Of: "fleet"}}, {Metric: "cpu", Votes: &VotesPolicy{Above: 0.8}},
		{Schedule: []Slot{slotOf(t, "0 8 * * mon-fri", "Europe/Vienna", time.Hour), slotOf(t, "@daily", "UTC", time.Hour)}},
	}
	g = g.WithDefaults()
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	record, _, err := Entry{Kind: KindConfig, Setup: &Setup{Digest: g.Digest(), Group: g}}.encode()
	if err != nil {
		t.Fatal(err)
	}
	e, err := decodeEntry(record)
	if err != nil {
		t.Fatal(err)
	}
	if d := Differences(g, e.Setup.Group); len(d) > 0 || e.Setup.Group.Digest() != g.Digest() {
		t.Errorf("%v", d)
	}
	now := scriptNow.Add(24 * time.Hour)
	if a, b := Want(g, Input{Now: now}), Want(e.Setup.Group, Input{Now: now}); a.To != b.To || a.Reason != b.Reason {
		t.Errorf("%+v, %+v", a, b)
	}
}

func TestAmount(t *testing.T) {
	t.Parallel()
	f := func(text string, want Amount, wantErr string) {
		t.Helper()
		var a Amount
		err := a.UnmarshalText([]byte(text))
		if wantErr != "" {
			if err == nil || err.Error() != wantErr {
				t.Errorf("%q: %v, want %s", text, err, wantErr)
			}
			return
		}
		back, _ := a.MarshalText()
		if err != nil || a != want || string(back) != text {
			t.Errorf("%q: %d, %v, back %q", text, a, err, back)
		}
	}
	f("3", 3, "")
	f("enough", Enough, "")
	f("", 0, "")
	f("0", 0, `amount "0": want a number from 1 on, or enough`)
	f("-1", 0, `amount "-1": want a number from 1 on, or enough`)
	f("lots", 0, `amount "lots": want a number from 1 on, or enough`)
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(1)
		l := w.live(web())
		defer l.stop()
		time.Sleep(time.Minute)
		f := func(method, path string, wantStatus int, want string) {
			t.Helper()
			r, rec := httptest.NewRequest(method, path, nil), httptest.NewRecorder()
			if method == "POST" {
				l.Commands().ServeHTTP(rec, r)
			} else {
				l.Handler().ServeHTTP(rec, r)
			}
			if rec.Code != wantStatus || !strings.Contains(rec.Body.String(), want) {
				t.Errorf("%s %s: %d\n%s\nwant %d %s", method, path, rec.Code, rec.Body, wantStatus, want)
			}
			if wantStatus < 405 && !json.Valid(rec.Body.Bytes()) && !strings.Contains(path, "jump") {
				t.Errorf("%s %s: no JSON: %s", method, path, rec.Body)
			}
		}
		f("GET", "/api/groups", 200, "capacity is at min 2")
		f("GET", "/api/groups/web", 200, `"value": 0.5`)
		f("GET", "/api/groups/db", 404, `"error": "autoscale: \"db\": no such group"`)
		f("POST", "/api/groups/web/stop?by=ann", 200, `"stopped_by": "ann"`)
		f("POST", "/api/groups/web/start?by=ann", 200, `"stopped": false`)
		f("POST", "/api/groups/db/stop", 404, "no such group")
		f("POST", "/api/groups/web/jump", 404, "")
		w.mu.Lock()
		w.missing = true
		w.mu.Unlock()
		time.Sleep(2 * time.Second)
		f("GET", "/api/groups/web", 200, `"value": null`)
	})
}
