package autoscale

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A RetirePolicy says what counts when an instance is chosen to go. The zone
// comes first, so that zones stay balanced; there the fewest sessions; of those
// who have as few, the one whose paid time ends first; then the newest, for the
// oldest carry the longest sessions.
type RetirePolicy struct {
	Sessions string        `yaml:"sessions"` // PromQL, one series for each host: its sessions that are alive, those gone stale left out
	Billing  time.Duration `yaml:"billing"`  // started periods that are paid for in full, such as 1h; 0: billed by the second
}

// validate checks the fields of the policy.
func (r RetirePolicy) validate(check func(bool, string, ...any)) {
	check(r.Billing == 0 || r.Billing >= time.Minute && r.Billing <= 24*time.Hour, "retire.billing %v: want 1m to 24h, or 0 where seconds are billed", r.Billing)
}

// A victim is an instance that is chosen to go, and why it and no other.
type victim struct{ id, why string }

// victims chooses up to n instances in service to retire; none that is
// protected. sessions are those of each host; one that is not in it may have any
// number, and goes last.
func (g Group) victims(instances []Instance, n int, sessions map[string]float64, now time.Time) (out []victim) {
	left := make(map[string]int) // in service, by zone
	free := make(map[string][]Instance)
	for _, i := range instances {
		if i.Phase != InService {
			continue
		}
		left[i.Zone]++
		if !i.Protected() {
			free[i.Zone] = append(free[i.Zone], i)
		}
	}
	r := ranking{g.Retire, g.Drain, sessions, now}
	for len(out) < n {
		zone, ok := fullest(left, free, r)
		if !ok || left[zone] <= g.MinPerZone {
			break // and no other zone has more
		}
		is := free[zone]
		v := slices.MinFunc(is, r.compare)
		out = append(out, victim{v.ID, r.why(v, is)})
		left[zone]--
		free[zone] = slices.DeleteFunc(is, func(i Instance) bool { return i.ID == v.ID })
	}
	return out
}

// fullest returns the zone with the most in service, of those where one may go;
// of equals the one whose first to go would go first of all.
func fullest(left map[string]int, free map[string][]Instance, r ranking) (zone string, ok bool) {
	for z, is := range free {
		if len(is) == 0 {
			continue
		}
		if more := cmp.Compare(left[z], left[zone]); !ok || more > 0 ||
			more == 0 && r.compare(slices.MinFunc(is, r.compare), slices.MinFunc(free[zone], r.compare)) < 0 {
			zone, ok = z, true
		}
	}
	return zone, ok
}

// A ranking orders the instances of a zone by who goes first.
type ranking struct {
	RetirePolicy
	drain    time.Duration
	sessions map[string]float64
	now      time.Time
}

func (r ranking) compare(a, b Instance) int {
	return cmp.Or(
		cmp.Compare(r.sessionsOf(a), r.sessionsOf(b)),
		cmp.Compare(r.paid(a), r.paid(b)),
		b.Launched.Compare(a.Launched),
		strings.Compare(b.ID, a.ID),
	)
}

// sessionsOf is how many sessions an instance has: any number where nobody says.
func (r ranking) sessionsOf(i Instance) float64 {
	if r.Sessions == "" {
		return 0
	}
	if n, ok := r.sessions[i.Host]; ok && finite(n) {
		return n
	}
	return math.Inf(1)
}

// paid is for how long an instance that has drained is paid for already.
func (r ranking) paid(i Instance) time.Duration {
	if r.Billing == 0 {
		return 0
	}
	age := max(r.now.Sub(i.Launched), 0) + r.drain
	return (r.Billing - age%r.Billing) % r.Billing
}

// why says what made v the first of its zone.
func (r ranking) why(v Instance, of []Instance) string {
	zone := cmp.Or(v.Zone, "its zone")
	var words []string
	if r.Sessions != "" {
		n := r.sessionsOf(v)
		if math.IsInf(n, 1) {
			words = append(words, "with sessions that nobody counts")
		} else {
			words = append(words, fmt.Sprintf("with %s sessions", num(n)))
		}
	}
	if r.Billing > 0 {
		words = append(words, fmt.Sprintf("paid for %s more when it has drained", span(r.paid(v))))
	}
	as := func(i Instance) bool {
		return r.sessionsOf(i) == r.sessionsOf(v) && r.paid(i) == r.paid(v)
	}
	equal := 0
	for _, i := range of {
		if as(i) {
			equal++
		}
	}
	rank := fmt.Sprintf("the newest of %d in %s", len(of), zone)
	switch {
	case len(words) > 0 && equal == 1:
		rank = fmt.Sprintf("the first to go of %d in %s", len(of), zone)
	case len(words) > 0:
		rank = fmt.Sprintf("the newest of %d such in %s", equal, zone)
	}
	return strings.Join(append([]string{v.ID + " is " + rank}, words...), ", ")
}
