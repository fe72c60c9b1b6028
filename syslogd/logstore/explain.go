package logstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/logstore/chunk"
)

// Explain implements syslogd.Explainer: it answers the query, one without a
// limit by counting, and tells what that took.
func (s *Store) Explain(ctx context.Context, q syslogd.Query, by []string, bin time.Duration) (syslogd.Plan, error) {
	begin := time.Now()
	g, err := newGrouping(by, bin, q.Origin)
	if err != nil {
		return syslogd.Plan{}, fmt.Errorf("logstore: explain: %w", err)
	}
	p := newPlan(q)
	p.trace = &trace{fates: map[any]fate{}}
	matches, err := s.explain(ctx, p, q, g)
	if err != nil {
		return syslogd.Plan{}, fmt.Errorf("logstore: explain: %w", err)
	}
	result := p.trace.plan(q.Limit > 0)
	result.Matches, result.Took = matches, time.Since(begin)
	return result, nil
}

func (s *Store) explain(ctx context.Context, p *plan, q syslogd.Query, by *grouping) (n int64, err error) {
	if q.Limit > 0 {
		err = s.merge(ctx, p, q, func(*content, int) (bool, error) { n++; return true, nil })
		return n, err
	}
	total, err := s.aggregate(ctx, p, by)
	if err != nil {
		return 0, err
	}
	for _, k := range total.counts {
		n += k
	}
	return n, nil
}

// fate is what became of a chunk in a query. A chunk may be looked at in
// pieces; the greatest fate is the chunk's.
type fate uint8

const (
	pending fate = iota
	outOfTime
	wrongSeverity
	byFilter
	byTypes
	read
	damaged
	fates
)

// trace notes the fates of chunks. A nil trace notes nothing.
type trace struct {
	mu             sync.Mutex
	fates          map[any]fate // by *chunkInfo, or *part of an open chunk
	rows, rendered int64
}

// note tells what became of a chunk, which has so many rows.
func (t *trace) note(chunk any, f fate, rows int) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.fates[chunk]
	t.fates[chunk] = max(old, f)
	if f == read && old < read {
		t.rows += int64(rows)
	}
}

// render counts a row that had to be rendered.
func (t *trace) render() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rendered++
}

// plan sums up. What is pending at the end was not needed because of a limit,
// or was counted from headers and catalogues.
func (t *trace) plan(limited bool) syslogd.Plan {
	t.mu.Lock()
	defer t.mu.Unlock()
	var n [fates]int
	for _, f := range t.fates {
		n[f]++
	}
	p := syslogd.Plan{
		Chunks: len(t.fates), ByTime: n[outOfTime], BySeverity: n[wrongSeverity], ByFilter: n[byFilter], ByTypes: n[byTypes],
		Read: n[read], Damaged: n[damaged], Rows: t.rows, Rendered: t.rendered,
	}
	if limited {
		p.Unneeded = n[pending]
	} else {
		p.Counted = n[pending]
	}
	return p
}

// fate is how the header of a chunk rules it out; pending if it does not.
func (p *plan) fate(h *chunk.Header) fate {
	switch {
	case !p.inTime(h):
		return outOfTime
	case p.ofSeverities(h) == no:
		return wrongSeverity
	}
	return pending
}
