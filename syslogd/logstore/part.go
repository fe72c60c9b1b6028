package logstore

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"rondo/syslogd/logstore/chunk"
	"rondo/syslogd/syslog"
)

// part is a chunk as one search sees it, sealed or open, or what of a sealed
// one lies within a span.
type part struct {
	s     *Store
	key   key
	order int         // parts in order of arrival
	time  span        // of its messages, by the plan's clock
	info  *chunkInfo  // nil for an open chunk
	open  *chunk.Rows // nil for a sealed chunk
	trace *trace
	piece bool // there are messages of the chunk outside of time
}

// parts returns all chunks that overlap the plan's time. Together they are
// one state of the store: what is added or sealed later does not change them.
func (s *Store) parts(p *plan) ([]*part, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	chunks := s.chunks
	p.remember(s.types.Last())
	var open []*part
	for _, h := range s.allHeads() {
		if h.builder.Len() == 0 {
			continue
		}
		if time := p.ofHead(h); p.overlaps(time) {
			open = append(open, &part{s: s, key: h.key, time: time, open: h.builder.Rows(), trace: p.trace})
		} else {
			p.trace.note(h, outOfTime, 0)
		}
	}
	s.mu.Unlock()
	var parts []*part
	for _, c := range chunks {
		if c.bad.Load() {
			p.trace.note(c, damaged, 0)
			continue
		}
		f := p.fate(c.header)
		p.trace.note(c, f, 0)
		if f == pending {
			parts = append(parts, &part{s: s, key: c.key, time: p.ofChunk(c.header), info: c, trace: p.trace})
		}
	}
	for _, x := range open {
		p.trace.note(x.open, pending, 0)
	}
	parts = append(parts, open...)
	slices.SortStableFunc(parts, func(a, b *part) int { return a.key.compare(b.key) })
	for i, x := range parts {
		x.order = i
	}
	return parts, nil
}

// content is what a plan found out about a part.
type content struct {
	part    *part
	plan    *plan
	types   []*chunk.Type
	origins []chunk.Origin
	counts  []uint32    // by type
	sources []uint32    // by origin; nil for an open chunk
	verdict []verdict   // by type, any origin
	leaves  [][]verdict // of the leaves, by type
	hosts   [][]verdict // of the leaves that ask for the origin, by origin
	rows    *chunk.Rows
	sealed  *chunk.Catalogue
	whole   bool           // all times of the part are asked for
	only    []chunk.RowSet // by type: the rows that can match; nil for all
}

// look judges the types of a part; nil means that nothing in it matches. A
// chunk that cannot be read is quarantined and matches nothing.
func (x *part) look(p *plan) (*content, error) {
	c := &content{part: x, plan: p, whole: p.covers(x.time) && !x.piece}
	if x.open != nil {
		c.types, c.origins, c.rows = x.open.Types, x.open.Origins, x.open
		c.counts = make([]uint32, len(c.types))
		for i := range c.counts {
			c.counts[i] = uint32(x.open.Count(i))
		}
	} else if ok, err := x.lookSealed(c); !ok || err != nil {
		return nil, err
	}
	if c.judge(); !slices.ContainsFunc(c.verdict, func(v verdict) bool { return v != no }) {
		x.note(byTypes, 0)
		return nil, nil
	}
	return c, nil
}

// note tells what became of the part's chunk.
func (x *part) note(f fate, rows int) {
	if x.info != nil {
		x.trace.note(x.info, f, rows)
	} else {
		x.trace.note(x.open, f, rows)
	}
}

// lookSealed reads the filter, if it may help, and the catalogue.
func (x *part) lookSealed(c *content) (bool, error) {
	if c.plan.wantsFilter {
		out := false
		ok, err := x.viewFilter(func(filter []byte) { out = c.plan.ofFilter(filter) == no })
		if !ok || err != nil {
			return false, err
		}
		if out {
			x.note(byFilter, 0)
			return false, nil
		}
	}
	cat := x.s.cache.get(x.info)
	if cat == nil {
		b, err := x.read(partTypes)
		if b == nil || err != nil {
			return false, err
		}
		if cat, err = x.s.decoder.Catalogue(b, x.info.header); err != nil {
			return false, x.quarantine(err)
		}
		x.s.cache.put(x.info, cat)
	}
	c.sealed, c.types, c.origins, c.counts, c.sources = cat, cat.Types, cat.Origins, cat.TypeCounts, cat.OriginCounts
	return true, nil
}

// read returns a part of the chunk; nil if it was dropped meanwhile, or if it
// cannot be read.
func (x *part) read(what byte) (b []byte, err error) {
	_, err = x.use(func(db *badger.DB) error {
		b, err = readPart(db, what, x.info.id)
		return err
	})
	return b, err
}

// use calls f with the directory of the chunk; false if it was dropped
// meanwhile, or if f did not find the chunk in it.
func (x *part) use(f func(*badger.DB) error) (bool, error) {
	err := x.s.dirs.use(x.info.key, false, f)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, badger.ErrKeyNotFound):
		return false, x.quarantine(err)
	}
	return err == nil, err
}

// viewFilter calls f with the filter of the chunk if it is sound, which is
// found out once. A chunk without is looked into.
func (x *part) viewFilter(f func(filter []byte)) (bool, error) {
	return x.use(func(db *badger.DB) error {
		return viewPart(db, partFilter, x.info.id, func(b []byte) {
			if !x.info.filtered.Load() {
				if chunk.CheckFilter(b) != nil {
					return
				}
				x.info.filtered.Store(true)
			}
			f(b)
		})
	})
}

// quarantine leaves a chunk out from now on. It returns nil: the search goes
// on without it.
func (x *part) quarantine(cause error) error {
	x.note(damaged, 0)
	if !x.info.bad.Swap(true) {
		x.s.quarantined.Add(1)
		x.s.o.Log.Error("chunk is corrupt, left out", "key", x.info.key.String(), "chunk", x.info.id, "err", cause)
	}
	return nil
}

// judge finds the verdict of each type: from the leaves, and those that ask
// for the origin from all origins together.
func (c *content) judge() {
	for _, n := range c.plan.leaves {
		verdicts := make([]verdict, len(c.types))
		c.leaves, c.hosts = append(c.leaves, verdicts), append(c.hosts, n.ofOrigins(c.origins))
		if n.isOrigin() {
			together := summary(c.hosts[n.index])
			for i := range verdicts {
				verdicts[i] = together
			}
			continue
		}
		for i, t := range c.types {
			verdicts[i] = c.plan.ofType(n, t)
		}
	}
	c.verdict = make([]verdict, len(c.types))
	for i := range c.types {
		c.verdict[i] = c.ofType(i)
	}
}

func (c *content) ofType(i int) verdict {
	return c.plan.root.eval(func(n *node) verdict { return c.leaves[n.index][i] })
}

func summary(verdicts []verdict) verdict {
	any, all := false, true
	for _, v := range verdicts {
		any, all = any || v == yes, all && v == yes
	}
	return known(any, all)
}

// refine looks for the words of undecided types in the values of their rows.
// It reports whether anything can match.
func (c *content) refine() (some bool) {
	c.only = make([]chunk.RowSet, len(c.types))
	for i, v := range c.verdict {
		if v == maybe {
			c.refineType(i)
			c.verdict[i] = c.ofType(i)
		}
		some = some || c.verdict[i] != no
	}
	return some
}

func (c *content) refineType(i int) {
	for _, n := range c.plan.leaves {
		if c.leaves[n.index][i] != maybe {
			continue
		}
		set := c.holders(i, n.words)
		switch {
		case set == nil:
		case set.Len() == 0:
			c.leaves[n.index][i] = no
		case !n.required:
		case c.only[i] == nil:
			c.only[i] = set
		default:
			c.only[i].And(set)
		}
	}
}

// holders finds the rows of a type that hold all words; nil stands for all.
func (c *content) holders(typ int, words []string) (set chunk.RowSet) {
	for _, w := range words {
		switch found := c.rows.Holders(typ, w); {
		case found == nil:
		case set == nil:
			set = found
		default:
			set.And(found)
		}
	}
	return set
}

// ofOrigins judges a leaf that asks for the origin by each origin; nil for
// others.
func (n *node) ofOrigins(origins []chunk.Origin) []verdict {
	if !n.isOrigin() {
		return nil
	}
	v := make([]verdict, len(origins))
	for i, o := range origins {
		v[i] = judge(n.expr.Match(&syslog.Message{Host: o.Host, Sender: o.Sender}))
	}
	return v
}

// load decodes the rows, once; nil if none can match, or if the chunk was
// dropped or is corrupt.
func (c *content) load() (*chunk.Rows, error) {
	if c.rows == nil {
		b, err := c.part.read(partData)
		if b == nil || err != nil {
			return nil, err
		}
		if c.rows, err = c.part.s.decoder.Rows(c.sealed, b); err != nil {
			return nil, c.part.quarantine(err)
		}
	}
	c.part.note(read, c.rows.Len())
	some := c.refine()
	if err := c.rows.Err(); err != nil {
		return nil, c.damaged(err)
	}
	if !some {
		return nil, nil
	}
	if err := c.rows.Load(); err != nil {
		return nil, c.damaged(err)
	}
	return c.rows, nil
}

// ofRow judges one row without rendering it. It knows only rows of the part.
func (c *content) ofRow(i int) verdict {
	t := c.rows.Type(i)
	v := c.verdict[t]
	if v == no || c.only[t] != nil && !c.rows.Among(c.only[t], i) {
		return no
	}
	if !c.whole {
		if at := c.plan.time(c.rows, i); at < c.plan.from || at >= c.plan.to || !c.part.time.holds(at) {
			return no
		}
	}
	if v != maybe || !c.plan.byOrigin {
		return v
	}
	o := c.rows.Origin(i)
	return c.plan.root.eval(func(n *node) verdict {
		if n.isOrigin() {
			return c.hosts[n.index][o]
		}
		return c.leaves[n.index][t]
	})
}

// match decides about one row for good.
func (c *content) match(i int, v verdict) (bool, error) {
	if v != maybe {
		return v == yes, nil
	}
	c.plan.trace.render()
	if c.plan.textOnly {
		text, err := c.rows.Text(i)
		return err == nil && c.plan.matches(&syslog.Message{Text: text}), err
	}
	m, err := c.rows.Message(i)
	return err == nil && c.plan.matches(&m), err
}

// each calls f with all rows that match. Its error is ctx's or the store's.
func (c *content) each(done <-chan struct{}, f func(i int) error) error {
	rows, err := c.load()
	if rows == nil || err != nil {
		return err
	}
	for i := range rows.Len() {
		if i&255 == 0 {
			select {
			case <-done:
				return nil // the caller knows why
			default:
			}
		}
		v := c.ofRow(i)
		if v == no {
			continue
		}
		ok, err := c.match(i, v)
		if err == nil && ok {
			err = f(i)
		}
		if err != nil {
			return c.damaged(err)
		}
	}
	return nil
}

// damaged quarantines the chunk if its bytes are the cause.
func (c *content) damaged(err error) error {
	if errors.Is(err, chunk.ErrCorrupt) && c.part.info != nil {
		return c.part.quarantine(err)
	}
	return err
}
