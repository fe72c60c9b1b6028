package store

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"rondo/rrd"
)

// A plan is what a change comes to.
type plan struct {
	matched int
	wants   []want // by id
	kinds   []kind
}

// A want is a series that is to have another definition, as its kind says.
type want struct {
	id   uint32
	kind int
}

// A kind is all series that go from one definition to another.
type kind struct {
	from   *definition
	to     rrd.Definition
	series int
	def    *definition // to, once it is in the table
}

// plan finds the series that a change is about.
func (st *Store) plan(c *Change) (*plan, error) {
	if !c.Schema && c.Edit.empty() {
		return nil, ErrEmptyEdit
	}
	found, err := st.findAny(c.Matchers)
	if err != nil {
		return nil, err
	}
	p := &plan{}
	byBytes := map[string]int{}
	for _, m := range found {
		now, _ := st.definition(m.series)
		p.matched++
		to, err := st.wanted(c, m.key, now)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.key, err)
		}
		bytes := string(appendDefinition(appendUvarint(nil, uint64(now.id)), &to))
		k, known := byBytes[bytes]
		if !known {
			k = -1
			if string(appendDefinition(nil, &now.Definition)) != string(appendDefinition(nil, &to)) {
				k = len(p.kinds)
				p.kinds = append(p.kinds, kind{from: now, to: to})
			}
			byBytes[bytes] = k
		}
		if k >= 0 {
			p.kinds[k].series++
			p.wants = append(p.wants, want{m.id, k})
		}
	}
	slices.SortFunc(p.wants, func(a, b want) int { return cmp.Compare(a.id, b.id) })
	return p, nil
}

// planned is plan for whoever asks for a change, and means some series.
func (st *Store) planned(c *Change) (*plan, error) {
	p, err := st.plan(c)
	if err == nil && p.matched == 0 && len(c.Matchers) > 0 {
		return nil, ErrNoMatch
	}
	return p, err
}

// findAny returns the series that one of the lists of matchers finds, those of
// sets left out.
func (st *Store) findAny(lists [][]rrd.Matcher) (all []match, err error) {
	if len(lists) == 0 {
		lists = [][]rrd.Matcher{nil}
	}
	seen := map[uint32]bool{}
	for _, ms := range lists {
		found, err := st.table.find(ms, 0)
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			if m.of == nil && !seen[m.id] {
				seen[m.id] = true
				all = append(all, m)
			}
		}
	}
	return all, nil
}

// Differ returns how many series are kept in another way than the schemas say
// now.
func (st *Store) Differ() (int, error) {
	p, err := st.plan(&Change{Schema: true})
	if err != nil {
		return 0, fmt.Errorf("store: compare with the schemas: %w", err)
	}
	return len(p.wants), nil
}

// An Estimate says what a change would do to the disk. What is on disk now is
// measured; what would be is reckoned with the bytes that a row takes now, or
// usually takes, where none has been written yet.
type Estimate struct {
	Series   int             `json:"series"`   // that match
	Changing int             `json:"changing"` // whose definition becomes another
	Now      int64           `json:"bytes_now"`
	Peak     int64           `json:"bytes_peak"` // until the old rings have turned, or are removed
	After    int64           `json:"bytes_after"`
	Full     int64           `json:"bytes_full"` // when all rings are full
	Archives []ArchiveChange `json:"archives"`
}

// An ArchiveChange is what becomes of one shape of archive.
type ArchiveChange struct {
	Archive string `json:"archive"` // "10s for 1d"
	Series  int    `json:"series"`  // that get it, or, below 0, that no longer have it
	Rows    int64  `json:"rows"`    // that are moved or made
	Lost    int64  `json:"lost"`    // that no archive of equal rows has any more
	Bytes   int64  `json:"bytes"`
	Full    int64  `json:"bytes_full"` // when the rings are full

	row time.Duration
}

// Estimate says what a change would do, and does nothing.
func (st *Store) Estimate(c Change) (Estimate, error) {
	p, err := st.planned(&c)
	if err == nil {
		var e Estimate
		if e, err = st.estimate(p); err == nil {
			return e, nil
		}
	}
	return Estimate{}, fmt.Errorf("store: change: %w", err)
}

func (st *Store) estimate(p *plan) (Estimate, error) {
	e := Estimate{Series: p.matched, Changing: len(p.wants)}
	m, err := st.measure()
	if err != nil {
		return e, err
	}
	shapes := map[string]*ArchiveChange{}
	at := func(d *rrd.Definition, a int) *ArchiveChange {
		name := FormatArchive(d, a)
		if shapes[name] == nil {
			shapes[name] = &ArchiveChange{Archive: name, row: d.Row(a)}
		}
		return shapes[name]
	}
	for i := range p.kinds {
		k := &p.kinds[i]
		for a := range k.from.rings {
			m.leave(k, a, at)
		}
		for b := range k.to.Archives {
			m.enter(k, b, at)
		}
	}
	e.Now, e.Peak, e.After, e.Full = m.bytes, m.bytes, m.bytes, m.full
	for _, s := range shapes {
		e.Full += s.Full
		if e.After += s.Bytes; s.Bytes > 0 {
			e.Peak += s.Bytes
		}
		e.Archives = append(e.Archives, *s)
	}
	slices.SortFunc(e.Archives, func(a, b ArchiveChange) int {
		return cmp.Or(cmp.Compare(a.row, b.row), cmp.Compare(a.Archive, b.Archive))
	})
	return e, nil
}

// A measure is what the rings take on disk.
type measure struct {
	bytes int64
	full  int64 // when all are full, reckoned
	rings map[*ring]ringMeasure
}

type ringMeasure struct {
	rows   int64   // of each series, at most
	perRow float64 // bytes of a row; 0: none was ever written
}

// usualRow is how many bytes a row of an archive usually takes. Of a single
// point all columns but the total are one.
func usualRow(d *rrd.Definition, a int) float64 {
	bytes := 5.0
	if d.Archives[a].Steps == 1 {
		bytes = 1.5
	}
	if d.Type >= rrd.Counter {
		bytes += 1.5 // the total
	}
	return bytes
}

// fullBytes is what archive a of one series takes when its ring is full, where
// rows like its own take so many bytes.
func fullBytes(d *rrd.Definition, a int, perRow float64) float64 {
	if perRow == 0 {
		perRow = usualRow(d, a)
	}
	return perRow * float64(d.Archives[a].Rows)
}

func (st *Store) measure() (*measure, error) {
	m := &measure{rings: map[*ring]ringMeasure{}}
	series := map[*ring]int64{}
	var used []*definition
	st.table.mu.RLock()
	for _, d := range st.table.byID {
		if d == nil {
			continue
		}
		used = append(used, d)
		for _, r := range d.rings {
			series[r] += d.used.Load()
		}
	}
	st.table.mu.RUnlock()
	clock := st.nowClock()
	for r, n := range series {
		bytes, err := usage(r.dir)
		if err != nil {
			return nil, err
		}
		x := ringMeasure{rows: int64((clock - max(st.vault.oldest(r, clock), r.edge(clock))) / r.row)}
		if x.rows > 0 && n > 0 {
			x.perRow = float64(bytes) / float64(x.rows*n)
		}
		m.rings[r], m.bytes = x, m.bytes+bytes
	}
	for _, d := range used {
		for a, r := range d.rings {
			m.full += int64(float64(d.used.Load()) * fullBytes(&d.Definition, a, m.rings[r].perRow))
		}
	}
	return m, nil
}

// leave reckons with the series that lose archive a.
func (m *measure) leave(k *kind, a int, at func(*rrd.Definition, int) *ArchiveChange) {
	rows, kept := m.rings[k.from.rings[a]].rows, int64(0)
	for b := range k.to.Archives {
		if k.to.Row(b) != k.from.Row(a) {
			continue
		}
		if kept = int64(k.to.Archives[b].Rows); k.to.Archives[b].Rows == k.from.Archives[a].Rows {
			return
		}
	}
	s := at(&k.from.Definition, a)
	s.Series -= k.series
	s.Lost += int64(k.series) * max(0, rows-kept)
	perRow := m.rings[k.from.rings[a]].perRow
	s.Bytes -= int64(float64(rows*int64(k.series)) * perRow)
	s.Full -= int64(float64(k.series) * fullBytes(&k.from.Definition, a, perRow))
}

// enter reckons with the series that get the new archive b.
func (m *measure) enter(k *kind, b int, at func(*rrd.Definition, int) *ArchiveChange) {
	row, perRow, near := k.to.Row(b), usualRow(&k.to, b), time.Duration(0)
	var rows int64
	for _, a := range k.from.Sources(row) {
		if k.from.Row(a) == row && k.from.Archives[a].Rows == k.to.Archives[b].Rows {
			return
		}
		x := m.rings[k.from.rings[a]]
		rows = max(rows, x.rows*int64(k.from.Row(a))/int64(row))
		if x.perRow > 0 && k.from.Row(a) > near { // rows of about the same length are about as large
			perRow, near = x.perRow, k.from.Row(a)
		}
	}
	rows = min(rows, int64(k.to.Archives[b].Rows))
	s := at(&k.to, b)
	s.Series += k.series
	s.Rows += rows * int64(k.series)
	s.Bytes += int64(float64(rows*int64(k.series)) * perRow)
	s.Full += int64(float64(k.series) * fullBytes(&k.to, b, perRow))
}

// oldest is where the oldest epoch of a ring begins, or the clock.
func (v *vault) oldest(r *ring, clock rrd.Time) rrd.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := clock
	for n := range r.epochs {
		t = min(t, r.epochEnd(n)-rrd.Time(r.epochBlocks*r.blockRows)*r.row)
	}
	return t
}
