package haproxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func address(n int) netip.AddrPort { return netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:8080", n)) }

// apply does to slots what HAProxy does.
func apply(t interface{ Fatalf(string, ...any) }, slots []Slot, changes []Change) []Slot {
	slots = slices.Clone(slots)
	for _, c := range changes {
		k := slices.IndexFunc(slots, func(s Slot) bool { return s.Name == c.Slot })
		for _, command := range c.Commands {
			words := strings.Fields(strings.TrimPrefix(command, "set server web/"+c.Slot+" "))
			switch {
			case len(words) == 4 && words[0] == "addr" && words[2] == "port":
				if slots[k].State != Maint {
					t.Fatalf("the address of %s changes while it is at work", c.Slot)
				}
				slots[k].Address = netip.MustParseAddrPort(words[1] + ":" + words[3])
			case len(words) == 2 && words[0] == "weight":
				slots[k].Weight, _ = strconv.Atoi(words[1])
			case len(words) == 2 && words[0] == "state":
				slots[k].State = State(words[1])
			default:
				t.Fatalf("what is %q?", command)
			}
		}
	}
	return slots
}

// TestPlan: whatever HAProxy has, one plan makes it what the group is, a second
// one changes nothing, and who had a slot keeps it.
func TestPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var slots []Slot
		for n := range rapid.IntRange(0, 6).Draw(t, "slots") {
			slots = append(slots, Slot{
				Name: fmt.Sprintf("web%d", n+1), Address: address(rapid.IntRange(0, 8).Draw(t, "at")),
				State: rapid.SampledFrom([]State{Ready, Drain, Maint}).Draw(t, "state"), Weight: rapid.IntRange(0, 100).Draw(t, "weight"),
				Requests: rapid.IntRange(0, 2).Draw(t, "requests"),
			})
		}
		var targets []Target
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 8), 0, 8, rapid.ID[int]).Draw(t, "members") {
			targets = append(targets, Target{fmt.Sprintf("i-%d", n), address(n), rapid.SampledFrom([]State{Ready, Ready, Drain}).Draw(t, "wants"), rapid.IntRange(1, 100).Draw(t, "its weight")})
		}
		before := map[string]string{}
		for _, target := range targets {
			before[target.Instance] = rapid.SampledFrom([]string{"", "web1", "web2", "web9"}).Draw(t, "before")
		}
		changes, holds := Plan("web", slots, targets, before)
		after := apply(t, slots, changes)
		if more, _ := Plan("web", after, targets, holds); len(more) > 0 {
			t.Fatalf("a second plan wants %v", more)
		}
		if want := min(len(slots), len(targets)); len(holds) != want {
			t.Fatalf("%d targets have a slot, want %d", len(holds), want)
		}
		at := map[string]Target{}
		for _, target := range targets {
			if name := holds[target.Instance]; name != "" {
				at[name] = target
			}
		}
		if len(at) != len(holds) {
			t.Fatal("two targets share a slot")
		}
		for k, s := range after {
			target, held := at[s.Name]
			switch {
			case !held && s.State != Maint:
				t.Fatalf("%+v is nobody's", s)
			case held && (s.State != target.State || s.Address != target.Address || s.Weight != target.Weight && target.State == Ready):
				t.Fatalf("%+v is not %+v", s, target)
			case held && slots[k].Address != target.Address && slices.ContainsFunc(slots, func(s Slot) bool { return s.Address == target.Address }):
				t.Fatalf("%+v moved", target)
			}
		}
	})
}

// TestPlanKeepsSlots: of an HAProxy that has restarted, each server gets the
// slot that it had.
func TestPlanKeepsSlots(t *testing.T) {
	slots := []Slot{{Name: "web1", State: Maint}, {Name: "web2", State: Maint}, {Name: "web3", State: Maint}}
	targets := []Target{{"i-1", address(1), Ready, 50}, {"i-2", address(2), Drain, 0}}
	changes, holds := Plan("web", slots, targets, map[string]string{"i-1": "web3"})
	want := []Change{
		{"web1", []string{"set server web/web1 addr 10.0.0.2 port 8080", "set server web/web1 state drain"}},
		{"web3", []string{"set server web/web3 addr 10.0.0.1 port 8080", "set server web/web3 weight 50", "set server web/web3 state ready"}},
	}
	if diff := cmp.Diff(want, changes, cmpopts.EquateEmpty()); diff != "" || holds["i-1"] != "web3" {
		t.Errorf("(-want +got) %s, holds %v", diff, holds)
	}
}

// What HAProxy 2.6 answers.
const (
	stateAnswer = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port
3 web 1 web1 127.0.0.2 0 12 42 100 1 8 2 0 6 0 0 0 - 9090 - 0 0 - - 0
3 web 2 web2 ::1 0 5 100 100 4 1 0 0 14 0 0 0 - 1 - 0 0 - - 0
3 web 3 web3 - 0 0 100 100 4 1 0 0 14 0 0 0 - 8080 - 0 0 - - 0

`
	statAnswer = `# pxname,svname,qcur,qmax,scur,smax,status,lastsess,last_chk,
web,web1,1,0,2,0,DOWN,7,"Layer4, connection ""refused""",
web,web2,,0,0,0,MAINT,,,
web,web3,0,0,0,0,no check,-1,,

`
)

func TestParse(t *testing.T) {
	got, err := parseState(stateAnswer)
	if err == nil {
		err = parseStat(statAnswer, got)
	}
	want := []Slot{
		{"web1", netip.MustParseAddrPort("127.0.0.2:9090"), Drain, 42, "DOWN", 3, 7},
		{"web2", netip.MustParseAddrPort("[::1]:1"), Maint, 100, "MAINT", 0, -1},
		{"web3", netip.AddrPort{}, Ready, 100, "no check", 0, -1},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" || err != nil {
		t.Errorf("%v\n(-want +got) %s", err, diff)
	}
	for text, want := range map[string]string{
		"":                      "no answer",
		"Can't find backend.\n": "Can't find backend.",
		"1\n3 web 1 web1\n":     "no column srv_name",
	} {
		if _, err := parseState(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if err := parseStat("No such proxy.\n", nil); err == nil || !strings.Contains(err.Error(), "No such proxy.") {
		t.Error(err)
	}
}

// FuzzParse: whatever HAProxy answers, no name that is not one gets into a
// command.
func FuzzParse(f *testing.F) {
	f.Add(stateAnswer, statAnswer)
	f.Add("1\n# srv_name srv_addr srv_admin_state srv_uweight srv_port\nweb1;quit 1.2.3.4 0 1 1\n", "# svname,scur\nweb1,1\n")
	f.Fuzz(func(t *testing.T, state, stat string) {
		slots, err := parseState(state)
		if err != nil {
			return
		}
		for _, s := range slots {
			if !isName(s.Name) || strings.ContainsAny(s.Name, "; \n") {
				t.Fatalf("a slot is called %q", s.Name)
			}
		}
		_ = parseStat(stat, slots) // must not panic
	})
}
