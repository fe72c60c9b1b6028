package dns

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// A Ledger says what in a zone is ours: by name, the addresses that we put
// there. A name without any is ours all the same.
type Ledger map[string][]netip.Addr

// Limits of a ledger. A text has one string (RFC 1035, section 3.3.14), so that
// it is the same text in every zone file.
const (
	maxText  = 255
	maxTexts = 400
)

// texts writes the ledger of a group's name: an entry for each address, that of
// the name itself bare, that of another one behind it.
//
//	"rondo group=web 10.0.1.4 10.0.1.5 web-1.example.com=10.0.1.4"
func (l Ledger) texts(group, name string) (out []string) {
	head := "rondo group=" + group
	line := head
	for _, n := range slices.SortedFunc(maps.Keys(l), func(a, b string) int { return nameOrder(name, a, b) }) {
		for _, a := range sorted(l[n]) {
			entry := " " + a.String()
			if n != name {
				entry = " " + n + "=" + a.String()
			}
			if len(line)+len(entry) > maxText {
				out, line = append(out, line), head
			}
			line += entry
		}
	}
	return append(out, line)
}

// nameOrder puts the group's own name first.
func nameOrder(first, a, b string) int {
	if (a == first) != (b == first) {
		if a == first {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

// parseLedger reads the texts of the ledger of a name, in any order; false
// where there is none.
func parseLedger(texts []string, name string) (l Ledger, group string, found bool, err error) {
	if len(texts) > maxTexts {
		return nil, "", true, fmt.Errorf("%d texts, at most %d", len(texts), maxTexts)
	}
	l = make(Ledger)
	for _, text := range texts {
		words := strings.Fields(text)
		if len(words) < 2 || words[0] != "rondo" || !strings.HasPrefix(words[1], "group=") {
			return nil, "", true, fmt.Errorf("%.60q is not rondo's", text)
		}
		owner := strings.TrimPrefix(words[1], "group=")
		if group != "" && owner != group {
			return nil, "", true, fmt.Errorf("it names group %q and group %q", group, owner)
		}
		group = owner
		for _, w := range words[2:] {
			at, a := name, w
			if n, rest, ok := strings.Cut(w, "="); ok {
				at, a = n, rest
			}
			addr, err := netip.ParseAddr(a)
			if err != nil || at != name && !isName(at) {
				return nil, "", true, fmt.Errorf("%.60q is no entry of a ledger", w)
			}
			if !slices.Contains(l[at], addr) {
				l[at] = append(l[at], addr)
			}
		}
	}
	if len(texts) > 0 && l[name] == nil {
		l[name] = []netip.Addr{}
	}
	return l, group, len(texts) > 0, nil
}

// sorted are addresses in order, each once.
func sorted(as []netip.Addr) []netip.Addr {
	out := slices.Clone(as)
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// sameAddrs compares sets.
func sameAddrs(a, b []netip.Addr) bool { return slices.Equal(sorted(a), sorted(b)) }

// without are the addresses of a that b has not.
func without(a, b []netip.Addr) (out []netip.Addr) {
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}
