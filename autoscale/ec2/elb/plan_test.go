package elb

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/autoscale"
)

// sightOf reads a situation: members as name:phase, targets as name=state, with
// a port after the name where it is not 80, and after "known" who was one.
func sightOf(t *testing.T, text string) sight {
	t.Helper()
	s := sight{by: ByInstance, port: 80, fresh: true, ours: map[string]bool{}, known: map[string]string{}, targets: map[target]health{}}
	for _, word := range strings.Fields(text) {
		switch {
		case word == "stale":
			s.fresh = false
		case strings.Contains(word, "="):
			name, st, _ := strings.Cut(word, "=")
			at := target{name, 80}
			if id, port, ok := strings.Cut(name, "/"); ok {
				at.ID = id
				if _, err := fmt.Sscan(port, &at.Port); err != nil {
					t.Fatal(err)
				}
			}
			s.targets[at] = health{State: st}
		case strings.HasPrefix(word, "known:"):
			s.known[strings.TrimPrefix(word, "known:")] = "i"
		default:
			id, phase, _ := strings.Cut(word, ":")
			s.members = append(s.members, autoscale.Instance{ID: id, Phase: autoscale.Phase(phase)})
			s.ours[id] = true
		}
	}
	return s
}

func (p plan) String() string {
	var words []string
	for _, t := range p.register {
		words = append(words, "+"+t.ID)
	}
	for _, t := range p.deregister {
		words = append(words, "-"+t.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(p.kept)) {
		words = append(words, "kept:"+id)
	}
	for _, id := range p.foreign {
		words = append(words, "foreign:"+id)
	}
	return strings.Join(words, " ")
}

func TestPlan(t *testing.T) {
	t.Parallel()
	f := func(situation, want string) {
		t.Helper()
		if d := cmp.Diff(want, sightOf(t, situation).plan().String()); d != "" {
			t.Errorf("%s:\n%s", situation, d)
		}
	}
	// Who serves is registered, who is on the way is not, who is silent stays.
	f("a:in-service b:booting c:pending", "+a")
	f("a:in-service a=healthy", "")
	f("a:in-service a=unhealthy b:silent b=healthy c:silent", "")
	// Taken back while it drained, or taken out by somebody else.
	f("a:in-service a=draining", "+a")
	f("a:in-service a=unhealthy.draining", "+a")
	// Who goes is deregistered, on every port, once.
	f("a:in-service a=healthy b:draining b=healthy", "-b")
	f("a:in-service a=healthy b:draining b=healthy b/81=healthy", "-b -b")
	f("a:in-service a=healthy b:draining b=draining", "")
	f("a:in-service a=healthy b:draining", "")
	f("a:in-service a=healthy b:terminating b=healthy c:stopped c=unused d:terminated d=unused", "-b -c -d")
	// The last one that is healthy goes when its heir is healthy, and not before;
	// but when it must, and when nobody is to stay.
	f("a:in-service b:replaced b=healthy", "+a kept:b")
	f("a:in-service a=initial b:replaced b=healthy", "kept:b")
	f("a:in-service a=unhealthy b:draining b=healthy c:draining c=healthy", "kept:b kept:c")
	f("a:in-service a=initial b:terminating b=healthy", "-b")
	f("b:draining b=healthy c:terminating c=healthy", "-b -c")
	f("a:booting b:draining b=healthy", "kept:b")
	f("a:in-service a=initial b:draining b=unhealthy", "-b")
	// Another one's healthy target serves too, and is not ours to touch.
	f("a:in-service a=initial b:draining b=healthy x=healthy", "-b foreign:x")
	f("a:in-service a=healthy x=healthy x/81=healthy y=draining", "foreign:x")
	f("a:in-service a=healthy a/81=healthy", "")
	// Who is gone was known; of an old list, and of an empty one, nobody is.
	f("a:in-service a=healthy known:b b=healthy", "-b")
	f("a:in-service a=initial known:b b=healthy", "kept:b")
	f("a:in-service a=initial known:b b=unused", "-b")
	f("stale a:in-service a=healthy known:b b=healthy", "")
	f("stale a:in-service a=healthy b:draining b=healthy", "-b")
	f("known:b b=healthy", "")
}

// TestPlanComesToAnEnd: whatever there is, carrying plans out and letting time
// pass leads to targets that are those who serve and those who are not ours; and
// no step takes the last healthy one from those who are to serve.
func TestPlanComesToAnEnd(t *testing.T) {
	t.Parallel()
	phases := []autoscale.Phase{
		autoscale.Pending, autoscale.Booting, autoscale.InService, autoscale.Silent, autoscale.Draining,
		autoscale.Replaced, autoscale.Terminating, autoscale.Stopped, autoscale.Terminated,
	}
	states := []string{"initial", "healthy", "unhealthy", "draining", "unused"}
	rapid.Check(t, func(t *rapid.T) {
		s := sight{by: ByInstance, port: 80, fresh: true, ours: map[string]bool{}, known: map[string]string{}, targets: map[target]health{}}
		want := map[string]bool{}
		for n := range rapid.IntRange(0, 8).Draw(t, "instances") {
			id := fmt.Sprint("i-", n)
			switch rapid.IntRange(0, 4).Draw(t, "whose") {
			case 0: // somebody else's
				want[id] = true
				s.targets[target{id, 80}] = health{State: rapid.SampledFrom(states[:3]).Draw(t, "state")}
			case 1: // gone
				s.known[id] = id
				s.targets[target{id, 80}] = health{State: rapid.SampledFrom(states).Draw(t, "state")}
			default:
				phase := rapid.SampledFrom(phases).Draw(t, "phase")
				s.members, s.ours[id] = append(s.members, autoscale.Instance{ID: id, Phase: phase}), true
				if rapid.Bool().Draw(t, "listed") {
					s.targets[target{id, 80}] = health{State: rapid.SampledFrom(states[:3]).Draw(t, "state")}
				}
				leaves, _ := goes(phase)
				want[id] = phase == autoscale.InService || !leaves && s.targets[target{id, 80}].State != ""
			}
		}
		if len(s.members) == 0 {
			return
		}
		for range 10 {
			before := healthyOf(s)
			p := s.plan()
			for _, at := range p.register {
				s.targets[at] = health{State: "initial"}
			}
			for _, at := range p.deregister {
				s.targets[at] = health{State: "draining"}
			}
			if before > 0 && healthyOf(s) == 0 && len(p.deregister) > 0 && someStay(s) && !mustGo(s, p) {
				t.Fatalf("%v took the last healthy target of %v", p, s.members)
			}
			for at, h := range s.targets { // time passes
				switch {
				case h.draining():
					delete(s.targets, at)
				case want[at.ID]:
					s.targets[at] = health{State: "healthy"}
				}
			}
		}
		serving := slices.Contains(slices.Collect(maps.Values(want)), true)
		for id, is := range want {
			if !is && !serving {
				continue // the last one stays while nobody else comes
			}
			if _, ok := s.of(id); is != ok {
				t.Fatalf("%s is a target: %t, want %t: members %v, targets %v", id, ok, is, s.members, s.targets)
			}
		}
		for at := range s.targets {
			if _, gone := s.known[at.ID]; gone && serving {
				t.Fatalf("%s is gone, and still a target: %v", at.ID, s.targets)
			}
		}
	})
}

func healthyOf(s sight) (n int) {
	for _, h := range s.targets {
		if h.healthy() {
			n++
		}
	}
	return n
}

func someStay(s sight) bool {
	return slices.ContainsFunc(s.members, func(i autoscale.Instance) bool { leaves, _ := goes(i.Phase); return !leaves })
}

func mustGo(s sight, p plan) bool {
	return slices.ContainsFunc(s.members, func(i autoscale.Instance) bool {
		_, must := goes(i.Phase)
		return must && slices.Contains(p.deregister, target{i.ID, 80})
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/web/0123456789abcdef"
	f := func(want string, bs ...Binding) {
		t.Helper()
		got := ""
		if err := Config(bs).Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%+v:\n%s\nwant\n%s", bs, got, want)
		}
	}
	f("", Binding{Group: "web", TargetGroup: arn}, Binding{Group: "web", TargetGroup: arn, Port: 81}, Binding{Group: "api", TargetGroup: arn})
	f(`elb: item 1: group: the name of a group is wanted`, Binding{TargetGroup: arn})
	f(`elb: item 1: target_group "web": want its ARN, arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID`, Binding{Group: "web", TargetGroup: "web"})
	f(`elb: item 2: port 70000: want 1 to 65535, or none for the target group's own`, Binding{Group: "a", TargetGroup: arn}, Binding{Group: "web", TargetGroup: arn, Port: 70000})
	f(`elb: item 1: by "name": want instance or ip`, Binding{Group: "web", TargetGroup: arn, By: "name"})
	f(`elb: item 2: group "web" has this target group and port already`, Binding{Group: "web", TargetGroup: arn}, Binding{Group: "web", TargetGroup: arn})
}
