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
	ids     []uint32 // of the types
	origins []chunk.Origin
	counts  []uint32    // by type
	sources []uint32    // by origin; nil for an open chunk
	verdict []verdict   // by type, any origin
	hosts   [][]verdict // of the leaves that ask for the origin, by origin
	any     []verdict   // the same, of all origins together
	refined [][]verdict // by type: of the leaves, once its rows were looked at
	pairs   [][]verdict // by type and origin: what ofPair found out, + 1
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
		for i, t := range c.types {
			c.ids, c.counts = append(c.ids, t.ID()), append(c.counts, uint32(x.open.Count(i)))
		}
	} else if ok, err := x.lookSealed(c); !ok || err != nil {
		return nil, err
	}
	if !c.judge() {
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
		b, err := x.read(partTypes, nil)
		if b == nil || err != nil {
			return false, err
		}
		if cat, err = x.s.decoder.Catalogue(b, x.info.header); err != nil {
			return false, x.quarantine(err)
		}
		x.s.cache.put(x.info, cat)
	}
	c.sealed, c.types, c.ids, c.origins, c.counts, c.sources = cat, cat.Types, cat.TypeIDs, cat.Origins, cat.TypeCounts, cat.OriginCounts
	return true, nil
}

// read returns a part of the chunk, in buf if that is large enough; nil if it
// was dropped meanwhile, or if it cannot be read.
func (x *part) read(what byte, buf []byte) (b []byte, err error) {
	_, err = x.use(func(db *badger.DB) error {
		b, err = readPart(db, what, x.info.id, buf)
		return err
	})
	return b, err
}

// errGone says that a chunk was dropped, or is in quarantine.
var errGone = errors.New("the chunk is gone")

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

// judge finds the verdict of each type, and reports whether anything can match.
// What the plan knows of a type for all chunks decides most.
func (c *content) judge() (some bool) {
	for _, n := range c.plan.leaves {
		hosts := n.ofOrigins(c.origins)
		c.hosts, c.any = append(c.hosts, hosts), append(c.any, summary(hosts))
	}
	c.verdict = make([]verdict, len(c.types))
	for i, id := range c.ids {
		v := c.plan.ofTypeAlone(c.types, i, id)
		if v == maybe && c.plan.byOrigin {
			v = c.ofType(i)
		}
		c.verdict[i] = v
		some = some || v != no
	}
	return some
}

func (c *content) ofType(i int) verdict {
	return c.plan.root.eval(func(n *node) verdict { return c.leaf(n, i) })
}

// leaf judges a leaf for a type.
func (c *content) leaf(n *node, typ int) verdict {
	switch {
	case c.refined != nil && c.refined[typ] != nil:
		return c.refined[typ][n.index]
	case n.isOrigin:
		return c.any[n.index]
	}
	return c.plan.ofType(n, c.types[typ], c.ids[typ])
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
	if !c.plan.byWords {
		return true // look found something
	}
	c.only, c.refined = make([]chunk.RowSet, len(c.types)), make([][]verdict, len(c.types))
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
	leaves := make([]verdict, len(c.plan.leaves))
	for _, n := range c.plan.leaves {
		if leaves[n.index] = c.leaf(n, i); leaves[n.index] != maybe {
			continue
		}
		set := c.holders(i, n.words)
		switch {
		case set == nil:
		case set.Len() == 0:
			leaves[n.index] = no
		case !n.required:
		case c.only[i] == nil:
			c.only[i] = set
		default:
			c.only[i].And(set)
		}
	}
	c.refined[i] = leaves
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
	if !n.isOrigin {
		return nil
	}
	v, m := make([]verdict, len(origins)), &syslog.Message{}
	for i, o := range origins {
		m.Host, m.Sender = o.Host, o.Sender
		v[i] = judge(n.expr.Match(m))
	}
	return v
}

// close ends the use of the rows.
func (c *content) close() {
	if c.rows != nil {
		c.rows.Close()
	}
}

// load decodes the rows, once; nil if none can match, or if the chunk was
// dropped or is corrupt.
func (c *content) load() (*chunk.Rows, error) {
	if c.rows == nil {
		rows, err := c.part.s.decoder.Rows(c.sealed, func(buf []byte) ([]byte, error) {
			b, err := c.part.read(partData, buf)
			if b == nil && err == nil {
				err = errGone
			}
			return b, err
		})
		switch {
		case errors.Is(err, errGone):
			return nil, nil
		case errors.Is(err, chunk.ErrCorrupt):
			return nil, c.part.quarantine(err)
		case err != nil:
			return nil, err
		}
		c.rows = rows
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
	if v == no || c.only != nil && c.only[t] != nil && !c.rows.Among(c.only[t], i) {
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
	return c.ofPair(t, c.rows.Origin(i))
}

// ofPair judges all rows of a type and an origin, once.
func (c *content) ofPair(typ, origin int) verdict {
	if c.pairs == nil {
		c.pairs = make([][]verdict, len(c.types))
	}
	if c.pairs[typ] == nil {
		c.pairs[typ] = make([]verdict, len(c.origins))
	}
	if v := c.pairs[typ][origin]; v > 0 {
		return v - 1
	}
	v := c.plan.root.eval(func(n *node) verdict {
		if n.isOrigin {
			return c.hosts[n.index][origin]
		}
		return c.leaf(n, typ)
	})
	c.pairs[typ][origin] = v + 1
	return v
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
