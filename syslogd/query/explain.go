package query

import (
	"context"
	"fmt"
	"math"

	"rondo/syslogd"
)

// An Explanation says how a query is answered.
type Explanation struct {
	Query string   `json:"query"` // canonical
	Steps []string `json:"steps"` // what the store does, then the pipes
	// Plan is what the store did to find the messages.
	Plan syslogd.Plan `json:"plan"`
}

// Explain runs the part of a query that the store does, and tells how. limit
// is how many messages a query without pipes is asked for.
func (q *Query) Explain(ctx context.Context, s syslogd.Explainer, o Options, limit int) (Explanation, error) {
	ask := syslogd.Query{Filter: q.Filter, From: o.From, To: o.To, ByReceived: o.ByReceived, Oldest: o.Oldest, Limit: limit}
	e := Explanation{Query: q.Canonical()}
	pipes := q.expanded()
	counts, ok := Stats{}, false
	if len(pipes) > 0 {
		counts, ok = pipes[0].(Stats)
		ask.Limit = math.MaxInt
		if l, isLimit := pipes[0].(Limit); isLimit {
			ask.Limit = l.N
		}
	}
	switch {
	case ok && counts.countable():
		ask.Limit = 0
		e.Steps = append(e.Steps, "the store counts: "+counts.String())
		pipes = pipes[1:]
	case ask.Limit == math.MaxInt:
		e.Steps = append(e.Steps, "the store yields all messages that match")
	default:
		e.Steps = append(e.Steps, fmt.Sprintf("the store yields the first %d messages that match", ask.Limit))
	}
	for _, p := range pipes {
		e.Steps = append(e.Steps, p.String())
	}
	var err error
	e.Plan, err = s.Explain(ctx, ask, counts.By, counts.Bin)
	return e, err
}

// Lines tell people what became of the chunks.
func (e Explanation) Lines() []string {
	p := e.Plan
	lines := []string{fmt.Sprintf("%d chunks, %d messages match, %.1f ms", p.Chunks, p.Matches, p.Took.Seconds()*1000)}
	for _, l := range []struct {
		n    int
		text string
	}{
		{p.ByTime, "skipped: outside the time"},
		{p.BySeverity, "skipped: no such severity in them"},
		{p.ByFilter, "skipped: the index of words and hosts rules them out"},
		{p.ByTypes, "skipped: no template in them can match"},
		{p.Unneeded, "not needed: the limit was reached before"},
		{p.Counted, "counted without reading their messages"},
		{p.Read, fmt.Sprintf("read: %d messages, %d of them put together and compared", p.Rows, p.Rendered)},
		{p.Damaged, "left out: damaged"},
	} {
		if l.n > 0 {
			lines = append(lines, fmt.Sprintf("%6d %s", l.n, l.text))
		}
	}
	return lines
}
