package dns

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"rondo/autoscale"
)

// settleLimit is how long a receipt is asked for; Route 53 needs a minute.
const settleLimit = 10 * time.Minute

// leaving says whether an instance of a phase gets no new work, and is to end.
func leaving(p autoscale.Phase) bool { return p == autoscale.Draining || p == autoscale.Replaced }

// watches says whether the clients of a departure are looked at. Callers hold
// it.mu.
func (it *item) watches(d departure, now time.Time) bool {
	return it.Traffic != "" && it.o.Metrics != nil && d.waits(now, it.kept.Tails.expect(it.LongestTail), it.LongestTail, true) != over
}

// watch asks for receipts, and who still comes to addresses that left.
func (it *item) watch(ctx context.Context, now time.Time) {
	it.pending = slices.DeleteFunc(it.pending, func(p pending) bool {
		done, err := it.provider.Settled(ctx, p.receipt)
		switch {
		case err != nil:
			it.counts.add("failed_"+string(reasonOf(err)), 1)
			done = now.Sub(p.since) > settleLimit
		case !done:
			done = now.Sub(p.since) > settleLimit
		}
		if !done {
			return false
		}
		it.mu.Lock()
		defer it.mu.Unlock()
		for _, id := range p.gone {
			if d, ok := it.kept.Gone[id]; ok && d.At.IsZero() {
				d.At, d.busy = now, now
				it.kept.Gone[id] = d
			}
		}
		return true
	})
	it.listen(ctx, now)
}

// listen notes which of the addresses that left are still used.
func (it *item) listen(ctx context.Context, now time.Time) {
	it.mu.Lock()
	wanted := false
	for id, d := range it.kept.Gone {
		wanted = wanted || leaving(it.last[id].phase) && it.watches(d, now)
	}
	hosts := make(map[string]string, len(it.last)) // of instances
	for id, s := range it.last {
		hosts[id] = s.host
	}
	it.mu.Unlock()
	if !wanted {
		return
	}
	values, err := it.o.Metrics.Eval(ctx, it.Traffic, now)
	if err != nil {
		it.counts.add("failed_traffic", 1)
	}
	traffic := make(map[string]float64, len(values))
	for _, v := range values {
		if host := it.o.HostOf(v.Labels); host != "" {
			traffic[host] += v.Value
		}
	}
	it.mu.Lock()
	defer it.mu.Unlock()
	for id, d := range it.kept.Gone {
		v, known := traffic[hosts[id]]
		d.known = known && !math.IsNaN(v)
		d.heard = d.heard || d.known
		if d.known && v > 0 {
			d.busy = now
		}
		it.kept.Gone[id] = d
	}
}

// learn takes the tails of drains that ended, and forgets who is no member any
// more.
func (it *item) learn(m autoscale.Membership, now time.Time) {
	it.mu.Lock()
	defer it.mu.Unlock()
	for id, d := range it.kept.Gone {
		stays := slices.ContainsFunc(m.Instances, func(i autoscale.Instance) bool { return i.ID == id && exists(i.Phase) })
		if stays && it.watches(d, now) {
			continue
		}
		if tail, ok := d.tail(); ok {
			it.kept.Tails = it.kept.Tails.add(tail, it.LongestTail)
		}
		d.teaches = false
		it.kept.Gone[id] = d
		if !stays {
			delete(it.kept.Gone, id)
		}
	}
}

// waits says what an instance waits for: see [Keeper.Waits].
func (it *item) waits(i autoscale.Instance, now time.Time) string {
	it.mu.Lock()
	defer it.mu.Unlock()
	s, seen := it.last[i.ID]
	d, gone := it.kept.Gone[i.ID]
	switch {
	case it.dry:
		return ""
	case !seen || s.in || !gone || !leaving(s.phase):
		if it.trouble != "" {
			return fmt.Sprintf("its address is in %s, which cannot be changed: %s", it.Name, it.trouble)
		}
		if slices.ContainsFunc(it.held, func(h Hold) bool { return h.Code == HoldEmpty }) {
			return fmt.Sprintf("its address stays in %s until somebody else is in service", it.Name)
		}
		return "its address is in " + it.Name
	}
	tail := it.kept.Tails.expect(it.LongestTail)
	left := fmt.Sprintf("its address left %s %s ago", it.Name, ago(d.At, now))
	switch d.waits(now, tail, it.LongestTail, it.Traffic != "") {
	case settling:
		return fmt.Sprintf("its address leaves %s: not all servers have that yet", it.Name)
	case holding:
		return fmt.Sprintf("%s, clients keep it for %s + %s", left, short(d.TTL), short(tail))
	case visited:
		return fmt.Sprintf("%s, clients still come", left)
	case unknown:
		return fmt.Sprintf("%s, and nothing is known of its clients: %s + %s", left, short(d.TTL), short(it.LongestTail))
	}
	return ""
}

// note says whether an instance is in the name.
func (it *item) note(id string, now time.Time) string {
	it.mu.Lock()
	defer it.mu.Unlock()
	s, seen := it.last[id]
	d, gone := it.kept.Gone[id]
	switch {
	case !seen:
		return ""
	case s.in:
		return "in DNS as " + it.Name
	case leaving(s.phase) && gone && !d.At.IsZero() && !it.dry:
		return fmt.Sprintf("left DNS %s ago", ago(d.At, now))
	case s.phase == autoscale.InService && it.dry:
		return "not in DNS (the group is in a dry run)"
	case s.phase == autoscale.InService && it.trouble != "":
		return "not in DNS: " + it.trouble
	}
	return ""
}

// remarks say why the name is not as the group is.
func (it *item) remarks() (out []string) {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.trouble != "" {
		return []string{it.Name + ": " + it.trouble}
	}
	for _, h := range it.held {
		out = append(out, h.Text)
	}
	return out
}

// needs are the item's permissions.
func (it *item) needs() []autoscale.Requirement {
	it.mu.Lock()
	defer it.mu.Unlock()
	state := autoscale.Unsure
	switch {
	case it.reason == Denied, it.reason == Refused, it.reason == NotAuth, it.reason == BadKey, it.reason == BadSig:
		state = autoscale.Refused
	case it.reason == "" && it.looked:
		state = autoscale.Granted
	}
	if it.Route53 == nil {
		return []autoscale.Requirement{{Name: "dns update of " + it.Zone, State: state, Text: it.trouble}}
	}
	zone := "arn:aws:route53:::hostedzone/" + it.Route53.ZoneID
	var out []autoscale.Requirement
	for _, p := range []*autoscale.Statement{
		autoscale.Allow("route53:ListResourceRecordSets", zone), autoscale.Allow("route53:ChangeResourceRecordSets", zone),
		autoscale.Allow("route53:GetChange", "arn:aws:route53:::change/*"),
	} {
		out = append(out, autoscale.Requirement{Name: p.Action, State: state, Text: strings.TrimPrefix(it.trouble+", zone "+it.Zone, ", "), Policy: p})
	}
	return out
}

func ago(t, now time.Time) string { return short(max(now.Sub(t), 0).Truncate(time.Second)) }

// short writes a duration with its largest units: 12 s, 1m30s.
func short(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%g s", d.Round(time.Second/10).Seconds())
	}
	return d.Round(time.Second).String()
}
