package role

import (
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/fleet"
)

// A View is a role with its members as they are now.
type View struct {
	Name       string            `json:"name"`
	Title      string            `json:"title,omitempty"`
	Groups     []string          `json:"groups"`
	Members    []Member          `json:"members"`
	Rules      []Rule            `json:"rules"`
	Panels     []Panel           `json:"panels"`
	Profile    string            `json:"profile_version,omitempty"` // of the settings that its agents are given
	Parameters map[string]string `json:"parameters,omitempty"`

	Role Role `json:"-"`
}

// A Member is a host of a role.
type Member struct {
	Host      string    `json:"host"`
	Group     string    `json:"group"`
	Instance  string    `json:"instance,omitempty"`
	Address   string    `json:"address,omitempty"` // of its agent
	PrivateIP string    `json:"private_ip,omitempty"`
	Draining  bool      `json:"draining,omitempty"`
	Joined    time.Time `json:"joined,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
	LastLog   time.Time `json:"last_log,omitzero"`
	States    int       `json:"states"`   // of all rules
	Problems  int       `json:"problems"` // of these, hard and not OK
}

// A Rule is one of a role's rules.
type Rule struct {
	Name     string `json:"name"` // among all rules
	Expr     string `json:"expr"` // for people
	States   int    `json:"states"`
	Problems int    `json:"problems"`
}

// States are what a view is made of: the present states, and what their rules
// are. An alerts.Engine has both.
type States interface {
	Views() []alerts.View
	Supervised(rule string) (alerts.Supervised, bool)
}

// Views looks at roles, which must have their defaults.
func Views(roles []Role, hosts []fleet.Host, states States) []View {
	ofHost, ofRule := make(map[string][2]int), make(map[string][2]int)
	count := func(m map[string][2]int, key string, v alerts.View) {
		n := m[key]
		if n[0]++; v.Hard && v.Status != alerts.OK {
			n[1]++
		}
		m[key] = n
	}
	for _, v := range states.Views() {
		if len(v.Labels) > 0 { // else its rule has come to nothing yet
			count(ofHost, v.Labels.Get("host"), v)
			count(ofRule, v.Rule, v)
		}
	}
	out := make([]View, 0, len(roles))
	for _, r := range roles {
		v := View{Name: r.Name, Title: r.Title, Groups: r.Groups, Members: []Member{}, Rules: []Rule{}, Panels: slices.Concat([]Panel{}, r.Dashboard), Role: r}
		for _, h := range hosts {
			if r.Has(h) {
				v.Members = append(v.Members, member(h, ofHost[h.ID]))
			}
		}
		for _, name := range r.Rules().Names() {
			n := ofRule[name]
			s, _ := states.Supervised(name) // none: a reload is under way
			v.Rules = append(v.Rules, Rule{Name: name, Expr: s.Expr, States: n[0], Problems: n[1]})
		}
		slices.SortFunc(v.Rules, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
		out = append(out, v)
	}
	return out
}

func member(h fleet.Host, n [2]int) Member {
	m := Member{
		Host: h.ID, Group: h.Group, Instance: h.Instance, PrivateIP: h.PrivateIP, Draining: h.Leaving,
		Joined: h.FirstSeen, LastSeen: h.LastSeen, LastLog: h.LastLog, States: n[0], Problems: n[1],
	}
	if h.Agent != nil {
		m.Address = h.Agent.Address
	}
	return m
}
