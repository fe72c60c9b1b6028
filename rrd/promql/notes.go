package promql

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
	"github.com/prometheus/prometheus/util/annotations"

	"rondo/rrd"
)

// maxNotes bounds how many warnings, and how many infos, an answer carries.
const maxNotes = 20

// notes collects what a reader of the answer should know. They are written
// as the engine writes its own, with line and column of the query.
type notes struct {
	expr     string
	warnings []string
	infos    []string
	gauges   map[string]bool // names of gauges under rate() and increase()
	counted  map[string]bool // names of counters there
	said     map[remark]bool
}

// A remark is what column has to say; it is said once, not for each series.
type remark struct {
	selector  *selector
	row       time.Duration
	want, got rrd.Column
}

func newNotes(expr string) *notes {
	return &notes{expr: expr, gauges: map[string]bool{}, counted: map[string]bool{}, said: map[remark]bool{}}
}

func (n *notes) warn(at parser.Node, text string) {
	n.warnings = append(n.warnings, n.text("PromQL warning", at, text))
}

func (n *notes) info(at parser.Node, text string) {
	n.infos = append(n.infos, n.text("PromQL info", at, text))
}

func (n *notes) text(kind string, at parser.Node, text string) string {
	return fmt.Sprintf("%s: %s (%s)", kind, text, at.PositionRange().StartPosInput(n.expr, 0))
}

// column notes that r answered s with the column got where want was wanted.
func (n *notes) column(s *selector, r rrd.Series, want, got rrd.Column) {
	key := remark{s, r.Row(), want, got}
	if n.said[key] {
		return
	}
	n.said[key] = true
	switch {
	case s.fn == "present_over_time", s.fn == "absent_over_time", s.fn == "avg_over_time":
	case got != want:
		n.info(s.node, fmt.Sprintf("%s keeps no %s in its %s: averages answered", s.text, want, rows(r)))
	case got == rrd.ColAverage && r.Archive > 0:
		n.info(s.node, fmt.Sprintf("%s was answered by averages of %s", s.text, rows(r)))
	}
}

// counters remembers which names under rate() and its kin are gauges. The
// engine guesses that from the name; the store knows.
func (n *notes) counters(s *selector) {
	if s.fn != "rate" && s.fn != "irate" && s.fn != "increase" {
		return
	}
	for _, r := range s.rows {
		name := r.Key.Name()
		if cumulative(r.Definition.Type) {
			n.counted[name] = true
			continue
		}
		if !n.gauges[name] && endsAsCounter(name) {
			n.info(s.node, fmt.Sprintf("%s() of %q reads averages: it is stored as a gauge, and a reset of a counter would not be seen", s.fn, name))
		}
		n.gauges[name] = true
	}
}

// endsAsCounter says whether the engine takes a name for a counter's.
func endsAsCounter(name string) bool {
	for _, suffix := range []string{"_total", "_sum", "_count", "_bucket"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// texts joins our notes with the engine's, sorted, each once.
func (n *notes) texts(engine annotations.Annotations) (warnings, infos []string) {
	for name := range n.counted {
		if !n.gauges[name] {
			delete(engine, annotations.NewPossibleNonCounterInfo(name, posrange.PositionRange{}).Error())
		}
	}
	warnings, infos = engine.AsStrings(n.expr, 0, 0)
	return tidy(append(warnings, n.warnings...)), tidy(append(infos, n.infos...))
}

// tidy sorts notes, drops repetitions and says how many did not fit.
func tidy(texts []string) []string {
	slices.Sort(texts)
	texts = slices.Compact(texts)
	if more := len(texts) - maxNotes; more > 0 {
		texts = append(texts[:maxNotes], fmt.Sprintf("%d more omitted", more))
	}
	return texts
}
