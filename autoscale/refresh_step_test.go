package autoscale

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The language of testdata/refresh.txt:
//
//	group base=4 min=2 max=8 at_max=wait state=paused single   batch 2, canary 1, healthy 2m, pause 5m
//	there old=4 kept=1 new=1@3m loads=1@9m booting=1 silent=1 never=1 lost=1 draining=1
//	      load=4.5 alarm=errors refused=3 idle=2h ears=2/10
//	want launch|retire|wait|end|back-out|pause  how many, and what its reason holds
//
// old serve, and so do kept, which are protected; new were launched for the
// refresh and serve for so long, loads the same for the load; of silent the
// last heartbeat came a minute after the first, lost are not there any more.
// load is the metric, on average of all, above 4 more are wanted. ears are how
// many of the hosts that are not of the group are heard.
type refreshScript struct {
	group Group
	r     Refresh
}

func (do refreshDo) String() string {
	return []string{"wait", "launch", "retire", "end", "back-out", "pause"}[do]
}

func TestRefreshSteps(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/refresh.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var s refreshScript
	var in Input
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		n++
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "group":
			s = newRefreshScript(t, rest)
		case "there":
			in = s.there(t, rest)
		case "want":
			step := s.group.nextRefresh(in, s.group.count(in))
			got := step.do.String() + " "
			if step.do == refreshLaunch || step.do == refreshRetire {
				got += strconv.Itoa(max(step.n, len(step.ids))) + " "
			}
			head, reason, _ := strings.Cut(rest, " ")
			if head == "launch" || head == "retire" {
				var k string
				k, reason, _ = strings.Cut(reason, " ")
				head += " " + k
			}
			if head+" " != got || !strings.Contains(step.why, reason) {
				t.Errorf("line %d: %s%s; want %s", n, got, step.why, rest)
			}
		}
	}
}

// refreshGroup is the group of these tests.
func refreshGroup() Group {
	g := Group{
		Name: "web", Mode: Act, Metric: "m", Min: 2, Max: 8, Out: OutPolicy{Above: 4, Add: 1}, In: InPolicy{Below: 0.1, Remove: 1},
		Launch: Template{Image: "ami-2"}, Refresh: &RefreshPolicy{Batch: Portion{N: 2}},
	}
	return g.WithDefaults()
}

func newRefreshScript(t *testing.T, text string) refreshScript {
	t.Helper()
	s := refreshScript{refreshGroup(), Refresh{
		ID: "r", State: Refreshing, Old: Template{Image: "ami-1"}, New: Template{Image: "ami-2"}, At: scriptNow.Add(-30 * time.Minute), Began: scriptNow.Add(-20 * time.Minute),
	}}
	for _, field := range strings.Fields(text) {
		name, value, _ := strings.Cut(field, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "base":
			s.r.Base = n
		case "min":
			s.group.Min = n
		case "max":
			s.group.Max = n
		case "single":
			s.group.Single = true
		case "at_max":
			s.group.Refresh.AtMax = value
		case "state":
			s.r.State = RefreshState(value)
		default:
			t.Fatalf("group: %s", field)
		}
	}
	return s
}

// there makes an input.
func (s refreshScript) there(t *testing.T, text string) Input {
	t.Helper()
	r, value := s.r, 2.0
	in := Input{Now: scriptNow, Started: scriptNow.Add(-24 * time.Hour), Refresh: &r}
	add := func(prefix string, n int, i Instance) {
		for k := range n {
			i.ID, i.Launched = prefix+strconv.Itoa(k), scriptNow.Add(-10*time.Minute)
			if i.Tags == nil {
				i.Tags = map[string]string{TagGroup: "web"}
			}
			in.Instances = append(in.Instances, i)
			if prefix == "n" {
				r.Wave = append(r.Wave, i.ID)
			}
		}
	}
	for _, field := range strings.Fields(text) {
		name, rest, _ := strings.Cut(field, "=")
		count, ago, _ := strings.Cut(rest, "@")
		n, _ := strconv.Atoi(count)
		age, _ := time.ParseDuration(ago)
		old, fresh := s.r.Old.Digest(), s.r.New.Digest()
		serves := Instance{Phase: InService, FirstSeen: scriptNow.Add(-time.Hour), LastSeen: scriptNow, Template: old}
		since := Instance{Phase: InService, FirstSeen: scriptNow.Add(-age), LastSeen: scriptNow, Template: fresh}
		switch name {
		case "old":
			add("o", n, serves)
		case "kept":
			serves.Tags = map[string]string{TagProtect: "yes"}
			add("k", n, serves)
		case "new":
			add("n", n, since)
		case "loads":
			add("l", n, since)
		case "booting":
			add("n", n, Instance{Phase: Booting, Template: fresh})
			in.Instances[len(in.Instances)-1].Launched = scriptNow.Add(-time.Minute)
		case "silent":
			add("n", n, Instance{Phase: Silent, Template: fresh, FirstSeen: scriptNow.Add(-9 * time.Minute), LastSeen: scriptNow.Add(-8 * time.Minute)})
		case "never":
			add("n", n, Instance{Phase: Silent, Template: fresh})
		case "lost":
			r.Wave = append(r.Wave, "gone0")
		case "draining":
			add("d", n, Instance{Phase: Draining, Template: old})
		case "load":
			value, _ = strconv.ParseFloat(rest, 64)
		case "alarm":
			in.Alarm = rest
		case "ears":
			_, _ = fmt.Sscanf(rest, "%d/%d", &in.Ears.Heard, &in.Ears.Known)
		case "refused":
			r.Failed = n
		case "idle":
			idle, _ := time.ParseDuration(rest)
			r.At = scriptNow.Add(-idle)
		default:
			t.Fatalf("there: %s", field)
		}
	}
	in.Points = []Point{{Time: scriptNow, Value: value}}
	return in
}

// TestRefreshLaws holds whoever is there, and whatever the load.
func TestRefreshLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := genGroup(t)
		g.Refresh = &RefreshPolicy{
			Canary: rapid.IntRange(1, 3).Draw(t, "canary"), Batch: Portion{N: rapid.IntRange(1, 5).Draw(t, "batch")},
			AtMax: rapid.SampledFrom([]string{OldFirst, MaxWait}).Draw(t, "at_max"),
		}
		in := genInput(t, g)
		r := Refresh{
			ID: "r", Old: Template{Image: "ami-0"}, New: Template{Image: "ami-1"}, Base: rapid.IntRange(0, 25).Draw(t, "base"),
			State: rapid.SampledFrom([]RefreshState{Refreshing, RefreshPaused, BackingOut}).Draw(t, "state"), At: scriptNow.Add(-time.Minute),
		}
		for n := range in.Instances {
			in.Instances[n].Template = rapid.SampledFrom([]string{r.Old.Digest(), r.New.Digest(), ""}).Draw(t, "template")
			in.Instances[n].Tags = map[string]string{TagGroup: "web"}
			if rapid.Bool().Draw(t, "wave") {
				r.Wave = append(r.Wave, in.Instances[n].ID)
			}
		}
		plain := Want(g, in)
		in.Refresh = &r
		d := Want(g, in)
		law := func(ok bool, text string) {
			t.Helper()
			if !ok {
				t.Errorf("%s\n%s\n%+v", text, fmt.Sprintf("%+v", d), r)
			}
		}
		serve := 0
		for _, i := range in.Instances {
			if i.Phase == InService {
				serve++
			}
		}
		most := max(g.Refresh.Batch.N, g.Refresh.Canary)
		law(d.Refresh == "" || plain.Direction == Stay, "the load goes first")
		law(d.Refresh != "" || d.To >= plain.To, "less is never wanted of the load than without it")
		law(!d.Acts() || in.Stopped == "", "the stop switch stops all")
		law(d.Refresh == "" || r.State != RefreshPaused, "a pause takes no step")
		law(d.Code != codeRefresh || d.To <= max(g.Max, d.From), "never above max")
		law(d.Code != codeRetire || len(d.Instances) > 0 || serve-(d.From-d.To) >= g.Min, "never below min by what serves")
		law(d.Code != codeRetire || max(d.From-d.To, len(d.Instances)) <= most, "never more than a batch at once")
		law(Want(g, in).Code == d.Code, "the same question, the same answer")
	})
}
