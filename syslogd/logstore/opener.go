package logstore

import (
	"cmp"
	"context"
	"runtime"
	"slices"
)

// An opener opens the parts of a search, one after the other. A search that
// needs many of them, since little matches, has some loaded ahead on the other
// processors; one that ends with its first part costs no more than that.
type opener struct {
	ctx     context.Context
	cancel  context.CancelFunc
	plan    *plan
	oldest  bool
	parts   []*part
	opened  int        // parts that were asked for
	ahead   []*opening // of parts[0], parts[1], ...
	loading int        // of these
}

// An opening is what came of opening a part.
type opening struct {
	cursor *cursor // nil: nothing in it matches
	err    error
	loaded chan struct{} // closed when the others are known; nil: they are
}

const (
	// patientParts is how many parts a search opens by itself before it has
	// others loaded ahead.
	patientParts = 2
	// maxAhead is how many parts are looked at ahead; most often nothing in
	// them matches, and nothing is loaded.
	maxAhead = 64
)

func newOpener(ctx context.Context, p *plan, oldest bool, parts []*part) *opener {
	o := &opener{plan: p, oldest: oldest, parts: parts}
	o.ctx, o.cancel = context.WithCancel(ctx)
	return o
}

func (o *opener) more() bool { return len(o.parts) > 0 }

// part is the next one.
func (o *opener) part() *part { return o.parts[0] }

// open opens the next part; nil if nothing in it matches.
func (o *opener) open() (*cursor, error) {
	if o.opened++; o.opened > patientParts {
		o.load()
	}
	x := o.parts[0]
	o.parts = o.parts[1:]
	if len(o.ahead) == 0 {
		c, err := x.look(o.plan)
		if c == nil || err != nil {
			return nil, err
		}
		return c.cursor(o.ctx, o.oldest)
	}
	next := o.ahead[0]
	o.ahead = o.ahead[1:]
	if next.loaded != nil {
		<-next.loaded
		o.loading--
	}
	return next.cursor, next.err
}

// load loads as many parts ahead as there are processors.
func (o *opener) load() {
	for o.loading < runtime.GOMAXPROCS(0) && len(o.ahead) < min(len(o.parts), maxAhead) {
		c, err := o.parts[len(o.ahead)].look(o.plan)
		next := &opening{err: err}
		o.ahead = append(o.ahead, next)
		if c == nil || err != nil {
			continue
		}
		next.loaded = make(chan struct{})
		o.loading++
		go func() {
			defer close(next.loaded)
			next.cursor, next.err = c.cursor(o.ctx, o.oldest)
		}()
	}
}

// close ends what was loaded and not asked for.
func (o *opener) close() {
	o.cancel()
	for _, next := range o.ahead {
		if next.loaded == nil {
			continue
		}
		if <-next.loaded; next.cursor != nil {
			next.cursor.content.close()
		}
	}
}

// cursor loads the rows for reading in order; nil if nothing matches.
func (c *content) cursor(ctx context.Context, oldest bool) (*cursor, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	rows, err := c.load()
	if rows == nil || err != nil {
		c.close()
		return nil, err
	}
	cur := &cursor{content: c}
	for i := range rows.Len() {
		if c.ofRow(i) != no {
			cur.rows = append(cur.rows, int32(i))
		}
	}
	slices.SortFunc(cur.rows, func(a, b int32) int {
		if !oldest {
			a, b = b, a
		}
		return cmp.Or(cmp.Compare(c.plan.time(rows, int(a)), c.plan.time(rows, int(b))), cmp.Compare(a, b))
	})
	if ok, err := cur.next(ctx); !ok {
		c.close()
		return nil, err
	}
	return cur, nil
}
