package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"rondo/autoscale"
)

// member reads "1:in-service@10.0.0.1": number, phase, address.
func member(text string) autoscale.Instance {
	number, rest, _ := strings.Cut(text, ":")
	phase, ip, _ := strings.Cut(rest, "@")
	var n int
	_, _ = fmt.Sscan(number, &n)
	return autoscale.Instance{
		ID: "i-" + number, Host: "web-" + number, Phase: autoscale.Phase(phase), PrivateIP: ip,
		Launched: time.Unix(int64(n), 0),
	}
}

func members(text string) (out []autoscale.Instance) {
	for _, w := range strings.Fields(text) {
		out = append(out, member(w))
	}
	return out
}

func addrs(text string) (out []netip.Addr) {
	for _, w := range strings.Fields(text) {
		out = append(out, netip.MustParseAddr(w))
	}
	return out
}

func webItem(edit ...func(*Item)) Item {
	it := Item{Group: "web", Name: "web.example.com", Zone: "example.com"}
	for _, f := range edit {
		f(&it)
	}
	return it.withDefaults()
}

// zoneOf is a zone with the item's name and ledger.
func zoneOf(has string, ttl time.Duration, ledger ...string) Zone {
	z := Zone{Sets: map[string]Set{}, Ledger: Texts{Values: ledger, TTL: ttl}}
	if has != "" {
		z.Sets["web.example.com"] = Set{Addrs: addrs(has), TTL: ttl}
	}
	return z
}

func TestWant(t *testing.T) {
	const ttl = 30 * time.Second
	f := func(what string, it Item, who string, z Zone, want string, ledger string, held ...HoldCode) {
		t.Helper()
		p := Want(it, members(who), z)
		after := make(map[string][]string)
		for name, set := range apply(z, p.Update).Sets {
			for _, a := range set.Addrs {
				after[name] = append(after[name], a.String())
			}
		}
		var names []string
		for name, as := range after {
			slices.Sort(as)
			short := strings.TrimSuffix(name, ".example.com")
			names = append(names, short+"="+strings.Join(as, ","))
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: names %s, want %s", what, got, want)
		}
		if got := strings.Join(p.Update.Ledger.Is.Values, "|"); got != ledger && !p.Blocked() {
			t.Errorf("%s: ledger %s, want %s", what, got, ledger)
		}
		var codes []HoldCode
		for _, h := range p.Held {
			codes = append(codes, h.Code)
		}
		if !slices.Equal(codes, held) {
			t.Errorf("%s: held %v, want %v", what, p.Held, held)
		}
	}
	all := webItem()
	first := webItem(func(it *Item) { it.Records = First })
	adopts := webItem(func(it *Item) { it.Adopt = true })
	each := webItem(func(it *Item) { it.Each = "{host}.example.com" })

	f("the first address claims the name", all, "1:in-service@10.0.0.1 2:booting@10.0.0.2", zoneOf("", 0), "web=10.0.0.1", "rondo group=web 10.0.0.1")
	f("nobody yet", all, "1:booting@10.0.0.1", zoneOf("", 0), "", "")
	f("draining, silent and replaced go", all, "1:in-service@10.0.0.1 2:draining@10.0.0.2 3:silent@10.0.0.3 4:replaced@10.0.0.4 5:in-service@10.0.0.5",
		zoneOf("10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4", ttl, "rondo group=web 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4"), "web=10.0.0.1,10.0.0.5", "rondo group=web 10.0.0.1 10.0.0.5")
	f("the last stay", all, "1:draining@10.0.0.1", zoneOf("10.0.0.1 10.0.0.2", ttl, "rondo group=web 10.0.0.1 10.0.0.2"), "web=10.0.0.1,10.0.0.2", "rondo group=web 10.0.0.1 10.0.0.2", HoldEmpty)
	f("most fell silent", all, "1:silent@10.0.0.1 2:silent@10.0.0.2 3:in-service@10.0.0.3", zoneOf("10.0.0.1 10.0.0.2 10.0.0.3", ttl, "rondo group=web 10.0.0.1 10.0.0.2 10.0.0.3"),
		"web=10.0.0.1,10.0.0.2,10.0.0.3", "rondo group=web 10.0.0.1 10.0.0.2 10.0.0.3", HoldSilent)
	f("one of two is silent", all, "1:silent@10.0.0.1 2:in-service@10.0.0.2", zoneOf("10.0.0.1 10.0.0.2", ttl, "rondo group=web 10.0.0.1 10.0.0.2"), "web=10.0.0.2", "rondo group=web 10.0.0.2")
	f("what others added stays", all, "1:in-service@10.0.0.1", zoneOf("10.0.0.2 192.0.2.9", ttl, "rondo group=web 10.0.0.2"), "web=10.0.0.1,192.0.2.9", "rondo group=web 10.0.0.1")
	f("what others removed comes back", all, "1:in-service@10.0.0.1", zoneOf("", ttl, "rondo group=web 10.0.0.1"), "web=10.0.0.1", "rondo group=web 10.0.0.1")
	f("not ours", all, "1:in-service@10.0.0.1", zoneOf("192.0.2.9", ttl), "web=192.0.2.9", "", HoldForeign)
	f("another group's", all, "1:in-service@10.0.0.1", zoneOf("10.0.9.9", ttl, "rondo group=db 10.0.9.9"), "web=10.0.9.9", "", HoldOwned)
	f("no ledger at all", all, "1:in-service@10.0.0.1", zoneOf("10.0.9.9", ttl, "v=spf1"), "web=10.0.9.9", "", HoldOwned)
	f("adopted", adopts, "1:in-service@10.0.0.1", zoneOf("192.0.2.9 10.0.0.1", ttl), "web=10.0.0.1,192.0.2.9", "rondo group=web 10.0.0.1")
	f("adopted from a group", adopts, "1:in-service@10.0.0.1", zoneOf("10.0.9.9", ttl, "rondo group=db 10.0.9.9"), "web=10.0.0.1", "rondo group=web 10.0.0.1")
	f("no address", all, "1:in-service@", zoneOf("", ttl), "", "", HoldNoIP)
	f("IPv6 too", all, "1:in-service@2001:db8::1", zoneOf("", ttl), "web=2001:db8::1", "rondo group=web 2001:db8::1")

	f("the first is the first that serves", first, "3:silent@10.0.0.3 2:in-service@10.0.0.2 1:in-service@10.0.0.1", zoneOf("", ttl), "web=10.0.0.2", "rondo group=web 10.0.0.2")
	f("who has it keeps it", first, "1:in-service@10.0.0.1 2:in-service@10.0.0.2", zoneOf("10.0.0.2", ttl, "rondo group=web 10.0.0.2"), "web=10.0.0.2", "rondo group=web 10.0.0.2")
	f("the heir takes it", first, "1:in-service@10.0.0.1 2:silent@10.0.0.2", zoneOf("10.0.0.2", ttl, "rondo group=web 10.0.0.2"), "web=10.0.0.1", "rondo group=web 10.0.0.1")
	f("no heir yet", first, "1:booting@10.0.0.1 2:silent@10.0.0.2", zoneOf("10.0.0.2", ttl, "rondo group=web 10.0.0.2"), "web=10.0.0.2", "rondo group=web 10.0.0.2", HoldEmpty)

	f("a name for each", each, "1:in-service@10.0.0.1 2:draining@10.0.0.2 3:terminated@", zoneOf("", 0), "web-1=10.0.0.1 web-2=10.0.0.2 web=10.0.0.1", "rondo group=web 10.0.0.1 web-1.example.com=10.0.0.1 web-2.example.com=10.0.0.2")
	z := zoneOf("10.0.0.1 10.0.0.2", ttl, "rondo group=web 10.0.0.1 10.0.0.2 web-1.example.com=10.0.0.1 web-2.example.com=10.0.0.2")
	z.Sets["web-1.example.com"], z.Sets["web-2.example.com"] = Set{Addrs: addrs("10.0.0.1"), TTL: ttl}, Set{Addrs: addrs("10.0.0.2"), TTL: ttl}
	f("it goes with its instance", each, "1:in-service@10.0.0.1", z, "web-1=10.0.0.1 web=10.0.0.1", "rondo group=web 10.0.0.1 web-1.example.com=10.0.0.1")
	z = zoneOf("", 0)
	z.Sets["web-1.example.com"] = Set{Addrs: addrs("192.0.2.1"), TTL: ttl}
	f("but one that is there stays", each, "1:in-service@10.0.0.1", z, "web-1=192.0.2.1 web=10.0.0.1", "rondo group=web 10.0.0.1", HoldTaken)
	z = zoneOf("", 0)
	z.Sets["web.example.com"] = Set{Other: "a CNAME"}
	f("a CNAME", all, "1:in-service@10.0.0.1", z, "", "", HoldOther)
	if p := Want(webItem(func(it *Item) { it.TTL = time.Minute }), members("1:in-service@10.0.0.1"), zoneOf("10.0.0.1", ttl, "rondo group=web 10.0.0.1")); !p.Changes() || p.Update.Sets[0].Is.TTL != time.Minute {
		t.Errorf("another TTL: %+v", p.Update)
	}
}

// apply does to a zone what a provider would, without its prerequisites.
func apply(z Zone, u Update) Zone {
	out := Zone{Sets: make(map[string]Set), Ledger: z.Ledger}
	for name, s := range z.Sets {
		if s.Other == "" {
			out.Sets[name] = s
		}
	}
	for _, c := range u.Sets {
		out.Sets[c.Name] = c.Is
		if len(c.Is.Addrs) == 0 {
			delete(out.Sets, c.Name)
		}
	}
	if u.Ledger.Name != "" {
		out.Ledger = u.Ledger.Is
	}
	return out
}

// TestAnyHistory: whatever becomes of the members, and whoever writes in between,
// a name never loses its last address, what others wrote stays, one update is
// enough, and a second one never follows.
func TestAnyHistory(t *testing.T) {
	phases := []autoscale.Phase{
		autoscale.Pending, autoscale.Booting, autoscale.InService, autoscale.InService, autoscale.InService,
		autoscale.Silent, autoscale.Draining, autoscale.Replaced, autoscale.Terminating, autoscale.Terminated,
	}
	rapid.Check(t, func(t *rapid.T) {
		it := webItem(func(it *Item) {
			it.Records = rapid.SampledFrom([]Records{All, First}).Draw(t, "records")
			it.Each = rapid.SampledFrom([]string{"", "{host}.example.com"}).Draw(t, "each")
			it.Adopt = rapid.Bool().Draw(t, "adopt")
		})
		z, foreign := zoneOf("", 0), map[netip.Addr]bool{}
		for step := range rapid.IntRange(1, 30).Draw(t, "steps") {
			var is []autoscale.Instance
			for n := range rapid.IntRange(0, 8).Draw(t, "members") {
				phase := rapid.SampledFrom(phases).Draw(t, "phase")
				is = append(is, member(fmt.Sprintf("%d:%s@10.0.0.%d", n, phase, n+1)))
			}
			if rapid.IntRange(0, 4).Draw(t, "others") == 0 {
				a := netip.AddrFrom4([4]byte{192, 0, 2, byte(step)})
				foreign[a] = true
				set := z.Sets[it.Name]
				z.Sets[it.Name] = Set{Addrs: append(slices.Clone(set.Addrs), a), TTL: max(set.TTL, time.Second)}
			}
			before := z
			p := Want(it, is, z)
			if lost := rapid.IntRange(0, 3).Draw(t, "lost") == 0; lost {
				continue // the update never arrived
			}
			z = apply(z, p.Update)
			checkZone(t, it, is, before, z, p, foreign)
		}
	})
}

func checkZone(t *rapid.T, it Item, is []autoscale.Instance, before, z Zone, p Plan, foreign map[netip.Addr]bool) {
	has := z.Sets[it.Name].Addrs
	if len(has) == 0 && len(before.Sets[it.Name].Addrs) > 0 {
		t.Fatalf("the name is empty, and had %v", before.Sets[it.Name].Addrs)
	}
	for a := range foreign {
		if !slices.Contains(has, a) {
			t.Fatalf("%v was not ours to take", a)
		}
	}
	if again := Want(it, is, z); again.Changes() {
		t.Fatalf("once more: %+v", again.Update)
	}
	if p.Blocked() {
		return
	}
	for _, i := range is {
		a, _ := it.address(i)
		in := slices.Contains(has, a)
		switch {
		case i.Phase == autoscale.InService && !in && it.Records == All:
			t.Fatalf("%s is in service and not in %v", i.ID, has)
		case i.Phase == autoscale.Draining && in && !heldBy(p, HoldEmpty):
			t.Fatalf("%s drains and is in %v", i.ID, has)
		}
	}
	if it.Records == First && len(without(has, keys(foreign))) > 1 {
		t.Fatalf("several are first: %v", has)
	}
}

func heldBy(p Plan, code HoldCode) bool {
	return slices.ContainsFunc(p.Held, func(h Hold) bool { return h.Code == code })
}

func keys(m map[netip.Addr]bool) (out []netip.Addr) {
	for a := range m {
		out = append(out, a)
	}
	return out
}

func TestLedger(t *testing.T) {
	l := Ledger{"web.example.com": nil}
	for n := range 100 {
		a := netip.AddrFrom4([4]byte{10, 0, 1, byte(n)})
		l["web.example.com"] = append(l["web.example.com"], a)
		l[fmt.Sprintf("ip-10-0-1-%d.example.com", n)] = []netip.Addr{a}
	}
	texts := l.texts("web", "web.example.com")
	for _, text := range texts {
		if len(text) > maxText {
			t.Errorf("%d bytes: %s", len(text), text)
		}
	}
	back, group, found, err := parseLedger(texts, "web.example.com")
	if diff := cmp.Diff(l, back, cmpopts.EquateComparable(netip.Addr{})); err != nil || group != "web" || !found || diff != "" {
		t.Errorf("%v %v %v\n%s", err, group, found, diff)
	}
}

func FuzzLedger(f *testing.F) {
	f.Add("rondo group=web 10.0.0.1 web-1.example.com=10.0.0.1\nrondo group=web 2001:db8::1")
	f.Add("v=spf1 -all")
	f.Fuzz(func(t *testing.T, text string) {
		l, group, _, err := parseLedger(strings.Split(text, "\n"), "web.example.com")
		if err != nil || group == "" {
			return
		}
		again, owner, _, err := parseLedger(l.texts(group, "web.example.com"), "web.example.com")
		if diff := cmp.Diff(l, again, cmpopts.EquateComparable(netip.Addr{}), cmpopts.SortSlices(netip.Addr.Less)); len(group) < 64 && (err != nil || owner != group || diff != "") {
			t.Errorf("%v %q\n%s", err, owner, diff)
		}
	})
}
