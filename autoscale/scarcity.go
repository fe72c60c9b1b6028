package autoscale

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// A Refusal is capacity that was not to be had.
type Refusal struct {
	Pool Pool   `json:"pool"`
	Code string `json:"code"` // the API's error code
}

// codeFewer is rondo's own code of a launch that got fewer instances than it
// asked for: there was no room for more.
const codeFewer = "FewerThanAsked"

// A shortage is how much refusals weigh on what they are about.
type shortage struct {
	Weight float64   `json:"weight"` // at that time
	At     time.Time `json:"at"`
	Code   string    `json:"code"`
}

// scarcity is what is short, by scope: see Pool.scopes.
type scarcity map[string]shortage

// How long a refusal is remembered: its weight is 1 at first, refusals that
// repeat add up, and each half-life halves them.
const (
	halfLife  = 10 * time.Minute
	hasRoom   = 0.5 // a pool with no more weight than this is asked again
	maxWeight = 4   // half an hour: capacity comes back unannounced
	forgotten = 0.05
)

// at is what is left of the weight.
func (r shortage) at(now time.Time) float64 {
	return r.Weight * math.Exp2(-max(0, now.Sub(r.At)).Hours()/halfLife.Hours())
}

// scopes are what a refusal may be about, of all that the pool is part of.
func (p Pool) scopes() [4]string {
	m := cmp.Or(p.Market, OnDemand)
	return [4]string{
		p.Type + "/" + p.place() + "/" + string(m), // the pool itself
		"*/" + p.place() + "/*",                    // all in that place
		"*/*/" + string(m),                         // the market
		p.quota().name,                             // the account's quota
	}
}

// scope is what a refusal with that code is about.
func (r Refusal) scope() string {
	s := r.Pool.scopes()
	switch r.Code {
	case "InsufficientFreeAddressesInSubnet":
		return s[1]
	case "MaxSpotInstanceCountExceeded":
		return s[2]
	case "VcpuLimitExceeded", "InstanceLimitExceeded":
		return s[3]
	}
	return s[0]
}

// add takes note of a refusal.
func (rs scarcity) add(r Refusal, now time.Time) {
	s := r.scope()
	rs[s] = shortage{min(rs[s].at(now)+1, maxWeight), now, r.Code}
}

// weight is that of all refusals that concern the pool.
func (rs scarcity) weight(p Pool, now time.Time) (sum float64) {
	for _, s := range p.scopes() {
		sum += rs[s].at(now)
	}
	return sum
}

// newest is the newest refusal that concerns the pool.
func (rs scarcity) newest(p Pool) (newest shortage) {
	for _, s := range p.scopes() {
		if r, ok := rs[s]; ok && r.At.After(newest.At) {
			newest = r
		}
	}
	return newest
}

// why says what keeps a pool from being asked, or "".
func (rs scarcity) why(p Pool, now time.Time) string {
	if rs.weight(p, now) <= hasRoom {
		return ""
	}
	r := rs.newest(p)
	s := fmt.Sprintf("%s had no room %s ago (%s%s)", p, span(now.Sub(r.At)), r.Code, p.quotaOf(r.Code))
	return s
}

// forget drops what weighs nothing any more.
func (rs scarcity) forget(now time.Time) {
	for s, r := range rs {
		if r.at(now) < forgotten {
			delete(rs, s)
		}
	}
}

// A quota of vCPUs, which an account has per region, market and family of
// types.
type quota struct{ name, code string }

// quota returns the one that the pool's type counts for.
func (p Pool) quota() quota {
	family := quotaFamily(p.Type)
	q := quota{name: "Running On-Demand " + family + " instances"}
	if p.Market == Spot {
		q.name = "All " + family + " Spot Instance Requests"
	}
	if family == standard {
		q.code = "L-1216C47A"
		if p.Market == Spot {
			q.code = "L-34B43A08"
		}
	}
	return q
}

// quotaOf names the quota that a code is about, or "".
func (p Pool) quotaOf(code string) string {
	if code != "VcpuLimitExceeded" && code != "InstanceLimitExceeded" {
		return ""
	}
	q := p.quota()
	if q.code == "" {
		return fmt.Sprintf(", quota %q", q.name)
	}
	return fmt.Sprintf(", quota %s %q", q.code, q.name)
}

// standard is the family of quotas for which most types count.
const standard = "Standard (A, C, D, H, I, M, R, T, Z)"

// quotaFamily is by the letters with which a type begins.
func quotaFamily(typ string) string {
	letters := strings.ToLower(typ[:len(typ)-len(strings.TrimLeft(typ, "abcdefghijklmnopqrstuvwxyz"))])
	switch letters {
	case "g", "gr", "vt":
		return "G and VT"
	case "f", "p", "x", "dl", "hpc":
		return strings.ToUpper(letters)
	case "inf", "trn":
		return strings.ToUpper(letters[:1]) + letters[1:]
	}
	return standard
}

// refusedBy lists what a failed or cut launch says about capacity. An error
// that names the pools is the cloud's own list.
func refusedBy(l Launch, got int, err error) []Refusal {
	pools := l.Pools
	if len(pools) == 0 {
		pools = l.Template.pools()[:1]
	}
	ce, _ := errors.AsType[*CallError](err)
	switch {
	case ce != nil && len(ce.Refused) > 0:
		return ce.Refused
	case ce != nil && (ce.Failure == NoRoom || ce.Code == "Unsupported"):
		return []Refusal{{pools[0], ce.Code}}
	case err == nil && len(l.Pools) > 0 && got < l.Count:
		return []Refusal{{pools[0], codeFewer}}
	}
	return nil
}

// launched is the entry of a launch's outcome. Some instances are a success,
// whatever had no room for more.
func launched(l Launch, got []Instance, attempt, request string, err error) Entry {
	no := refusedBy(l, len(got), err)
	if len(got) > 0 && failureOf(err) == NoRoom {
		err = nil
	}
	e := outcome(attempt, request, err)
	e.Refused = no
	if len(no) > 0 && e.Text != "" {
		e.Text += no[0].Pool.quotaOf(no[0].Code)
	}
	for _, i := range got {
		e.Instances = append(e.Instances, i.ID)
		if len(l.Pools) > 0 {
			if e.Where == nil {
				e.Where = make(map[string]Pool)
			}
			e.Where[i.ID] = Pool{i.Type, i.Zone, i.Subnet, i.Market}
		}
	}
	return e
}

// elsewhere says whether a launch that had no room can be tried in another
// pool at once. Each refusal takes a pool away, so that this ends. Callers
// hold g.mu.
func (g *group) elsewhere(now time.Time) bool {
	conf := g.Group
	conf.Launch = g.template()
	return g.memory.Open == nil && !place(conf, g.instances, g.memory.Refused, now, 1).full
}

// restAfter is how many of what the decision wanted are to be asked for
// elsewhere, after the launch got some.
func (l Launch) restAfter(got int) int {
	if len(l.Pools) == 0 {
		return 0
	}
	return l.Rest + max(0, l.Count-got)
}
