package roster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/autoscale"
)

// letters are phases in texts of tests.
var letters = map[rune]autoscale.Phase{
	'p': autoscale.Pending, 'b': autoscale.Booting, 'i': autoscale.InService, 's': autoscale.Silent, 'd': autoscale.Draining,
	'r': autoscale.Replaced, 't': autoscale.Terminating, 'o': autoscale.Stopped, 'x': autoscale.Terminated,
}

// groupOf makes a membership of a text such as "a:i b:d": instances, in the
// order of their launches, and their phases.
func groupOf(name, text string) autoscale.Membership {
	m := autoscale.Membership{Group: name, At: time.Unix(1, 0)}
	for _, word := range strings.Fields(text) {
		id, phase, _ := strings.Cut(word, ":")
		launched := time.Unix(int64(id[0]), 0)
		m.Instances = append(m.Instances, autoscale.Instance{
			ID: id, Phase: letters[rune(phase[0])], Launched: launched, PrivateIP: fmt.Sprintf("10.0.0.%d", id[0]),
		})
	}
	return m
}

// ranksOf writes members as "web-1=a web-2=b -=c".
func ranksOf(ms []Member) string {
	var words []string
	for _, m := range ms {
		alias := m.Alias
		if m.Rank == 0 {
			alias = "-"
		}
		words = append(words, alias+"="+m.ID)
	}
	return strings.Join(words, " ")
}

// TestOf plays the life of a group, one list after the other.
func TestOf(t *testing.T) {
	f := func(steps ...string) {
		t.Helper()
		var ms []Member
		for _, step := range steps {
			now, want, _ := strings.Cut(step, " => ")
			var all []autoscale.Membership
			if now != "?" {
				all = append(all, groupOf("web", now))
			}
			ms = Of(ms, []string{"web"}, all)
			if d := cmp.Diff(want, ranksOf(ms)); d != "" {
				t.Errorf("%s:\n%s", step, d)
			}
		}
	}
	f( // a rank comes with service, in the order of launches, and stays
		"a:p b:b => -=a -=b",
		"a:b b:i => web-1=b -=a",
		"a:i b:i => web-1=b web-2=a",
		"a:s b:i => web-1=b web-2=a",
		"a:i b:i c:i d:i => web-1=b web-2=a web-3=c web-4=d",
		"? => web-1=b web-2=a web-3=c web-4=d",
		"a:i b:i d:i => web-1=b web-2=a web-4=d",
		"a:i b:i d:i e:p => web-1=b web-2=a web-4=d -=e",
		"a:i b:i d:i e:i => web-1=b web-2=a web-3=e web-4=d",
	)
	f( // who leaves keeps his alias until another wants it
		"a:i b:i c:i => web-1=a web-2=b web-3=c",
		"a:d b:i c:i => web-1=a web-2=b web-3=c",
		"a:d b:i c:i d:i => web-1=d web-2=b web-3=c -=a",
		"a:i b:i c:i d:i => web-1=d web-2=b web-3=c web-4=a",
		"b:t c:t a:x d:i => web-1=d web-2=b web-3=c",
	)
	f( // a group of one: lost, and replaced
		"a:i => web-1=a",
		"a:s => web-1=a",
		"a:s b:b => web-1=a -=b",
		"a:s b:i => web-1=a web-2=b",
		"a:r b:i => web-1=b -=a",
		"b:i => web-1=b",
	)
	f( // and renewed
		"a:i b:i => web-1=a web-2=b",
		"a:d b:i => web-1=b -=a",
	)
	f("a:i b:i => web-1=a web-2=b", " => ", "c:i => web-1=c")
	if ms := Of([]Member{{Group: "gone", ID: "x", Rank: 1}}, []string{"web"}, nil); len(ms) != 0 {
		t.Errorf("a group that is not configured has %v", ms)
	}
}

// TestRanks: whatever happens to a group, all that serve have a rank, no two
// the same; who has one and does not leave keeps it, unless he is alone.
func TestRanks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		phases := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]rune("pbisdrtox-")), 6, 6), 1, 12).Draw(t, "phases")
		var before []Member
		for _, step := range phases {
			var words []string
			for i, p := range step {
				if p != '-' {
					words = append(words, fmt.Sprintf("%c:%c", 'a'+i, p))
				}
			}
			now := Of(before, []string{"web"}, []autoscale.Membership{groupOf("web", strings.Join(words, " "))})
			check(t, before, now)
			before = now
		}
	})
}

func check(t *rapid.T, before, now []Member) {
	taken, keepers := map[int]bool{}, 0
	for _, m := range now {
		if m.Rank > 0 && taken[m.Rank] || m.Rank < 0 || m.Rank > 6 {
			t.Fatalf("rank %d: %s", m.Rank, ranksOf(now))
		}
		taken[m.Rank] = true
		if m.Phase == autoscale.InService && m.Rank == 0 {
			t.Fatalf("%s serves without a rank: %s", m.ID, ranksOf(now))
		}
		if m.Rank > 0 && !m.Leaving() {
			keepers++
		}
	}
	for _, was := range before {
		at := slices.IndexFunc(now, func(m Member) bool { return m.ID == was.ID })
		if at >= 0 && was.Rank > 0 && !now[at].Leaving() && now[at].Rank != was.Rank && (keepers > 1 || now[at].Rank != 1) {
			t.Fatalf("%s had rank %d and has %d: %s", was.ID, was.Rank, now[at].Rank, ranksOf(now))
		}
	}
	if keepers == 1 && !taken[1] {
		t.Fatalf("who is alone is not the first: %s", ranksOf(now))
	}
	if again := Of(now, []string{"web"}, nil); !slices.Equal(again, now) {
		t.Fatalf("not stable: %s", ranksOf(again))
	}
}

func TestFirstAndFind(t *testing.T) {
	ms := Of(nil, []string{"web", "db"}, []autoscale.Membership{groupOf("web", "a:i b:i c:i"), groupOf("db", "d:i")})
	ms = Of(ms, []string{"web", "db"}, []autoscale.Membership{groupOf("web", "a:s b:i c:i"), groupOf("db", "d:i")})
	if first, ok := First(ofGroup(ms, "web")); !ok || first.ID != "b" {
		t.Errorf("the first is %v", first)
	}
	for name, want := range map[string]string{"web-3": "c", "WEB-1": "a", "10.0.0.100": "d", "d": "d", "nobody": "", "": ""} {
		if m, ok := Find(ms, name); m.ID != want || ok != (want != "") {
			t.Errorf("%q is %q", name, m.ID)
		}
	}
}
