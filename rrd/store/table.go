package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"rondo/rrd"
	"rondo/rrd/seglog"
)

// pageSeries is how many series with neighbouring ids share a page, and so a
// block: enough for blocks of some 10 KB, which is what one read costs.
const pageSeries = 64

// A definition is a rrd.Definition as the store has it, shared by its series.
type definition struct {
	rrd.Definition
	id    int
	gauge bool
	rings []*ring      // one per archive
	span  rrd.Time     // what is younger is not before all archives
	used  atomic.Int64 // by how many series
}

// series is one series' part of the head. All but id is guarded by its page's
// shard; the key is written under the table's lock too, so that either will do
// to read it.
type series struct {
	key    rrd.Key
	def    *definition
	of     *set // nil: a series in slot mode
	win    window
	packed []byte // Fold and closed rows, see state
	id     uint32
	watch  uint32 // who watches it, see watch.go
}

// A page holds neighbouring series by value, so that their ingest state lies
// together in memory.
type page struct {
	id        uint32
	used      atomic.Int32 // series from here on are not made yet
	series    [pageSeries]series
	from      seglog.Pos            // of the checkpoint that it was loaded from
	begins    map[uint32][]rrd.Time // by series, of each archive; see convert.go; guarded by the shard
	corrected map[uint32]*corrected // by series; guarded by the shard
}

// all returns the series made so far. Those that damage has lost have no def
// and no key.
func (p *page) all() []series { return p.series[:p.used.Load()] }

// A table knows all series. It only ever grows; what it knows is in its own
// log, which is never cut:
//
//	record = 'D' id:uvarint definition           a definition
//	       | 'S' id:uvarint definition:uvarint key    a series
//	       | 'R' id:uvarint definition:uvarint   the series has another one from here on
//	       | 'K' id:uvarint key                  the series has another key from here on
//	       | those of sets, see setTable
//
// Ids are handed out densely, and never again, whatever may have been lost of
// the log: blocks on disk are found by id.
type table struct {
	log     *seglog.Log
	design  func(rrd.Key, rrd.Type) rrd.Definition
	rings   func(*rrd.Definition) []*ring
	setRing func(d *rrd.SetDefinition, a, nth int) *ring
	max     int
	regexps regexps
	shown   atomic.Pointer[[]*page] // pages, to those who do not hold mu

	mu      sync.RWMutex // guards all below; series themselves see above
	ids     idTable      // of keys
	texts   texts
	pages   []*page
	next    []atomic.Uint32 // by id: whose sample came after this one's last time
	size    uint32          // ids are below
	loaded  uint32          // size as the log said when it was opened
	damaged bool            // some of the log could not be read then
	known   int             // series; less than size only after damage
	defs    map[string]*definition
	byID    []*definition
	index   *index
	sets    setTable
}

func newTable(log *seglog.Log, st *Store) *table {
	return &table{
		log: log, design: st.o.Define, max: st.o.MaxSeries, rings: st.ringsOf, setRing: st.setRing,
		ids: newIDTable(), defs: map[string]*definition{}, index: newIndex(),
		sets: setTable{names: map[string]*set{}, defs: map[string]*setDefinition{}},
	}
}

// load reads the log. What is damaged is reported and left out.
func (t *table) load(report func(error)) error {
	for rec, err := range t.log.Records(0) {
		if err == nil {
			err = t.loadRecord(rec.Data)
		} else if _, damage := errors.AsType[*seglog.DamageError](err); !damage {
			return err
		}
		if err != nil {
			t.damaged = true
			report(fmt.Errorf("series table: %w", err))
		}
	}
	t.endImports()
	t.loaded = t.size
	return nil
}

var errRecord = errors.New("record cannot be read")

// maxLost is how many series damage may have taken in one place: a record of an
// id far beyond all before is none, and must not cost the memory for those
// between.
const maxLost = 1 << 24

func (t *table) loadRecord(b []byte) error {
	r := reader{b: b[1:]}
	id := r.uvarint()
	switch {
	case r.failed || id > min(uint64(t.size)+maxLost, 1<<32-2):
		return errRecord
	case b[0] == 'D':
		d, err := readDefinition(&r)
		if err != nil {
			return fmt.Errorf("definition %d: %w", id, err)
		}
		return t.define(int(id), d)
	case b[0] == 'S':
		def, key := r.uvarint(), rrd.Key(t.texts.keep(string(r.b)))
		if r.failed || def >= uint64(len(t.byID)) || t.byID[def] == nil {
			t.grow(uint32(id))
			return fmt.Errorf("series %d: its definition is lost", id)
		}
		if err := key.Validate(); err != nil {
			return fmt.Errorf("series %d: %w", id, err)
		}
		if t.has(key) || t.at(uint32(id)) != nil {
			return fmt.Errorf("series %d is there twice", id)
		}
		t.add(uint32(id), key, t.byID[def])
		return nil
	case b[0] == 'R':
		return t.loadRedefinition(uint32(id), r.uvarint())
	case b[0] == 'K':
		return t.loadRenaming(uint32(id), rrd.Key(r.b))
	case strings.IndexByte("TCLX", b[0]) >= 0:
		return t.loadSet(b[0], id, &r)
	}
	return errRecord
}

// define enters a definition under its id.
func (t *table) define(id int, d rrd.Definition) error {
	if id > len(t.byID)+1000 {
		return fmt.Errorf("definition %d: impossible number", id)
	}
	for len(t.byID) <= id {
		t.byID = append(t.byID, nil)
	}
	def := &definition{Definition: d, id: id, gauge: d.Type == rrd.Gauge, rings: t.rings(&d)}
	for a, r := range def.rings {
		def.span = max(def.span, rrd.Time(def.Archives[a].Rows-1)*r.row)
	}
	t.byID[id] = def
	t.defs[string(appendDefinition(nil, &d))] = def
	return nil
}

// grow makes room for an id.
func (t *table) grow(id uint32) {
	for t.size <= id {
		if int(t.size/pageSeries) == len(t.pages) {
			t.pages = append(t.pages, &page{id: t.size / pageSeries})
			pages := t.pages
			t.shown.Store(&pages)
		}
		t.size++
	}
	if int(t.size) > len(t.next) {
		next := make([]atomic.Uint32, max(1024, 2*int(t.size)))
		for i := range t.next {
			next[i].Store(t.next[i].Load())
		}
		t.next = next
	}
}

// add enters a series under its id.
func (t *table) add(id uint32, k rrd.Key, def *definition) *series {
	s := t.put(id, k, def, nil)
	t.name(k, id)
	t.index.add(id, k)
	t.known++
	return s
}

// put makes a series that cannot be found yet.
func (t *table) put(id uint32, k rrd.Key, def *definition, of *set) *series {
	t.grow(id)
	pg, s := t.page(id), t.place(id)
	s.key, s.def, s.of, s.id, s.win = k, def, of, id, newWindow()
	def.used.Add(1)
	pg.used.Store(max(pg.used.Load(), int32(id%pageSeries)+1))
	return s
}

// page returns the page of a series. mu need not be held.
func (t *table) page(id uint32) *page { return (*t.shown.Load())[id/pageSeries] }

// place returns where the series with an id is, or would be. mu need not be
// held.
func (t *table) place(id uint32) *series { return &t.page(id).series[id%pageSeries] }

// at returns the series with an id, or nil.
func (t *table) at(id uint32) *series {
	if id >= t.size {
		return nil
	}
	if s := &t.pages[id/pageSeries].series[id%pageSeries]; s.key != "" {
		return s
	}
	return nil
}

// resolve finds the series of each sample of a batch, nil for those that are
// not known, and says whether there are such. Senders name their series in
// the same order again and again; so the series that came after this one
// last time is tried before the map.
func (t *table) resolve(batch []rrd.Sample, out []*series) (_ []*series, missing bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	prev := ^uint32(0)
	for i := range batch {
		key := batch[i].Key
		var s *series
		if prev < t.size {
			s = t.at(t.next[prev].Load())
		}
		if s == nil || s.key != key {
			id, ok := t.lookup(key)
			if !ok {
				out, missing = append(out, nil), true
				continue
			}
			s = t.at(id)
			if prev < t.size {
				t.next[prev].Store(id)
			}
		}
		prev = s.id
		out = append(out, s)
	}
	return out, missing
}

// create makes the series that a batch names and that do not exist yet.
// refuse is told of each sample whose series cannot be made.
func (t *table) create(batch []rrd.Sample, out []*series, refuse func(int, rrd.Refusal, error)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	births := newBirths(t)
	for i := range batch {
		if out[i] == nil && !t.has(batch[i].Key) {
			if reason, err := births.plan(&batch[i]); err != nil {
				refuse(i, reason, err)
			}
		}
	}
	// Only what is in the log may be seen, else samples could be logged
	// under an id that means another series after a restart.
	if _, err := t.log.Append(births.records...); err != nil {
		return err
	}
	if err := births.enter(); err != nil {
		return err
	}
	for i := range batch {
		if out[i] == nil {
			if id, ok := t.lookup(batch[i].Key); ok {
				out[i] = t.at(id)
			}
		}
	}
	return nil
}

func (t *table) has(k rrd.Key) bool {
	_, ok := t.lookup(k)
	return ok
}

// lookup returns the id of the series with a key.
func (t *table) lookup(k rrd.Key) (id uint32, ok bool) { return t.ids.find(string(k), t.keyOf) }

// name gives a key to the series with an id, unname takes it.
func (t *table) name(k rrd.Key, id uint32) { t.ids.add(string(k), id, t.keyOf) }
func (t *table) unname(k rrd.Key)          { t.ids.remove(string(k), t.keyOf) }

func (t *table) keyOf(id uint32) string {
	return string(t.pages[id/pageSeries].series[id%pageSeries].key)
}

// settled waits until all series that can be seen are durable: before anything
// that speaks of them by their ids is said to be durable, and before it is in
// a block or a checkpoint, which outlive the log.
func (t *table) settled(ctx context.Context) error {
	if end := t.log.End(); t.log.Synced() < end {
		return t.log.Commit(ctx, end)
	}
	return nil
}

// births are the definitions and series that a batch brings.
type births struct {
	t       *table
	records [][]byte
	buf     []byte    // the records' bytes
	keys    []rrd.Key // ids follow on t.size
	defs    []rrd.Definition
	planned map[rrd.Key]bool
	byBytes map[string]int // definition's number by its bytes
	ofKey   []int          // definition's number by series
	scratch []byte
}

func newBirths(t *table) *births {
	return &births{t: t, planned: map[rrd.Key]bool{}, byBytes: map[string]int{}}
}

var errSeriesMax = errors.New("too many series")

// plan writes the record of the series of a sample.
func (b *births) plan(sample *rrd.Sample) (rrd.Refusal, error) {
	if b.planned[sample.Key] {
		return "", nil
	}
	if err := sample.Key.Validate(); err != nil {
		return rrd.RefusedKey, err
	}
	if b.t.known+len(b.keys) >= b.t.max {
		return rrd.RefusedSeriesMax, errSeriesMax
	}
	key := rrd.Key(b.t.texts.keep(string(sample.Key)))
	def := b.define(b.t.design(key, sample.Type))
	id := int(b.t.size) + len(b.keys)
	from := len(b.buf)
	b.buf = appendUvarint(appendUvarint(append(b.buf, 'S'), uint64(id)), uint64(def))
	b.buf = append(b.buf, key...)
	b.records = append(b.records, b.buf[from:len(b.buf):len(b.buf)])
	b.planned[key], b.keys, b.ofKey = true, append(b.keys, key), append(b.ofKey, def)
	return "", nil
}

// define returns the number of a definition, which it plans if it is new.
func (b *births) define(d rrd.Definition) int {
	b.scratch = appendDefinition(b.scratch[:0], &d)
	if def := b.t.defs[string(b.scratch)]; def != nil {
		return def.id
	}
	id, ok := b.byBytes[string(b.scratch)]
	if !ok {
		id = len(b.t.byID) + len(b.defs)
		b.byBytes[string(b.scratch)], b.defs = id, append(b.defs, d)
		b.records = append(b.records, append(appendUvarint([]byte{'D'}, uint64(id)), b.scratch...))
	}
	return id
}

// enter makes visible what was planned.
func (b *births) enter() error {
	for _, d := range b.defs {
		if err := b.t.define(len(b.t.byID), d); err != nil {
			return err
		}
	}
	for i, k := range b.keys {
		b.t.add(b.t.size, k, b.t.byID[b.ofKey[i]])
	}
	return nil
}

// pageList returns the pages there are.
func (t *table) pageList() []*page {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Clone(t.pages)
}

// A match is a series as it was found. The key hides that of the series, which
// may change meanwhile.
type match struct {
	*series
	key rrd.Key
}

// find returns the matching series, sorted by key, at most limit of them
// (0: all).
func (t *table) find(ms []rrd.Matcher, limit int) ([]match, error) {
	conditions, err := t.regexps.conditions(ms)
	if err != nil {
		return nil, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	ids := t.index.find(conditions, t.all)
	found := make([]match, len(ids))
	for i, id := range ids {
		s := t.at(id)
		found[i] = match{s, s.key}
	}
	slices.SortFunc(found, func(a, b match) int { return strings.Compare(string(a.key), string(b.key)) })
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	return found, nil
}

func (t *table) all() []uint32 {
	ids := make([]uint32, 0, t.known)
	for id := range t.size {
		if s := t.at(id); s != nil && s.visible() {
			ids = append(ids, id)
		}
	}
	return ids
}

// count returns how many series there are.
func (t *table) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.known
}
