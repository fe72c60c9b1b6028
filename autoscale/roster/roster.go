package roster

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/autoscale"
)

// A Member is an instance of a group.
type Member struct {
	Group      string          `json:"group"`
	Rank       int             `json:"rank,omitempty"`  // 0: it does not serve yet, or another has its rank
	Alias      string          `json:"alias,omitempty"` // group and rank
	ID         string          `json:"id"`
	Host       string          `json:"host,omitempty"` // the name under which it reports
	PrivateIP  string          `json:"private_ip,omitempty"`
	PrivateDNS string          `json:"private_dns,omitempty"`
	PublicIP   string          `json:"public_ip,omitempty"`
	PublicDNS  string          `json:"public_dns,omitempty"`
	Zone       string          `json:"zone,omitempty"`
	Type       string          `json:"type,omitempty"`
	Phase      autoscale.Phase `json:"phase"`
	Launched   time.Time       `json:"launched"`
	Since      time.Time       `json:"since,omitzero"` // when it was first heard of
}

// Serves says whether new work is for it.
func (m Member) Serves() bool { return m.Rank > 0 && m.Phase == autoscale.InService }

// Leaving says whether it has been chosen to go, or is on its way out.
func (m Member) Leaving() bool { return leaving(m.Phase) }

// Address is where it is reached from within.
func (m Member) Address() string {
	return cmp.Or(m.PrivateIP, m.PrivateDNS, m.PublicIP, m.PublicDNS)
}

// Names are what the member is known by, in its group and elsewhere.
func (m Member) Names() []string {
	return []string{m.ID, m.Alias, m.Host, m.PrivateDNS, m.PublicDNS, m.PrivateIP, m.PublicIP}
}

func leaving(p autoscale.Phase) bool {
	return p == autoscale.Draining || p == autoscale.Replaced || p == autoscale.Terminating || p == autoscale.Stopped
}

// Of returns who is in the groups, given who was before: by the groups' names,
// then by rank. Of a group that nothing is known of now, who was before is who
// is. groups are all that there are.
func Of(before []Member, groups []string, now []autoscale.Membership) []Member {
	var out []Member
	for _, name := range slices.Sorted(slices.Values(groups)) {
		at := slices.IndexFunc(now, func(m autoscale.Membership) bool { return m.Group == name })
		was := ofGroup(before, name)
		if at < 0 {
			out = append(out, was...)
			continue
		}
		out = append(out, ranked(was, now[at])...)
	}
	return out
}

func ofGroup(all []Member, group string) (out []Member) {
	for _, m := range all {
		if m.Group == group {
			out = append(out, m)
		}
	}
	return out
}

// ranked gives the instances of a group their ranks.
func ranked(before []Member, now autoscale.Membership) []Member {
	had := make(map[string]int)
	for _, m := range before {
		had[m.ID] = m.Rank
	}
	var out []Member
	for _, i := range now.Instances {
		if i.Phase != autoscale.Terminated {
			out = append(out, member(now.Group, i, had[i.ID]))
		}
	}
	place(out)
	for i := range out {
		if out[i].Rank > 0 {
			out[i].Alias = now.Group + "-" + strconv.Itoa(out[i].Rank)
		}
	}
	slices.SortStableFunc(out, compare)
	return out
}

// compare is the order of members in a group: by rank, those without one last.
func compare(a, b Member) int {
	return cmp.Or(cmp.Compare(uint(a.Rank-1), uint(b.Rank-1)), a.Launched.Compare(b.Launched), strings.Compare(a.ID, b.ID))
}

// inOrder is the order of all members, that of [Of].
func inOrder(a, b Member) int { return cmp.Or(strings.Compare(a.Group, b.Group), compare(a, b)) }

func member(group string, i autoscale.Instance, rank int) Member {
	return Member{
		Group: group, Rank: rank, ID: i.ID, Host: i.Host, Zone: i.Zone, Type: i.Type, Phase: i.Phase,
		PrivateIP: i.PrivateIP, PrivateDNS: i.PrivateDNS, PublicIP: i.PublicIP, PublicDNS: i.PublicDNS,
		Launched: plain(i.Launched), Since: plain(i.FirstSeen),
	}
}

// plain is a time as JSON brings it back.
func plain(t time.Time) time.Time { return t.UTC().Round(0) }

// place gives ranks to those who serve and have none, and takes them from those
// who leave and whose rank another wants.
func place(all []Member) {
	kept, waiting := make(map[int]bool), []*Member(nil)
	var holder *Member // the last of those who keep their rank
	for i := range all {
		m := &all[i]
		switch {
		case m.Rank > 0 && kept[m.Rank]: // two of one rank: a state that was put together by hand
			m.Rank = 0
		case m.Rank > 0 && !m.Leaving():
			kept[m.Rank] = true
			holder = m
		}
		if m.Rank == 0 && m.Phase == autoscale.InService {
			waiting = append(waiting, m)
		}
	}
	slices.SortStableFunc(waiting, func(a, b *Member) int {
		return cmp.Or(a.Launched.Compare(b.Launched), strings.Compare(a.ID, b.ID))
	})
	if len(kept) == 1 && len(waiting) == 0 {
		holder.Rank = 1 // who is alone is the first
		clear(kept)
		kept[1] = true
	}
	next := 1
	for _, m := range waiting {
		for kept[next] {
			next++
		}
		m.Rank, kept[next] = next, true
	}
	for i := range all {
		if m := &all[i]; m.Leaving() && kept[m.Rank] {
			m.Rank = 0
		}
	}
}

// First is the one that goes by its group's plain name: the lowest rank in
// service; where nobody is, the lowest there is.
func First(members []Member) (first Member, ok bool) {
	for _, m := range members {
		if m.Rank > 0 && (!ok || m.Serves() && !first.Serves()) {
			first, ok = m, true
		}
	}
	return first, ok
}

// Find finds a member by any of its names: its alias, ID, host name or address.
// A name that several have is the one's that serves longest.
func Find(members []Member, name string) (found Member, ok bool) {
	if name == "" {
		return Member{}, false
	}
	for _, m := range members {
		known := slices.ContainsFunc(m.Names(), func(n string) bool { return strings.EqualFold(n, name) })
		if known && (!ok || !found.Serves() && m.Serves()) {
			found, ok = m, true
		}
	}
	return found, ok
}
