package alerts

import (
	"net/http"
	"time"
)

// maxPreview bounds the states that a preview lists; all are counted.
const maxPreview = 1000

// A Preview is what matchers match at this moment.
type Preview struct {
	States   int    `json:"states"`   // of any status
	Problems int    `json:"problems"` // of these, not OK
	List     []View `json:"list"`     // the gravest first; at most 1,000
}

// Preview says which states a silence, a downtime or an acknowledgement with
// these matchers would be about.
func (e *Engine) Preview(ms []Matcher) Preview {
	p := Preview{List: []View{}}
	for _, v := range e.Views() {
		if v.Missing && v.Labels == nil && v.Since.IsZero() || !matchAll(ms, v.Rule, v.Labels) {
			continue // the first stands for a rule without states
		}
		p.States++
		if v.Status != OK {
			p.Problems++
		}
		if len(p.List) < maxPreview {
			p.List = append(p.List, v)
		}
	}
	return p
}

func (e *Engine) servePreview(w http.ResponseWriter, c command) {
	writeJSON(w, http.StatusOK, e.Preview(c.Matchers))
}

// clearFor is how long nothing must have matched until a silence with
// EndWhenClear ends.
const clearFor = 5 * time.Minute

// problems says whether any state that matches is not OK. The caller holds
// e.mu.
func (e *Engine) problems(ms []Matcher) bool {
	for rule, r := range e.rules {
		for _, rec := range r.records {
			if rec.state.Status != OK && matchAll(ms, rule, rec.labels) {
				return true
			}
		}
	}
	return false
}

// clear brings a silence with EndWhenClear forward and says whether it ends.
// The caller holds e.mu.
func (e *Engine) clear(s *Silence, now time.Time) (ends bool) {
	switch {
	case !s.EndWhenClear:
		return false
	case e.problems(s.Matchers):
		s.Matched, s.clear = true, time.Time{}
	case s.Matched && s.clear.IsZero():
		s.clear = now
	}
	return !s.clear.IsZero() && now.Sub(s.clear) >= clearFor
}
