package redirect

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"rondo/autoscale"
)

// servers are one group as it is now.
type servers struct {
	conf  Group
	url   Template
	width time.Duration // of a slot
	books *ledger
	names func() map[string]string // the instances' aliases, by ID
	known chan struct{}            // closed as soon as somebody has said who is in the group

	// What follows is guarded by books.mu.
	at      time.Time // of the list of members; zero: nobody has said who is in the group
	members []autoscale.Instance
	table   Table
	full    float64 // size of the largest
	byID    map[string]int
	byName  map[string]int // all names under which a balancer may ask, in small letters
	bases   []*url.URL     // where each server is; nil: it has no such address
	seen    sight
}

func newServers(conf Group, b *ledger, aliases func(group string) map[string]string) (*servers, error) {
	t, err := ParseTemplate(conf.URL)
	if err != nil {
		return nil, fmt.Errorf("autoscale: redirect: group %q: url: %w", conf.Group, err)
	}
	return &servers{
		conf: conf, url: t, width: conf.Session / slots, books: b, known: make(chan struct{}),
		names: func() map[string]string { return aliases(conf.Group) },
	}, nil
}

// update takes who is in the group, and what is known of them.
func (g *servers) update(m autoscale.Membership, s sight) {
	aliases := g.names() // before the lock: who knows them has one of his own
	g.books.mu.Lock()
	defer g.books.mu.Unlock()
	if g.at.IsZero() {
		close(g.known)
	}
	g.at, g.members, g.seen = m.At, m.Instances, s
	g.books.members = m
	g.byID, g.byName, g.bases = make(map[string]int), make(map[string]int), make([]*url.URL, len(m.Instances))
	for k, i := range m.Instances { // a name of somebody's own goes before an alias
		if alias := aliases[i.ID]; alias != "" {
			g.byName[strings.ToLower(alias)] = k
		}
	}
	g.table, g.full = weigh(m.Instances, s, g.conf.Stale)
	g.table.Cost = g.conf.Cost
	if g.table.Cost == 0 {
		g.books.cost = learn(g.books.cost, m.Instances, s, func(i autoscale.Instance) float64 { return g.sessions(i, s) })
		g.table.Cost = g.books.cost
	}
	for k, i := range m.Instances {
		a := g.books.of(i.ID)
		v, known := of(s.free, i)
		a.see(v, known, s.now)
		g.table.Servers[k].Sent = a.sent()
		g.note(a, i, s)
		g.byID[i.ID] = k
		for _, name := range append(i.Names(), i.Host, i.PublicIP, i.PublicDNS) {
			if name != "" {
				g.byName[strings.ToLower(name)] = k
			}
		}
		if g.conf.URL == "" {
			continue
		}
		if g.bases[k], _ = g.url.base(m.Group, i); g.bases[k] == nil { // its note says why
			g.table.Servers[k].Open, g.table.Servers[k].Keeps = false, false
		}
	}
	g.books.forget(g.byID, s.now, g.conf.Session)
}

// atStart is how long requests wait for a start to find out who is in the
// group.
const atStart = 3 * time.Second

// await waits for that.
func (g *servers) await(ctx context.Context) {
	select {
	case <-g.known:
		return
	default:
	}
	limit := time.NewTimer(atStart)
	defer limit.Stop()
	select {
	case <-g.known:
	case <-ctx.Done():
	case <-limit.C:
	}
}

// note remembers since when a server says that it has no sessions.
func (g *servers) note(a *account, i autoscale.Instance, s sight) {
	switch n, ok := of(s.sessions, i); {
	case !ok || n > 0:
		a.zero = time.Time{}
	case a.zero.IsZero():
		a.zero = s.now
	}
}

// sessions is how many are alive on an instance: as the servers say, else by
// the cookies. Callers hold
// books.mu.
func (g *servers) sessions(i autoscale.Instance, s sight) float64 {
	if n, ok := of(s.sessions, i); ok {
		return n
	}
	return float64(g.books.of(i.ID).count(s.now, g.width))
}

// A choice is where a request is sent.
type choice struct {
	base   *url.URL // nil: nowhere, no server is in service
	token  token
	tell   bool // the client needs a new cookie
	host   string
	begins bool // a new session
}

// choose finds the server of a request. t is what its cookie says, if valid.
func (g *servers) choose(t token, valid bool, now time.Time, random float64) choice {
	g.books.mu.Lock()
	defer g.books.mu.Unlock()
	if k, ok := g.byID[t.instance]; valid && ok && g.table.Servers[k].Keeps && g.alive(t, now) {
		tell := g.books.of(t.instance).moveOn(t.last, now, g.width)
		last := later(t.first, now) // a clock that was set back makes no cookie that nobody can read
		return choice{g.bases[k], token{t.first, last, t.instance}, tell, NameOf(g.members[k]), false}
	}
	k := g.table.Pick(random)
	if k < 0 {
		return choice{}
	}
	id := g.table.Servers[k].Instance
	g.books.of(id).begin(now, g.width)
	g.table.Servers[k].Sent++
	return choice{g.bases[k], token{now, now, id}, true, NameOf(g.members[k]), true}
}

// alive says whether a session has not ended: by its idle time, which cookies
// know to a slot, or by the longest that one may be.
func (g *servers) alive(t token, now time.Time) bool {
	return now.Sub(t.last) <= g.conf.Session+g.width && now.Sub(t.first) < g.conf.Longest && !t.last.After(now.Add(time.Minute))
}

// waits says what a server that drains still has to do.
func (g *servers) waits(i autoscale.Instance, since, now time.Time) string {
	g.books.mu.Lock()
	defer g.books.mu.Unlock()
	k, ok := g.byID[i.ID]
	if !ok || g.table.Servers[k].Open {
		return "the redirector has not seen the drain yet"
	}
	a := g.books.of(i.ID)
	if n, ok := of(g.seen.sessions, i); ok && now.Sub(g.seen.now) <= g.conf.Stale {
		if n == 0 && !a.zero.IsZero() && now.Sub(later(a.zero, since)) >= g.conf.Stale/2 {
			return ""
		}
		return fmt.Sprintf("%.0f sessions, as it says", n)
	}
	end := a.last.Add(g.conf.Session + g.width)
	if a.last.IsZero() || !now.Before(end) {
		return ""
	}
	return fmt.Sprintf("%d sessions, the last until %s at most", a.count(now, g.width), end.UTC().Format(time.TimeOnly))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// describe is a server's note.
func (g *servers) describe(instance string, now time.Time) string {
	g.books.mu.Lock()
	defer g.books.mu.Unlock()
	k, ok := g.byID[instance]
	if !ok {
		return ""
	}
	if g.conf.URL != "" && g.bases[k] == nil {
		_, err := g.url.base(g.conf.Group, g.members[k])
		return fmt.Sprintf("nobody is redirected to it: %v", err)
	}
	s := g.table.Servers[k]
	if !s.Open && !s.Keeps {
		return ""
	}
	text := fmt.Sprintf("weight %d", g.table.Percent(k, g.full))
	if s.Open && s.Source != Measured {
		text += " (" + string(s.Source) + ")"
	}
	if g.conf.URL != "" || g.conf.Sessions != "" {
		text += fmt.Sprintf(", %.0f sessions", g.sessions(g.members[k], g.seen))
	}
	return text
}
