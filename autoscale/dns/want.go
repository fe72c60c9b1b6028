package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"rondo/autoscale"
)

// maxAddresses is how many of our addresses a name has at most, and for how many
// instances there are names of their own. BIND takes no more records of one name
// and type (max-records-per-type); and with their ledger that many fit into one
// change of Route 53 (32,000 characters).
const maxAddresses = 100

// A Zone is what a zone says of an item's names.
type Zone struct {
	Sets   map[string]Set // of the name, and of those of single instances that are looked at
	Ledger Texts
}

// A Hold is something that is not done, and why.
type Hold struct {
	Code HoldCode
	Text string
}

// HoldCode names a policy that keeps records from being changed.
type HoldCode string

// The policies.
const (
	HoldEmpty   HoldCode = "empty"   // nobody is in service: the last addresses stay
	HoldSilent  HoldCode = "silent"  // most fell silent together: they stay
	HoldFull    HoldCode = "full"    // more addresses than a name takes: those launched last wait
	HoldForeign HoldCode = "foreign" // others have written the name
	HoldOwned   HoldCode = "owned"   // another group's ledger is there
	HoldOther   HoldCode = "other"   // the name is a CNAME or an alias
	HoldNoIP    HoldCode = "noip"    // an instance has no such address
	HoldTaken   HoldCode = "taken"   // the name of a single instance is there already
)

// A Plan is what an item's names are to be.
type Plan struct {
	Ours   Ledger // after the update
	Update Update
	Held   []Hold
}

// Changes says whether there is anything to do.
func (p Plan) Changes() bool {
	return len(p.Update.Sets) > 0 || !slices.Equal(p.Update.Ledger.Was.Values, p.Update.Ledger.Is.Values)
}

// Blocked says whether the name must not be touched at all.
func (p Plan) Blocked() bool {
	return slices.ContainsFunc(p.Held, func(h Hold) bool {
		return h.Code == HoldForeign || h.Code == HoldOwned || h.Code == HoldOther
	})
}

// Want says what an item's names are to be, by who is a member, the first to be
// chosen first, and what the zone has now. It asks nobody and remembers nothing: after a restart, a failure
// or somebody else's change it says what is left to do.
//
// Whoever is in service is in the name. Its last address is never taken out, and
// no address is that the ledger does not know as ours.
func Want(it Item, members []autoscale.Instance, z Zone) Plan {
	p := Plan{Update: Update{Zone: it.Zone}}
	ledger, ok := it.own(&p, z)
	if !ok {
		return p
	}
	have := z.Sets[it.Name]
	target := Ledger{it.Name: it.choose(&p, members, ledger[it.Name])}
	it.names(&p, target, members, ledger, z)
	p.Ours = target
	p.change(it, it.Name, have, ledger[it.Name], target[it.Name])
	for _, name := range it.touched(ledger, target) {
		p.change(it, name, z.Sets[name], ledger[name], target[name])
	}
	was := sortedTexts(z.Ledger)
	p.Update.Ledger = TextChange{Name: it.ledger(), Was: was, Is: was}
	if len(was.Values) > 0 || len(target) > 1 || len(target[it.Name]) > 0 { // a name is claimed with its first address
		p.Update.Ledger.Is = sortedTexts(Texts{target.texts(it.Group, it.Name), it.TTL})
	}
	return p
}

func sortedTexts(t Texts) Texts {
	t.Values = slices.Sorted(slices.Values(t.Values))
	return t
}

// own reads the ledger, and says whether the name is ours to write: it is where
// nobody wrote it, or the ledger says so, or we are to adopt it.
func (it Item) own(p *Plan, z Zone) (Ledger, bool) {
	hold := func(code HoldCode, format string, args ...any) (Ledger, bool) {
		p.Held = append(p.Held, Hold{code, fmt.Sprintf(format, args...)})
		return nil, false
	}
	have := z.Sets[it.Name]
	if have.Other != "" {
		return hold(HoldOther, "%s is %s, which is not ours to change", it.Name, have.Other)
	}
	ledger, group, found, err := parseLedger(z.Ledger.Values, it.Name)
	switch {
	case err != nil && !it.Adopt:
		return hold(HoldOwned, "the TXT record %s is no ledger: %v (adopt: true writes it anew)", it.ledger(), err)
	case err == nil && found && group != it.Group && !it.Adopt:
		return hold(HoldOwned, "%s belongs to group %q, as the TXT record %s says (adopt: true takes it over)", it.Name, group, it.ledger())
	case err == nil && found:
		return ledger, true
	case !it.Adopt && len(have.Addrs) > 0:
		return hold(HoldForeign, "%s is there already, and not by us (adopt: true takes it over)", it.Name)
	}
	return Ledger{}, true
}

// choose are the addresses of ours that the name is to have.
func (it Item) choose(p *Plan, members []autoscale.Instance, ours []netip.Addr) []netip.Addr {
	serving, silent := it.serving(p, members, ours)
	if len(serving) == 0 && len(ours) > 0 {
		p.hold(HoldEmpty, "nobody in group %s is in service: the last addresses of %s stay", it.Group, it.Name)
		return sorted(ours)
	}
	if len(serving) == 0 {
		return nil
	}
	if it.Records == First {
		for _, a := range serving {
			if slices.Contains(ours, a) { // whoever has the name keeps it
				return []netip.Addr{a}
			}
		}
		return serving[:1]
	}
	if 2*len(silent) > len(serving)+len(silent) {
		p.hold(HoldSilent, "%d of %d in %s fell silent, more likely our own ears: their addresses stay", len(silent), len(serving)+len(silent), it.Name)
		serving = append(serving, silent...)
	}
	if len(serving) > maxAddresses {
		p.hold(HoldFull, "%s has room for %d of %d addresses: those launched last wait", it.Name, maxAddresses, len(serving))
		serving = serving[:maxAddresses]
	}
	return sorted(serving)
}

// serving are the addresses of those in service, in the order of the members. The
// silent are those that the name has.
func (it Item) serving(p *Plan, members []autoscale.Instance, ours []netip.Addr) (serving, silent []netip.Addr) {
	for _, i := range members {
		a, ok := it.address(i)
		switch {
		case i.Phase == autoscale.InService && !ok:
			p.hold(HoldNoIP, "%s has no %s address for %s", i.ID, it.Address, it.Name)
		case i.Phase == autoscale.InService:
			serving = append(serving, a)
		case i.Phase == autoscale.Silent && ok && slices.Contains(ours, a):
			silent = append(silent, a)
		}
	}
	return serving, silent
}

// address is the one of an instance that stands in names.
func (it Item) address(i autoscale.Instance) (netip.Addr, bool) {
	text := i.PrivateIP
	if it.Address == Public {
		text = i.PublicIP
	}
	a, err := netip.ParseAddr(text)
	a = a.Unmap().WithZone("")
	return a, err == nil && !a.IsUnspecified() && !a.IsMulticast()
}

// names adds the names of single instances, which stay as long as they do.
func (it Item) names(p *Plan, target Ledger, members []autoscale.Instance, ledger Ledger, z Zone) {
	if it.Each == "" {
		return
	}
	for _, i := range members {
		name, ok := it.nameOf(i)
		a, valid := it.address(i)
		if !ok || !valid || !exists(i.Phase) {
			continue
		}
		set, known := z.Sets[name]
		switch {
		case len(target)-1 == maxAddresses:
			p.hold(HoldFull, "%s has names for %d instances: %s waits", it.Each, maxAddresses, name)
			return
		case target[name] != nil:
			p.hold(HoldTaken, "%s would be the name of two instances", name)
		case known && set.Other != "", known && len(without(set.Addrs, ledger[name])) > 0:
			p.hold(HoldTaken, "%s is there already, and not by us", name)
			if len(ledger[name]) > 0 {
				target[name] = ledger[name]
			}
		default:
			target[name] = []netip.Addr{a}
		}
	}
}

// exists says whether an instance of a phase is there to be reached.
func exists(p autoscale.Phase) bool {
	switch p {
	case autoscale.InService, autoscale.Silent, autoscale.Draining, autoscale.Replaced:
		return true
	}
	return false
}

// nameOf is the name of a single instance: the first label of its host's.
func (it Item) nameOf(i autoscale.Instance) (string, bool) {
	label, _, _ := strings.Cut(strings.ToLower(i.Host), ".")
	name := strings.Replace(it.Each, placeholder, label, 1)
	return name, label != "" && it.Each != "" && isName(name) && name != it.Name
}

// touched are the names of single instances that ledger and target differ in.
func (it Item) touched(ledger, target Ledger) (out []string) {
	for name := range target {
		if name != it.Name && !sameAddrs(ledger[name], target[name]) {
			out = append(out, name)
		}
	}
	for name := range ledger {
		if _, stays := target[name]; name != it.Name && !stays {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Look are the names beside the item's own that must be looked at before they
// are changed.
func (it Item) Look(members []autoscale.Instance, z Zone) []string {
	var p Plan
	ledger, ok := it.own(&p, z)
	if !ok {
		return nil
	}
	target := make(Ledger)
	it.names(&p, target, members, ledger, z)
	return it.touched(ledger, target)
}

// change adds what makes a name's addresses of ours others, where they are. All
// else there stays, and keeps its TTL, for there is one for all of them.
func (p *Plan) change(it Item, name string, have Set, ours, target []netip.Addr) {
	foreign := without(have.Addrs, ours)
	is := Set{Addrs: sorted(slices.Concat(foreign, target)), TTL: it.TTL}
	if len(without(foreign, target)) > 0 {
		is.TTL = have.TTL
	}
	if sameAddrs(have.Addrs, is.Addrs) && (have.TTL == is.TTL || len(is.Addrs) == 0) {
		return
	}
	have.Addrs = sorted(have.Addrs)
	p.Update.Sets = append(p.Update.Sets, SetChange{Name: name, Was: have, Is: is})
}

func (p *Plan) hold(code HoldCode, format string, args ...any) {
	p.Held = append(p.Held, Hold{code, fmt.Sprintf(format, args...)})
}
