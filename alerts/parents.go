package alerts

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"rondo/rrd"
)

// Bounds of dependencies.
const (
	maxDependencies = 1000
	maxAncestors    = 1000 // looked at for one state
	maxParentWait   = time.Hour
	parentWait      = 2 * time.Minute
)

// A Dependency says that the problems that meet Child go back to those that
// meet Parent and share the values of the labels Equal with them: the services
// of a host to the host, the hosts behind a switch to the switch.
//
//	parent        child that is bad
//	hard bad      unreachable: not told
//	soft, or not  waits, at most Wait, for what becomes of the parent, which is
//	looked at yet  checked at once
//	has recovered not told before it was checked again for as long as a new
//	              problem would have been
//	OK            told
//
// A child is checked as ever, and its recovery from what was told is told. Of
// states that depend on each other in a circle none mutes another.
type Dependency struct {
	Child     []Matcher     `yaml:"child"`
	Parent    []Matcher     `yaml:"parent"`
	Equal     []string      `yaml:"equal"`
	Redundant bool          `yaml:"redundant"` // a child is unreachable only when all its parents are bad, not when one is
	Wait      time.Duration `yaml:"wait"`      // 2m
}

// Validate says what is wrong with a dependency, or nil.
func (d Dependency) Validate() error {
	var errs []error
	if len(d.Child) == 0 || len(d.Parent) == 0 {
		errs = append(errs, errors.New("want matchers for child and for parent"))
	}
	if d.Wait < 0 || d.Wait > maxParentWait {
		errs = append(errs, fmt.Errorf("wait %v: want at most %v", d.Wait, maxParentWait))
	}
	return errors.Join(errs...)
}

// A stateID names a state: its rule and the text of its labels.
type stateID struct{ rule, labels string }

// A kinship is what the parents and children of one dependency share.
type kinship struct {
	dependency int
	values     string // of the labels Equal
}

func (d Dependency) kinship(i int, ls rrd.Labels) kinship {
	var b strings.Builder
	for _, name := range d.Equal {
		b.WriteString(ls.Get(name) + "\xff")
	}
	return kinship{i, b.String()}
}

// relations are the states that are parents, of any status.
type relations struct {
	dependencies []Dependency
	parents      map[kinship]map[stateID]bool
}

func (f *relations) add(id stateID, ls rrd.Labels) {
	for i, d := range f.dependencies {
		if !matchAll(d.Parent, id.rule, ls) {
			continue
		}
		k := d.kinship(i, ls)
		if f.parents[k] == nil {
			f.parents[k] = make(map[stateID]bool)
		}
		f.parents[k][id] = true
	}
}

func (f *relations) remove(id stateID, ls rrd.Labels) {
	for i, d := range f.dependencies {
		k := d.kinship(i, ls)
		if delete(f.parents[k], id); len(f.parents[k]) == 0 {
			delete(f.parents, k)
		}
	}
}

// relate finds out anew who is whose parent. The caller holds e.mu, or is
// NewEngine.
func (e *Engine) relate(ds []Dependency) {
	e.relations = relations{ds, make(map[kinship]map[stateID]bool)}
	if len(ds) == 0 {
		return
	}
	for rule, r := range e.rules {
		for key, rec := range r.records {
			e.relations.add(stateID{rule, key}, rec.labels)
		}
	}
}

// record returns the record of a state. The caller holds e.mu.
func (e *Engine) record(id stateID) (rec record, ok bool) {
	if r := e.rules[id.rule]; r != nil {
		rec, ok = r.records[id.labels]
	}
	return rec, ok
}

// An upbringing is what the parents of a state say of it.
type upbringing struct {
	bad  *stateID // makes it unreachable
	open *stateID // nobody knows yet how it is
	wait time.Duration
}

// parents asks the parents of a state. The caller holds e.mu.
func (e *Engine) parents(child stateID, rec record) (u upbringing) {
	for i, d := range e.relations.dependencies {
		if !matchAll(d.Child, child.rule, rec.labels) {
			continue
		}
		var bad, open *stateID
		well := false
		for id := range e.relations.parents[d.kinship(i, rec.labels)] {
			p, ok := e.record(id)
			switch {
			case !ok || id == child:
			case p.state.Hard != OK:
				if !e.descends(id, child) {
					bad = first(bad, id)
				}
			case p.state.Soft() || p.state.Seen.Before(rec.state.Start):
				open = first(open, id)
			default:
				well = true
			}
		}
		if d.Redundant && (well || open != nil) {
			bad = nil
		}
		if d.Redundant && well {
			open = nil
		}
		u.bad, u.open = cmp.Or(u.bad, bad), cmp.Or(u.open, open)
		if open != nil {
			u.wait = max(u.wait, cmp.Or(d.Wait, parentWait))
		}
	}
	return u
}

// first is the one of two that comes first, so that the same is named always.
func first(a *stateID, b stateID) *stateID {
	if a != nil && cmp.Or(strings.Compare(a.rule, b.rule), strings.Compare(a.labels, b.labels)) < 0 {
		return a
	}
	return &b
}

// descends says whether a state has another among its ancestors, by ways along
// which all are hard bad. The caller holds e.mu.
func (e *Engine) descends(from, ancestor stateID) bool {
	seen := map[stateID]bool{from: true}
	for next := []stateID{from}; len(next) > 0; next = next[1:] {
		rec, _ := e.record(next[0])
		for i, d := range e.relations.dependencies {
			if !matchAll(d.Child, next[0].rule, rec.labels) {
				continue
			}
			for id := range e.relations.parents[d.kinship(i, rec.labels)] {
				if id == ancestor {
					return true
				}
				if p, _ := e.record(id); p.state.Hard != OK && !seen[id] && len(seen) < maxAncestors {
					seen[id] = true
					next = append(next, id)
				}
			}
		}
	}
	return false
}

// byParent mutes what goes back to a parent, or may.
func (e *Engine) byParent(r *runner, rec record, now time.Time) Mute {
	if rec.state.Status == OK || len(e.relations.dependencies) == 0 {
		return Mute{}
	}
	u := e.parents(stateID{r.Rule.ID(), rec.labels.String()}, rec)
	switch {
	case u.bad != nil:
		p, _ := e.record(*u.bad)
		return Mute{Unreachable, "parent " + u.bad.rule + u.bad.labels + " is " + p.state.Hard.String()}
	case rec.held:
		return Mute{Waits, "a parent has recovered: to be checked again before it is told"}
	case u.open != nil && now.Sub(rec.hardSince(now)) < u.wait:
		return Mute{Waits, "waits for what becomes of parent " + u.open.rule + u.open.labels}
	}
	return Mute{}
}

// hardSince is since when the hard status is what it is; now, if it changes
// just now.
func (r record) hardSince(now time.Time) time.Time {
	if r.last != nil && r.last.To == r.state.Hard {
		return r.last.At
	}
	return now
}

// hold notes whether a problem was there while a parent was bad. It goes on to
// until it was bad for as long after that as a new problem has to be.
func (b *batch) hold(rec *record) {
	b.e.mu.RLock()
	defer b.e.mu.RUnlock()
	if len(b.e.relations.dependencies) == 0 && !rec.held {
		return
	}
	proof := time.Duration(b.policy.attempts()) * cmp.Or(b.policy.Retry, b.r.interval())
	switch {
	case rec.state.Status == OK:
		rec.held, rec.freed = false, time.Time{}
	case b.e.parents(stateID{b.r.Rule.ID(), rec.labels.String()}, *rec).bad != nil:
		rec.held, rec.freed = true, time.Time{}
	case rec.held && rec.freed.IsZero():
		rec.freed = b.now
	case rec.held && b.now.Sub(rec.freed) >= proof-proof/10:
		rec.held = false
	}
}

// recheck has the parent checked that a new problem waits for. One that is soft
// has its turn at its own retry interval: its attempts are not used up sooner.
func (e *Engine) recheck(child stateID, rec record) {
	e.mu.RLock()
	open := e.parents(child, rec).open
	stale := false
	if open != nil {
		p, _ := e.record(*open)
		stale = !p.state.Soft()
	}
	e.mu.RUnlock()
	if stale {
		e.Wake(open.rule)
	}
}
