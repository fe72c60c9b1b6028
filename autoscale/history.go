package autoscale

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Record is a decision as the journal has it, and all that came of it.
type Record struct {
	Ref  string `json:"ref"`            // names it in commands and URLs
	Hash string `json:"hash,omitempty"` // of its entry
	Decision
	Calls []Call `json:"calls,omitempty"` // in the order of their answers
}

// Ref names a decision in commands and URLs: its ID, or n and its entry's
// number, or now while it is not in the journal.
func (d Decision) Ref() string {
	switch {
	case d.ID != "":
		return d.ID
	case d.Entry > 0:
		return "n" + strconv.FormatUint(d.Entry, 10)
	}
	return refNow
}

// A Call is one request to the cloud, or several with the same token.
type Call struct {
	Kind      Kind      `json:"kind"` // launch or terminate
	Attempt   string    `json:"attempt"`
	Asked     time.Time `json:"asked,omitzero"` // journalled before the request
	Ended     time.Time `json:"ended,omitzero"` // zero while it is under way
	Again     bool      `json:"again,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Outcome   string    `json:"outcome,omitempty"`
	Instances []string  `json:"instances,omitempty"`
}

// A history makes records of a group's entries, oldest first.
type history struct {
	records []*Record
	tries   map[string][]*Record // by attempt whose outcome is to come
	leaving map[string]*Record   // by instance that drains
}

func newHistory() *history {
	return &history{tries: map[string][]*Record{}, leaving: map[string]*Record{}}
}

// add takes the next entry of the group.
func (h *history) add(e Entry) {
	switch e.Kind {
	case KindDecided:
		h.record(e)
	case KindLaunch:
		r := h.record(e)
		h.ask(r, e)
	case KindDrain, KindReplace:
		r := h.record(e)
		for _, id := range e.Instances {
			h.leaving[id] = r
		}
	case KindReclaim:
		for _, r := range h.of(e.Instances) {
			r.Outcome = "taken back: " + e.Text
		}
		for _, id := range e.Instances {
			delete(h.leaving, id)
		}
		if e.Decision != nil {
			h.record(e)
		}
	case KindTerminate:
		for _, r := range h.of(e.Instances) {
			h.ask(r, e)
		}
	case KindOutcome:
		h.outcome(e)
	}
}

func (h *history) record(e Entry) *Record {
	r := &Record{Hash: e.Hash, Decision: *e.Decision}
	r.Entry = e.Seq
	r.Ref = r.Decision.Ref()
	h.records = append(h.records, r)
	return r
}

// of returns the records that chose these instances to go.
func (h *history) of(ids []string) (out []*Record) {
	for _, id := range ids {
		if r := h.leaving[id]; r != nil && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

func (h *history) ask(r *Record, e Entry) {
	r.Calls = append(r.Calls, Call{Kind: e.Kind, Attempt: e.Attempt, Asked: e.At, Instances: e.Instances})
	h.tries[e.Attempt] = append(h.tries[e.Attempt], r)
}

// outcome notes what became of an attempt. One that was repeated has several.
func (h *history) outcome(e Entry) {
	text := "done"
	if e.Failure != "" {
		text = e.Text
	}
	records := h.tries[e.Attempt]
	if len(records) == 0 {
		records = h.of(e.Instances)
	}
	for _, r := range records {
		r.answer(e, text)
		r.Outcome, r.RequestID = text, e.RequestID
		if r.Direction == Out && e.Failure == "" {
			r.Instances = e.Instances
		}
	}
	if e.Failure == "" {
		delete(h.tries, e.Attempt)
	}
}

func (r *Record) answer(e Entry, text string) {
	if e.Attempt == "" {
		return // nothing was asked: they were gone already
	}
	i := slices.IndexFunc(r.Calls, func(c Call) bool { return c.Attempt == e.Attempt && c.Ended.IsZero() })
	if i < 0 {
		r.Calls = append(r.Calls, Call{Kind: KindLaunch, Attempt: e.Attempt})
		i = len(r.Calls) - 1
	}
	c := &r.Calls[i]
	c.Ended, c.Again, c.RequestID, c.Outcome = e.At, e.Again, e.RequestID, text
	if len(e.Instances) > 0 {
		c.Instances = e.Instances
	}
}

// A Line is an entry of the journal as people may see it: without user data, which
// may hold secrets, and without snapshots' contents.
type Line struct {
	Entry
	Hash string `json:"hash"`
}

// Lines returns the newest limit entries of a group, oldest first; those of all
// groups, whose hashes make one chain, if name is "".
func (c *Controller) Lines(name string, limit int) ([]Line, error) {
	if _, err := c.group(name); name != "" && err != nil {
		return nil, err
	}
	limit = max(1, min(limit, MaxRecords))
	for block, newest := uint64(firstRead), c.journal.Seq(); ; block *= 2 {
		from := newest - min(block, newest)
		out := []Line{}
		for e := range c.journal.entries(from) {
			if name == "" || e.Group == name || e.Group == Everything {
				out = append(out, e.line())
			}
		}
		if from == 0 || len(out) >= limit {
			return out[max(0, len(out)-limit):], nil
		}
	}
}

func (e Entry) line() Line {
	e.State = nil
	if e.Launch != nil {
		l := *e.Launch
		l.Template.UserData = ""
		e.Launch = &l
	}
	if e.Refresh != nil {
		n := *e.Refresh
		n.Old, n.New = n.Old.shown(), n.New.shown()
		e.Refresh = &n
	}
	return Line{Entry: e, Hash: e.Hash}
}

// shown is a template without its user data.
func (t *Template) shown() *Template {
	if t == nil {
		return nil
	}
	out := *t
	out.UserData = ""
	return &out
}

// Check checks the journal of all groups.
func (c *Controller) Check() (Chain, error) { return c.journal.Check() }

// How much of the journal is read for an answer.
const (
	MaxRecords = 500  // that are asked for at once
	firstRead  = 2000 // entries, then twice as many, and so on
	settles    = 1000 // entries after a decision in which its outcome is looked for
)

// entries yields what can be read above seq, oldest first.
func (j *Journal) entries(seq uint64) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for record, err := range j.log.After(seq) {
			if err != nil {
				continue // Check tells of it
			}
			if e, bad := decodeEntry(record.Value); bad == nil && e.Seq > seq && !yield(e) {
				return
			}
		}
	}
}

// records reads a group's decisions whose entries are below before, all if it
// is 0: the newest limit of them and more, oldest first. enough may stop it
// earlier from reading more.
func (j *Journal) records(group string, before uint64, enough func([]*Record) bool) []*Record {
	if before == 0 {
		before = j.Seq() + 1
	}
	for block := uint64(firstRead); ; block *= 2 {
		from := before - min(block, before)
		h := newHistory()
		for e := range j.entries(from) {
			if e.Seq >= before+settles {
				break
			}
			if e.Group == group {
				h.add(e)
			}
		}
		h.records = slices.DeleteFunc(h.records, func(r *Record) bool { return r.Entry >= before })
		if from == 0 || enough(h.records) {
			return h.records
		}
	}
}

// A Page says which records are wanted.
type Page struct {
	Before uint64    // older than this entry; 0: all, with the open run on top
	Since  time.Time // not older than this
	Limit  int       // at most so many, and at most MaxRecords
}

// Records returns a group's decisions, newest first.
func (c *Controller) Records(name string, p Page) ([]Record, error) {
	g, err := c.group(name)
	if err != nil {
		return nil, err
	}
	p.Limit = max(1, min(p.Limit, MaxRecords))
	out := []Record{}
	if open, ok := g.openRun(); ok && p.Before == 0 {
		out = append(out, open)
	}
	rs := c.journal.records(name, p.Before, func(rs []*Record) bool {
		return len(rs) >= p.Limit || len(rs) > 0 && rs[0].At.Before(p.Since)
	})
	for _, r := range slices.Backward(rs) {
		if len(out) == p.Limit || r.At.Before(p.Since) {
			break
		}
		out = append(out, *r)
	}
	return out, nil
}

// refNow is the reference of the run that is open.
const refNow = "now"

// openRun is the decision that is not in the journal yet, for it goes on.
func (g *group) openRun() (Record, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Record{Ref: refNow, Decision: g.now}, g.now.Count > 0
}

// leastRef is how much of an ID names it.
const leastRef = 6

// Record finds one decision of a group: by its ID or the beginning of it, by n
// and its entry's number, or now.
func (c *Controller) Record(name, ref string) (Record, error) {
	g, err := c.group(name)
	if err != nil {
		return Record{}, err
	}
	if ref == refNow {
		if open, ok := g.openRun(); ok {
			return open, nil
		}
		rs, err := c.Records(name, Page{Limit: 1})
		if err != nil || len(rs) == 0 {
			return Record{}, fmt.Errorf("autoscale: %s: %w yet", name, ErrNoDecision)
		}
		return rs[0], nil
	}
	is, before := func(r *Record) bool { return strings.HasPrefix(r.ID, ref) && len(ref) >= leastRef }, uint64(0)
	if digits, ok := strings.CutPrefix(ref, "n"); ok {
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil {
			return Record{}, fmt.Errorf("autoscale: %s: %w %q", name, ErrNoDecision, ref)
		}
		is, before = func(r *Record) bool { return r.Entry == n }, n+1
	}
	rs := c.journal.records(name, before, func(rs []*Record) bool { return slices.ContainsFunc(rs, is) })
	if i := slices.IndexFunc(rs, is); i >= 0 {
		return *rs[i], nil
	}
	return Record{}, fmt.Errorf("autoscale: %s: %w %q", name, ErrNoDecision, ref)
}

// At returns the decision of a group that was in force at a time: the newest
// that was made by then.
func (c *Controller) At(name string, at time.Time) (Record, error) {
	g, err := c.group(name)
	if err != nil {
		return Record{}, err
	}
	if open, ok := g.openRun(); ok && !open.First.After(at) {
		return open, nil
	}
	by := func(r *Record) bool { return !r.began().After(at) }
	rs := c.journal.records(name, 0, func(rs []*Record) bool { return slices.ContainsFunc(rs, by) })
	for _, r := range slices.Backward(rs) {
		if by(r) {
			return *r, nil
		}
	}
	return Record{}, fmt.Errorf("autoscale: %s: %w by %s in the journal", name, ErrNoDecision, at.UTC().Format(time.RFC3339))
}

// began is when the decision was first made.
func (d Decision) began() time.Time {
	if d.First.IsZero() {
		return d.At
	}
	return d.First
}
