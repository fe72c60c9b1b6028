package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"rondo/rrd"
)

// A setTable is what the table knows of sets, guarded by table.mu. In the
// table's log:
//
//	record = 'T' id:uvarint shared:byte set                a definition
//	       | 'C' id:uvarint flags:byte definition:uvarint start:varint name
//	       | 'L' id:uvarint                                a pending one is there
//	       | 'X' id:uvarint                                dropped
//
// where set is a rrd.SetDefinition's bytes, and the id of a set is that of its
// first series. A set that comes takes the place of the one of its name.
type setTable struct {
	names  map[string]*set
	sorted []string // nil: to be made
	defs   map[string]*setDefinition
	byID   []*setDefinition
	// seasons is how many values the seasons of all sets have that have a name.
	seasons int
}

const flagPending = 1

// A setDefinition is a rrd.SetDefinition as the store has it, shared by sets.
type setDefinition struct {
	rrd.SetDefinition
	id      int
	rings   []*ring
	ringOf  []int               // by archive: its index in rings; -1: it lives in the state
	owner   []int               // by ring: the archive whose rows it has
	views   []setView           // ascending by steps
	sources []*definition       // by data source: what its series looks like
	family  bool                // Holt-Winters': it keeps much
	work    [numShards]*rrd.Set // guarded by the shards; nil for the family
}

// A setView is what the archives of equal steps are to a query: one archive.
type setView struct {
	steps, rows int
	archives    [4]int // by CF; -1: none
	points      int    // the longest, where its rows are single points, the same to every CF; -1: they are not
}

// newSetDefinition finds the rings. Where shared is set, archives of one step
// and as many rows have one ring: whatever their function, they make equal
// rows.
func newSetDefinition(id int, d rrd.SetDefinition, shared bool, rings func(d *rrd.SetDefinition, a, nth int) *ring) *setDefinition {
	def := &setDefinition{SetDefinition: d, id: id}
	def.family = slices.ContainsFunc(d.Archives, func(a rrd.SetArchive) bool { return a.HoltWinters != nil })
	for a := range d.Archives {
		if isSeason(&d.Archives[a]) {
			def.ringOf = append(def.ringOf, -1)
			continue
		}
		def.ringOf = append(def.ringOf, def.findRing(a, shared, rings))
		def.look(a)
	}
	slices.SortFunc(def.views, func(a, b setView) int { return a.steps - b.steps })
	for _, s := range d.Sources {
		view := &definition{gauge: true, rings: def.rings}
		view.Definition = rrd.Definition{Type: rrd.Gauge, Step: d.Step, Heartbeat: s.Heartbeat, Min: s.Min, Max: s.Max}
		for _, v := range def.views {
			view.Archives = append(view.Archives, rrd.Archive{Steps: v.steps, Rows: v.rows})
		}
		def.sources = append(def.sources, view)
	}
	return def
}

// isSeason says whether an archive's ring is part of the set's state.
func isSeason(a *rrd.SetArchive) bool { return a.CF == rrd.Seasonal || a.CF == rrd.DevSeasonal }

// findRing returns the ring of archive a. Of archives that are alike in all
// that a ring's name says, each has its own.
func (def *setDefinition) findRing(a int, shared bool, rings func(*rrd.SetDefinition, int, int) *ring) int {
	archive := &def.Archives[a]
	nth := 0
	for b, ring := range def.ringOf {
		other := &def.Archives[b]
		if ring < 0 || other.Steps != archive.Steps || other.Rows != archive.Rows {
			continue
		}
		if shared && archive.Steps == 1 && archive.CF <= rrd.Last && other.CF <= rrd.Last {
			return ring
		}
		if other.CF == archive.CF {
			nth++
		}
	}
	def.rings, def.owner = append(def.rings, rings(&def.SetDefinition, a, nth)), append(def.owner, a)
	return len(def.rings) - 1
}

// look enters archive a into its view.
func (def *setDefinition) look(a int) {
	archive := &def.Archives[a]
	if archive.CF > rrd.Last {
		return
	}
	i := slices.IndexFunc(def.views, func(v setView) bool { return v.steps == archive.Steps })
	if i < 0 {
		i = len(def.views)
		def.views = append(def.views, setView{steps: archive.Steps, archives: [4]int{-1, -1, -1, -1}, points: -1})
	}
	v := &def.views[i]
	if of := &v.archives[archive.CF]; *of < 0 || def.Archives[*of].Rows < archive.Rows {
		*of = a // of several the longest
	}
	if v.steps == 1 && archive.Rows > v.rows {
		v.points = a
	}
	v.rows = max(v.rows, archive.Rows)
}

// row is how long a row of archive a lasts.
func (def *setDefinition) row(a int) rrd.Time {
	return rrd.Time(def.Step/time.Microsecond) * rrd.Time(def.Archives[a].Steps)
}

// A setBirth is a set that is to be made.
type setBirth struct {
	name     string
	def      rrd.SetDefinition
	start    rrd.Time
	state    *rrd.Set // nil: pending
	shared   bool     // see newSetDefinition
	replace  bool
	keys     []rrd.Key
	replaced *set
	changes  *set // not nil: the only one that may be replaced
}

// addSet makes a set, and returns the one that it replaces. It is durable when
// the table is settled.
func (t *table) addSet(b *setBirth) (s, old *set, err error) {
	if err := checkSet(&b.def); err != nil {
		return nil, nil, err
	}
	if !utf8.ValidString(b.name) {
		return nil, nil, rrd.ErrNotUTF8
	}
	b.name = strings.Clone(b.name)
	for _, src := range b.def.Sources {
		k, err := rrd.NewKey(b.name, rrd.Label{Name: "ds", Value: src.Name})
		if err != nil {
			return nil, nil, err
		}
		b.keys = append(b.keys, k)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.admitSet(b); err != nil {
		return nil, nil, err
	}
	def, records := t.planSetDefinition(b.def, b.shared)
	id, flags := t.neighbours(len(b.keys)), byte(0)
	if b.state == nil {
		flags |= flagPending
	}
	rec := append(appendUvarint([]byte{'C'}, uint64(id)), flags)
	rec = appendVarint(appendUvarint(rec, uint64(def.id)), int64(b.start))
	if _, err := t.log.Append(append(records, append(rec, b.name...))...); err != nil {
		return nil, nil, err
	}
	t.enterSetDefinition(def, b.shared)
	s = t.placeSet(id, def, b.name, b.keys, b.start, b.state)
	if b.state != nil {
		t.show(s)
	}
	return s, b.replaced, nil
}

// admitSet says why a set cannot be made.
func (t *table) admitSet(b *setBirth) error {
	b.replaced = t.sets.names[b.name]
	if b.replaced != nil && !b.replace {
		return rrd.ErrSetExists
	}
	if b.changes != nil && b.replaced != b.changes {
		return fmt.Errorf("it was dropped or replaced meanwhile: %w", rrd.ErrNoSet)
	}
	known, seasons := t.known, t.sets.seasons
	if b.replaced != nil {
		known -= len(b.replaced.series)
		seasons -= seasonValues(&b.replaced.def.SetDefinition)
	}
	for _, k := range b.keys {
		if id, ok := t.lookup(k); ok && (t.at(id).of == nil || t.at(id).of != b.replaced) {
			return fmt.Errorf("series %s is there already and belongs to no set of that name", k)
		}
	}
	if known+len(b.keys) > t.max {
		return errSeriesMax
	}
	if n := seasonValues(&b.def); n > 0 && seasons+n > maxSeasons {
		return fmt.Errorf("the seasons of all sets would have more than %d values", maxSeasons)
	}
	return nil
}

// planSetDefinition returns the definition, and its record if it is new.
func (t *table) planSetDefinition(d rrd.SetDefinition, shared bool) (*setDefinition, [][]byte) {
	bytes := setDefinitionBytes(&d, shared)
	if def := t.sets.defs[string(bytes)]; def != nil {
		return def, nil
	}
	id := len(t.sets.byID)
	return newSetDefinition(id, d, shared, t.setRing), [][]byte{append(appendUvarint([]byte{'T'}, uint64(id)), bytes...)}
}

func setDefinitionBytes(d *rrd.SetDefinition, shared bool) []byte {
	var flag byte
	if shared {
		flag = 1
	}
	return d.AppendBinary([]byte{flag})
}

func (t *table) enterSetDefinition(def *setDefinition, shared bool) {
	for len(t.sets.byID) <= def.id {
		t.sets.byID = append(t.sets.byID, nil)
	}
	t.sets.byID[def.id] = def
	t.sets.defs[string(setDefinitionBytes(&def.SetDefinition, shared))] = def
}

// neighbours returns the first of n ids that are free: in one page, so that a
// set has one lock, or if there are more from the start of a page on.
func (t *table) neighbours(n int) uint32 {
	if left := pageSeries - int(t.size%pageSeries); n > left && left < pageSeries {
		return t.size + uint32(left)
	}
	return t.size
}

// placeSet makes the series of a set, which is pending. It has its state, if
// there is one, before a checkpoint can see it.
func (t *table) placeSet(id uint32, def *setDefinition, name string, keys []rrd.Key, start rrd.Time, state *rrd.Set) *set {
	s := &set{id: id, name: name, def: def, start: start, last: noTime, series: make([]*series, len(keys))}
	if state != nil {
		s.put(state)
	}
	for i, k := range keys {
		ser := uint32(i) + id
		s.shards |= 1 << (ser / pageSeries % numShards)
		s.series[i] = t.put(ser, k, def.sources[i], s)
	}
	return s
}

// show gives a set its name, and takes it from the one that has it.
func (t *table) show(s *set) {
	if old := t.sets.names[s.name]; old != nil {
		t.hide(old)
	}
	for _, ser := range s.series {
		t.name(ser.key, ser.id)
		t.index.add(ser.id, ser.key)
	}
	t.known += len(s.series)
	t.sets.seasons += seasonValues(&s.def.SetDefinition)
	t.sets.names[s.name], t.sets.sorted = s, nil
	s.life.Store(live)
}

// hide takes a set's name.
func (t *table) hide(s *set) {
	for _, ser := range s.series {
		t.unname(ser.key)
		t.index.remove(ser.id, ser.key)
	}
	t.known -= len(s.series)
	t.sets.seasons -= seasonValues(&s.def.SetDefinition)
	delete(t.sets.names, s.name)
	t.sets.sorted = nil
	s.life.Store(gone)
}

// reveal makes a pending set live, and returns the one that it replaces.
func (t *table) reveal(s *set, b *setBirth) (old *set, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b.replaced = nil
	if err := t.admitSet(b); err != nil {
		return nil, err
	}
	if _, err := t.log.Append(appendUvarint([]byte{'L'}, uint64(s.id))); err != nil {
		return nil, err
	}
	t.show(s)
	return b.replaced, nil
}

// dropSet takes a set's name for ever.
func (t *table) dropSet(name string) (*set, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sets.names[name]
	if s == nil {
		return nil, rrd.ErrNoSet
	}
	if _, err := t.log.Append(appendUvarint([]byte{'X'}, uint64(s.id))); err != nil {
		return nil, err
	}
	t.hide(s)
	return s, nil
}

// loadSet reads a record about a set.
func (t *table) loadSet(kind byte, id uint64, r *reader) error {
	switch kind {
	case 'T':
		return t.loadSetDefinition(int(id), r)
	case 'C':
		if err := t.loadNewSet(uint32(id), r); err != nil {
			t.grow(uint32(id))
			return fmt.Errorf("set %d: %w", id, err)
		}
		return nil
	}
	ser := t.at(uint32(id))
	if ser == nil || ser.of == nil {
		return fmt.Errorf("set %d is lost", id)
	}
	switch s := ser.of; {
	case kind == 'L' && s.life.Load() == pending:
		t.loadShown(s)
	case kind == 'X' && s.life.Load() == live:
		t.hide(s)
		s.forget()
	}
	return nil
}

// endImports ends the sets that are still pending when all is loaded: nobody
// goes on with their imports, so that their rows need not be kept.
func (t *table) endImports() {
	for _, pg := range t.pages {
		all := pg.all()
		for i := range all {
			if s := all[i].of; s != nil {
				s.life.CompareAndSwap(pending, gone)
			}
		}
	}
}

// loadShown shows a set, and ends the one that has its name.
func (t *table) loadShown(s *set) {
	if old := t.sets.names[s.name]; old != nil {
		old.forget()
	}
	t.show(s)
}

func (t *table) loadSetDefinition(id int, r *reader) error {
	if id > len(t.sets.byID)+1000 {
		return fmt.Errorf("definition of sets %d: impossible number", id)
	}
	flag := r.bytes(1)
	if flag == nil {
		return errRecord
	}
	shared := flag[0] != 0
	d, _, err := rrd.ReadSetDefinition(r.b)
	if err == nil {
		err = checkSet(&d)
	}
	if err != nil {
		return fmt.Errorf("definition of sets %d: %w", id, err)
	}
	t.enterSetDefinition(newSetDefinition(id, d, shared, t.setRing), shared)
	return nil
}

func (t *table) loadNewSet(id uint32, r *reader) error {
	flags, number, start := r.bytes(1), r.uvarint(), rrd.Time(r.varint())
	name := string(r.b)
	if r.failed || len(flags) == 0 || number >= uint64(len(t.sets.byID)) || t.sets.byID[number] == nil {
		return errors.New("its definition is lost")
	}
	def := t.sets.byID[number]
	keys := make([]rrd.Key, len(def.Sources))
	for i, src := range def.Sources {
		k, err := rrd.NewKey(name, rrd.Label{Name: "ds", Value: src.Name})
		if err != nil {
			return err
		}
		if t.at(id+uint32(i)) != nil {
			return errors.New("it is there twice")
		}
		keys[i] = k
	}
	if flags[0]&flagPending != 0 {
		t.placeSet(id, def, name, keys, start, nil)
		return nil
	}
	state, err := rrd.NewSet(def.SetDefinition, start)
	if err == nil {
		t.loadShown(t.placeSet(id, def, name, keys, start, state))
	}
	return err
}

// set returns the set of a name, or nil.
func (t *table) set(name string) *set {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.sets.names[name]
}

func (t *table) countSets() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.sets.names)
}

// setNames returns all names, sorted, for reading only.
func (t *table) setNames() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sets.sorted == nil {
		t.sets.sorted = make([]string, 0, len(t.sets.names))
		for name := range t.sets.names {
			t.sets.sorted = append(t.sets.sorted, name)
		}
		slices.Sort(t.sets.sorted)
	}
	return t.sets.sorted
}

// setList returns the sets that have a name.
func (t *table) setList() []*set {
	t.mu.RLock()
	defer t.mu.RUnlock()
	sets := make([]*set, 0, len(t.sets.names))
	for _, s := range t.sets.names {
		sets = append(sets, s)
	}
	return sets
}

// resolveSets finds the sets of a batch, nil for those that are not known. As
// for samples, the set that came after this one last time is tried first.
func (t *table) resolveSets(batch []rrd.SetUpdate, out []*set) []*set {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var prev *set
	for i := range batch {
		name := batch[i].Name
		var s *set
		if prev != nil {
			s = prev.next.Load()
		}
		if s == nil || s.name != name || s.life.Load() != live {
			if s = t.sets.names[name]; prev != nil && s != nil {
				prev.next.Store(s)
			}
		}
		if out = append(out, s); s != nil {
			prev = s
		}
	}
	return out
}
