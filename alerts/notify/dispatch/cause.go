package dispatch

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/rrd"
)

// Causes is what is known of a storm's root cause beside labels.
type Causes struct {
	// Known counts alerts that are not told for a reason that the engine knows,
	// such as a parent host that is down, by that reason, for people.
	Known map[string]int
	// Mutes counts alerts that are inhibited, by the fingerprint of what does it.
	Mutes map[uint64]int
}

// RootCause says for people what most of many firing alerts go back to: a
// known cause of at least as many alerts as are told; else one of these that
// mutes as many others as half of them; else the label that most of them
// share. Whatever it is, the earliest alert is named too. "" if there are none.
func RootCause(firing []*Alert, c Causes) string {
	if len(firing) == 0 {
		return ""
	}
	var parts []string
	for _, find := range []func([]*Alert, Causes) string{known, muting, shared} {
		if text := find(firing, c); text != "" {
			parts = append(parts, text)
			break
		}
	}
	first := slices.MinFunc(firing, func(a, b *Alert) int { return cmp.Or(a.Starts.Compare(b.Starts), graver(a, b)) })
	return strings.Join(append(parts, fmt.Sprintf("first: %s at %s", name(first), first.Starts.UTC().Format(time.RFC3339))), "; ")
}

// known is a cause that the engine knows.
func known(firing []*Alert, c Causes) string {
	cause, n := most(c.Known)
	if n < len(firing) {
		return ""
	}
	return fmt.Sprintf("%s: %s others", cause, thousands(n))
}

// muting is the alert that mutes most others.
func muting(firing []*Alert, c Causes) string {
	var top *Alert
	for _, a := range firing {
		if c.Mutes[a.ID] > 0 && (top == nil || c.Mutes[a.ID] > c.Mutes[top.ID]) {
			top = a
		}
	}
	if top == nil || 2*c.Mutes[top.ID] < len(firing) {
		return ""
	}
	return fmt.Sprintf("%s, which mutes %s others", name(top), thousands(c.Mutes[top.ID]))
}

// shared is the label that most alerts have in common. One that they all have
// may say nothing (the fleet is in one region anyhow), and so the next one that
// at least half of them have is named too. What an alert is called and how
// grave it is comes last: it says what happened, not where.
func shared(firing []*Alert, _ Causes) string {
	where, what := make(map[string]int), make(map[string]int)
	for _, a := range firing {
		for _, l := range a.Labels {
			switch l.Name {
			case "severity":
			case alerts.RuleLabel:
				what[pair(l)]++
			default:
				where[pair(l)]++
			}
		}
	}
	var parts []string
	for _, counts := range []map[string]int{where, where, what} {
		if label, n := most(counts); n > 1 && 2*n >= len(firing) {
			parts = append(parts, fmt.Sprintf("%s: %s of %s", label, thousands(n), thousands(len(firing))))
			delete(counts, label)
			if n < len(firing) {
				clear(where) // what fewer share is no better
			}
		}
	}
	return strings.Join(parts, ", ")
}

func pair(l rrd.Label) string { return l.Name + "=" + l.Value }

// most is the key with the largest count, the first by name among equals.
func most(counts map[string]int) (key string, n int) {
	for k, v := range counts {
		if v > n || v == n && k < key {
			key, n = k, v
		}
	}
	return key, n
}

// name is an alert for people: what, and of what.
func name(a *Alert) string {
	var of []string
	for _, l := range a.Labels {
		if l.Name != alerts.RuleLabel && l.Name != "severity" {
			of = append(of, pair(l))
		}
	}
	if len(of) == 0 {
		return a.Labels.Get(alerts.RuleLabel)
	}
	return a.Labels.Get(alerts.RuleLabel) + " (" + strings.Join(of, ", ") + ")"
}

// thousands writes 18204 as 18,204.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
