package pages

import (
	"net/http"
)

type overviewView struct {
	Frame
	Fleet    FleetTable
	HasFleet bool
	Groups   []GroupCard
	Roles    []RoleCard
	Hist     Histogram
	HasLogs  bool
	Lane     Lane
	Happened EventList
	Hosts    int
	Newest   string
}

// overview answers: is all well, and if not, what and where.
func (p *Pages) overview(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		p.Error(w, r, http.StatusNotFound)
		return
	}
	f := p.frame(r, "overview", "Overview", "hosts", "events", "marks")
	all, c := p.events(f.Range), choose(r.URL.Query(), quietOnPages())
	happened := marked(all, c, nil)
	v := overviewView{
		Frame: f, HasFleet: p.deps.Fleet != nil, HasLogs: p.deps.Logs != nil,
		Fleet:  p.fleetTable(r.Context(), r.URL.Query(), f),
		Groups: p.groupCards(f.Now),
		Roles:  p.roleCards(),
		Hist:   p.histogram(r.Context(), nil, "", f.Range, histBins),
		Lane:   newLane(happened[:min(len(happened), maxDots)], f.Range),
	}
	v.Hist.Marks = marks(marked(all, choose(r.URL.Query(), quietOnPictures()), nil), f.Range)
	v.Happened = p.eventList(r, f, happened)
	for i := range v.Groups[:min(len(v.Groups), maxGroups)] {
		fig, err := p.metricFigure(r.Context(), v.Groups[i].View, f.Range)
		_ = p.failed("The group's metric", err) // its own page says it; the card stands without
		fig.Marks = marks(ofGroup(all, choose(r.URL.Query(), quietOnPictures()), v.Groups[i].Name), f.Range)
		v.Groups[i].Graph = fig
	}
	p.render(w, http.StatusOK, "overview", v)
}
