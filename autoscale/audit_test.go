package autoscale

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What people do, and what a reload changes, is kept over restarts and
// snapshots.
func TestAuditKeepsWhoDidWhat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		conf := web()
		conf.Groups[0].Launch.UserData = "a secret"
		l := w.live(conf)
		time.Sleep(10 * time.Second)
		if err := l.Stop(t.Context(), "web", "ops: a deployment"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		l.stop()
		conf.Groups[0].Out.Above, conf.Groups[0].Launch.UserData = 5, "another"
		l = w.live(conf)
		time.Sleep(10 * time.Second)
		if err := l.Start(t.Context(), "web", "night"); err != nil {
			t.Fatal(err)
		}
		l.stop()
		l = w.live(conf)
		time.Sleep(10 * time.Second)
		all, err := l.Audit("web")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range all {
			_, text, _ := strings.Cut(a.Text, ": ")
			got = append(got, string(a.What)+" by "+a.By+": "+text)
		}
		want := []string{
			"start by night: ",
			"config by the configuration: out.above 4 -> 5, launch.user_data sha256:984ca5162200734c -> sha256:ae448ac86c4e8e4d",
			"stop by ops: a deployment: ",
			"config by the configuration: mode act",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		s, err := l.Setup("web", "")
		if b, bad := json.Marshal(s); err != nil || bad != nil || strings.Contains(string(b), "another") {
			t.Errorf("%s, %v, %v", b, err, bad)
		}
		rs, err := l.Records("web", Page{Limit: 100})
		if err != nil || rs[0].Policy == rs[len(rs)-1].Policy {
			t.Errorf("%v: the newest decision is of policy %s, the oldest of %s", err, rs[0].Policy, rs[len(rs)-1].Policy)
		}
		if then, err := l.Setup("web", rs[len(rs)-1].Policy); err != nil || then.Group.Out.Above != 4 {
			t.Errorf("%+v, %v", then, err)
		}
		l.stop()
	})
}

func TestSettingsAreNamedAsInTheFile(t *testing.T) {
	t.Parallel()
	g := Group{
		Name: "web", Min: 2, Track: &TrackPolicy{Use: 0.7}, Cooldown: time.Minute,
		Out: OutPolicy{Steps: []Step{{Above: 4, Add: Enough}}}, Launch: Template{Tags: map[string]string{"b": "2", "a": "1"}},
	}
	var got []string
	for _, s := range g.Settings() {
		got = append(got, s.Name+"="+s.Value)
	}
	want := []string{
		"name=web", "min=2", "out.steps[0].above=4", "out.steps[0].add=enough", "track.use=0.7", "cooldown=1m0s",
		"launch.tags.a=1", "launch.tags.b=2",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	other := g
	other.Min, other.Title = 3, "load"
	if d := cmp.Diff([]Difference{{"min", "2", "3"}, {"title", "", "load"}}, Differences(g, other)); d != "" {
		t.Error(d)
	}
	if g.Digest() == other.Digest() || g.Digest() != g.public().Digest() {
		t.Error(g.Digest(), other.Digest())
	}
}
