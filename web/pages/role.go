package pages

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"rondo/alerts"
	"rondo/alerts/role"
	"rondo/rrd"
)

const (
	maxMembers    = 40 // listed on a role's page; all are counted
	maxAsked      = 12 // members that are asked one by one, where an expression is about one host
	maxNamed      = 60 // members that a search for their log lines names
	roleLines     = 30
	maxRoleStates = 30
)

// A RoleCard is one role at a glance.
type RoleCard struct {
	role.View
	URL   string
	Badge Badge
	Words string
}

func (p *Pages) roleCards() (out []RoleCard) {
	if p.deps.Roles == nil {
		return nil
	}
	for _, v := range p.deps.Roles.Roles() {
		out = append(out, roleCard(v))
	}
	return out
}

// rolesOf are the roles of a group's hosts.
func (p *Pages) rolesOf(group string) []RoleCard {
	return slices.DeleteFunc(p.roleCards(), func(c RoleCard) bool { return group == "" || !slices.Contains(c.Groups, group) })
}

func roleCard(v role.View) RoleCard {
	c := RoleCard{View: v, URL: "/roles/" + url.PathEscape(v.Name), Badge: statusBadge(alerts.OK)}
	bad, states, draining := 0, 0, 0
	for _, r := range v.Rules {
		bad, states = bad+r.Problems, states+r.States
	}
	for _, m := range v.Members {
		if m.Draining {
			draining++
		}
	}
	if bad > 0 {
		c.Badge = Badge{"critical", "■", several(bad, "problem")}
	}
	words := []string{several(len(v.Members), "member"), several(len(v.Rules), "rule") + " with " + several(states, "state"), several(len(v.Panels), "panel")}
	if draining > 0 {
		words[0] += " (" + strconv.Itoa(draining) + " draining)"
	}
	c.Words = strings.Join(words, ", ")
	return c
}

// several counts things in words.
func several(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

type roleView struct {
	Frame
	Role    RoleCard
	Members []MemberRow
	States  []Problem
	More    int // states that are not listed
	Figures []Figure
	Err     string
	Logs    LogList
	HasLogs bool

	Happened EventList
}

// A MemberRow is one member with its newest figures.
type MemberRow struct {
	HostRow
	role.Member
}

// role shows the members of a role and all that is attached to it.
func (p *Pages) role(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	f := p.frame(r, "overview", name, "events", "marks")
	cards := p.roleCards()
	i := slices.IndexFunc(cards, func(c RoleCard) bool { return c.Name == name })
	if i < 0 {
		p.render(w, http.StatusNotFound, "error", struct {
			Frame
			Status int
			What   string
		}{f, http.StatusNotFound, "No role " + strconv.Quote(name) + " is configured."})
		return
	}
	v := roleView{Frame: f, Role: cards[i], HasLogs: p.deps.Logs != nil}
	p.memberRows(r.Context(), &v)
	for _, s := range p.views() {
		if slices.ContainsFunc(v.Role.Rules, func(r role.Rule) bool { return r.Name == s.Rule }) && len(s.Labels) > 0 {
			if len(v.States) == maxRoleStates {
				v.More++
				continue
			}
			v.States = append(v.States, problem(s))
		}
	}
	happened := marked(p.events(f.Range), choose(r.URL.Query(), quietOnPages()), membersSubject(v.Role.Members))
	v.Happened = p.eventList(r, f, happened)
	for i, panel := range v.Role.Panels {
		fig, err := p.rolePanel(r.Context(), v.Role, panel, f.Range)
		v.Err = cmp.Or(v.Err, p.failed(panel.Title, err))
		fig.ID, fig.Marks = "r"+strconv.Itoa(i), marks(happened, f.Range)
		v.Figures = append(v.Figures, fig)
	}
	if q := membersQuery(v.Role.Members); q != "" {
		v.Logs = p.logList(r.Context(), q, f.Range, roleLines)
	}
	p.render(w, http.StatusOK, "role", v)
}

// membersSubject is what graphs of members are about.
func membersSubject(ms []role.Member) *subject {
	s := newSubject()
	for _, m := range ms {
		s.about(m.Group, m.Host)
	}
	return s
}

// memberRows lists the members, the gravest first.
func (p *Pages) memberRows(ctx context.Context, v *roleView) {
	members := make(map[string]role.Member, len(v.Role.Members))
	for _, m := range v.Role.Members {
		members[m.Host] = m
	}
	rows := slices.DeleteFunc(p.hosts(v.Now), func(h HostRow) bool { return members[h.ID].Host == "" })
	rows = rows[:min(len(rows), maxMembers)]
	v.Err = p.failed("Metrics", p.fillRows(ctx, rows, v.Now, min(v.Range.Span(), sparkSpan)))
	for _, row := range rows {
		v.Members = append(v.Members, MemberRow{row, members[row.ID]})
	}
}

// membersQuery finds the log lines of members.
func membersQuery(ms []role.Member) string {
	var names []string
	for _, m := range ms[:min(len(ms), maxNamed)] {
		names = append(names, quoteField(m.Host))
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return "host:" + names[0]
	}
	return "host:(" + strings.Join(names, " or ") + ")"
}

// rolePanel draws a panel of the whole role: one per host has a curve for each
// present member, one per group what its expression gives.
func (p *Pages) rolePanel(ctx context.Context, c RoleCard, panel role.Panel, r Range) (Figure, error) {
	fig := panelFigure(panel, r)
	expr, err := c.Role.Within(panel.Expr)
	if err != nil || p.deps.Ranger == nil {
		return fig, err
	}
	fig.Link = "/explore?e=" + url.QueryEscape(expr) + "&" + r.Query()
	a, err := p.answer(ctx, expr, r, hostSteps)
	if err != nil {
		return fig, err
	}
	if panel.Per == role.PerHost {
		if fig.Curves, err = p.memberCurves(ctx, c, panel, a, r); err != nil {
			return fig, err
		}
	} else {
		fig.Curves = namedCurves(a, panel.Title, "group")
	}
	fig.shorten()
	return fig, nil
}

func panelFigure(panel role.Panel, r Range) Figure {
	return Figure{Title: panel.Title, Unit: cmp.Or(panel.Unit, unitOf(panel.Expr)), Start: r.Start, End: r.End, Times: newGrid(r, hostSteps).times()}
}

// shorten leaves out curves that no colour is left for.
func (f *Figure) shorten() {
	if n := len(f.Curves); n > maxCurves {
		slices.SortStableFunc(f.Curves, func(a, b Curve) int { return cmp.Compare(b.Stats().Avg, a.Stats().Avg) })
		f.Curves = f.Curves[:maxCurves]
		f.Note = fmt.Sprintf("the greatest %d of %d", maxCurves, n)
	}
}

// memberCurves are the curves of present members. Where an answer does not name
// the hosts that it is of, each member is asked for.
func (p *Pages) memberCurves(ctx context.Context, c RoleCard, panel role.Panel, a answered, r Range) ([]Curve, error) {
	present := make(map[string]string) // by name, and by the begin of their paths, which ends with a dot
	for _, h := range p.deps.Fleet.Hosts() {
		if c.Role.Has(h) {
			present[h.ID], present[h.Template] = h.ID, h.ID
		}
	}
	delete(present, "")
	var out []Curve
	for i, s := range a.Series {
		host := hostOf(s.Labels, present)
		if host == "" && s.Labels.Get("host") == "" && !strings.Contains(s.Labels.Get(rrd.NameLabel), ".") {
			return p.askMembers(ctx, c, panel, r)
		}
		if host == "" {
			continue // it has left
		}
		one := a.curves[i]
		one.Name = strings.TrimSpace(host + " " + rest(s.Labels, "host", "group", "instance"))
		out = append(out, one)
	}
	slices.SortStableFunc(out, func(a, b Curve) int { return natural(a.Name, b.Name) })
	return out, nil
}

// hostOf is the present member that a series is of, or "".
func hostOf(ls rrd.Labels, present map[string]string) string {
	if id := present[ls.Get("host")]; id != "" {
		return id
	}
	name := ls.Get(rrd.NameLabel)
	for i := range len(name) {
		if id := present[name[:i+1]]; name[i] == '.' && id != "" {
			return id
		}
	}
	return ""
}

// askMembers evaluates a panel for each of some members.
func (p *Pages) askMembers(ctx context.Context, c RoleCard, panel role.Panel, r Range) ([]Curve, error) {
	var out []Curve
	for _, m := range c.Members[:min(len(c.Members), maxAsked)] {
		curves, _, err := p.hostCurves(ctx, panel, m.Host, r)
		if err != nil {
			return out, err
		}
		for _, one := range curves {
			if one.Name == panel.Title {
				one.Name = ""
			}
			one.Name = strings.TrimSpace(m.Host + " " + one.Name)
			out = append(out, one)
		}
	}
	return out, nil
}

// hostCurves evaluates a panel for one host.
func (p *Pages) hostCurves(ctx context.Context, panel role.Panel, host string, r Range) (curves []Curve, expr string, err error) {
	if expr, err = role.OfHost(panel.Expr, host); err != nil {
		return nil, expr, err
	}
	a, err := p.answer(ctx, expr, r, hostSteps)
	if err != nil {
		return nil, expr, err
	}
	return namedCurves(a, panel.Title, "host", "group", "instance"), expr, nil
}

// namedCurves names each curve of an answer by the labels that set it apart.
func namedCurves(a answered, title string, shown ...string) []Curve {
	out := slices.Clone(a.curves)
	for i := range out {
		out[i].Name = cmp.Or(rest(a.Series[i].Labels, shown...), title)
	}
	return out
}

// rest are the values of the labels that are not shown elsewhere.
func rest(ls rrd.Labels, shown ...string) string {
	var parts []string
	for _, l := range ls {
		if l.Name != rrd.NameLabel && !slices.Contains(shown, l.Name) {
			parts = append(parts, l.Value)
		}
	}
	return strings.Join(parts, " ")
}

// roleFigures draws what the roles of a host's group have for each host. A host
// that was withdrawn keeps them: they are its past.
func (p *Pages) roleFigures(ctx context.Context, v *hostView, ms []Mark) {
	v.Roles = p.rolesOf(v.Host.Group)
	if p.deps.Ranger == nil {
		return
	}
	for _, c := range v.Roles {
		for _, panel := range c.Panels {
			if panel.Per != role.PerHost {
				continue
			}
			fig := panelFigure(panel, v.Range)
			curves, expr, err := p.hostCurves(ctx, panel, v.Host.ID, v.Range)
			v.Err = cmp.Or(v.Err, p.failed(panel.Title, err))
			fig.Curves, fig.ID, fig.Marks = curves, "own"+strconv.Itoa(len(v.Own)), ms
			fig.Link = "/explore?e=" + url.QueryEscape(expr) + "&" + v.Range.Query()
			fig.shorten()
			v.Own = append(v.Own, fig)
		}
	}
}
