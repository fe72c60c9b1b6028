package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/logstore/chunk"
	"rondo/syslogd/syslog"
)

// Options say of what time a query is asked, and how much it may take.
type Options struct {
	From, To   time.Time // as in syslogd.Query
	ByReceived bool
	Oldest     bool // messages come oldest first
	Limits     Limits
}

// errDone says that nobody wants more rows; errTime, that time is over.
var (
	errDone = errors.New("no more rows are wanted")
	errTime = errors.New("query: time is over")
)

// stage is one pipe at work.
type stage interface {
	put(r *Row) error // errDone: no more are wanted
	end() error       // no more will come
}

// run is one query at work.
type run struct {
	limits   Limits
	status   Status
	values   int   // held
	bytes    int64 // held
	patterns *chunk.Patterns
}

// Run answers a query. emit gets the rows as they come, and keeps them; its
// error ends the query and is returned. The Status is that of what was
// emitted, with an error too.
func (q *Query) Run(ctx context.Context, s syslogd.Searcher, o Options, emit func(*Row) error) (Status, error) {
	r := &run{limits: o.Limits.withDefaults(), patterns: chunk.NewPatterns()}
	ask := syslogd.Query{Filter: q.Filter, From: o.From, To: o.To, ByReceived: o.ByReceived, Oldest: o.Oldest}
	timed, cancel := context.WithTimeoutCause(ctx, r.limits.Time, errTime)
	defer cancel()
	err := r.answer(timed, s, ask, q.expanded(), &output{r, emit})
	if errors.Is(err, errDone) {
		err = nil
	}
	return r.status, err
}

// With is the query with one more pipe at its end.
func (q *Query) With(p Pipe) *Query {
	return &Query{q.Filter, append(slices.Clone(q.Pipes), p), q.src}
}

// expanded are the pipes as they run.
func (q *Query) expanded() []Pipe {
	var pipes []Pipe
	for _, p := range q.Pipes {
		if c, ok := p.(compound); ok {
			pipes = append(pipes, c.expand()...)
		} else {
			pipes = append(pipes, p)
		}
	}
	return pipes
}

// answer lets the store count where that is all there is to do first, and
// streams messages otherwise.
func (r *run) answer(ctx context.Context, s syslogd.Searcher, ask syslogd.Query, pipes []Pipe, out stage) error {
	if len(pipes) > 0 {
		if counts, ok := pipes[0].(Stats); ok && counts.countable() {
			rows, err := r.count(ctx, s, ask, counts)
			if !errors.Is(err, syslogd.ErrTooManyGroups) {
				return r.feed(rows, err, r.chain(pipes[1:], out))
			}
		}
	}
	first := r.chain(pipes, out)
	err := r.stream(ctx, s, ask, first)
	if err != nil && !errors.Is(err, errDone) {
		return err
	}
	return first.end()
}

// chain starts the pipes, the last first.
func (r *run) chain(pipes []Pipe, out stage) stage {
	next := out
	for i := len(pipes) - 1; i >= 0; i-- {
		next = pipes[i].start(next, r)
		if s, ok := next.(*sorter); ok && i+1 < len(pipes) {
			if l, ok := pipes[i+1].(Limit); ok {
				s.best = l.N
			}
		}
	}
	return next
}

// stream puts the messages that match into the first stage. That time is over
// is no error, but makes the answer incomplete.
func (r *run) stream(ctx context.Context, s syslogd.Searcher, ask syslogd.Query, first stage) error {
	for m, err := range s.Search(ctx, ask) {
		if errors.Is(err, errTime) {
			r.status.cut("time", r.limits.Time, 0)
			return nil
		}
		if err != nil {
			return err
		}
		r.status.Scanned++
		if err := first.put(&Row{message: &m, mask: r.mask}); err != nil {
			return err
		}
	}
	return nil
}

// mask is the pattern of a message.
func (r *run) mask(m *syslog.Message) string {
	return r.patterns.Of(m.Text, m.When().UnixNano())
}

// feed puts rows that are there already into a stage.
func (r *run) feed(rows []*Row, err error, first stage) error {
	if errors.Is(err, errTime) {
		r.status.cut("time", r.limits.Time, 0)
	} else if err != nil {
		return err
	}
	return pour(rows, first)
}

// pour puts rows that are there into a stage, until it wants no more.
func pour(rows []*Row, next stage) error {
	for _, r := range rows {
		if err := next.put(r); errors.Is(err, errDone) {
			break
		} else if err != nil {
			return err
		}
	}
	return next.end()
}

// countable reports whether a store can do it: it counts messages, by what it
// knows of them.
func (p Stats) countable() bool {
	for _, a := range p.Aggs {
		if a.Func != "count" || a.Field != "" {
			return false
		}
	}
	for _, name := range p.By {
		if known, ok := filter.FieldName(name); name != syslogd.Pattern && (!ok || known != name) {
			return false
		}
	}
	return len(p.By) <= syslogd.MaxBy
}

// count makes rows of the store's groups.
func (r *run) count(ctx context.Context, s syslogd.Searcher, ask syslogd.Query, p Stats) ([]*Row, error) {
	groups, err := s.Count(ctx, ask, p.By, p.Bin)
	if err != nil {
		return nil, err
	}
	if len(groups) == 0 && len(p.By) == 0 && p.Bin == 0 {
		groups = []syslogd.Group{{}} // nothing counts 0
	}
	rows := make([]*Row, len(groups))
	for i, g := range groups {
		row := &Row{}
		if p.Bin > 0 {
			row.cells = append(row.cells, cell{"time", timeOf(g.Start)})
		}
		for j, name := range p.By {
			row.cells = append(row.cells, cell{name, textOf(g.Values[j])})
		}
		for _, a := range p.Aggs {
			row.cells = append(row.cells, cell{a.As, numberOf(float64(g.Count))})
		}
		rows[i] = row
	}
	return rows, nil
}

// output is the last stage.
type output struct {
	*run
	emit func(*Row) error
}

func (o *output) put(r *Row) error {
	if o.status.Rows == int64(o.limits.Rows) {
		o.status.cut("rows", o.limits.Rows, 0)
		return errDone
	}
	o.status.Rows++
	return o.emit(r)
}

func (o *output) end() error { return nil }

// hold accounts for memory; false if there is none left.
func (r *run) hold(bytes int64) bool {
	if r.bytes+bytes > r.limits.Bytes {
		r.status.cut("bytes", r.limits.Bytes, 1)
		return false
	}
	r.bytes += bytes
	return true
}

// note tells people how often something happened that they should know.
type note struct {
	text string // with a %d for the count
	n    int64
}

func (r *run) tell(n note) {
	if n.n > 0 {
		r.status.Notes = append(r.status.Notes, fmt.Sprintf(n.text, n.n))
	}
}
