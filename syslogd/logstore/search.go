package logstore

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"iter"
	"slices"

	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

// Search yields what matches in order of Message.When, or of reception if
// the query says so, and of arrival where that is the same. It reads chunks only as the consumer gets to them.
func (s *Store) Search(ctx context.Context, q syslogd.Query) iter.Seq2[syslog.Message, error] {
	return func(yield func(syslog.Message, error) bool) {
		if err := s.search(ctx, q, func(m syslog.Message) bool { return yield(m, nil) }); err != nil {
			yield(syslog.Message{}, fmt.Errorf("logstore: search: %w", err))
		}
	}
}

func (s *Store) search(ctx context.Context, q syslogd.Query, yield func(syslog.Message) bool) error {
	return s.merge(ctx, newPlan(q), q, func(c *content, row int) (bool, error) {
		m, err := c.rows.Message(row)
		return err == nil && yield(m), err
	})
}

// merge calls yield with the rows that match, in order, until it returns
// false. Its error is that of a row which cannot be read.
func (s *Store) merge(ctx context.Context, p *plan, q syslogd.Query, yield func(*content, int) (bool, error)) error {
	chunks, err := s.parts(p)
	if err != nil {
		return err
	}
	var parts []*part
	for _, x := range chunks {
		parts = x.appendPieces(parts, p)
	}
	// The next part is needed when it could hold something that comes before
	// what all open ones have.
	slices.SortFunc(parts, func(a, b *part) int {
		if q.Oldest {
			return cmp.Compare(a.time.min, b.time.min)
		}
		return cmp.Compare(b.time.max, a.time.max)
	})
	cursors := &cursorHeap{oldest: q.Oldest}
	defer cursors.close()
	next := newOpener(ctx, p, q.Oldest, parts)
	defer next.close()
	for left := q.Limit; ; {
		for next.more() && cursors.needs(next.part()) {
			c, err := next.open()
			if err != nil {
				return err
			}
			if c != nil {
				heap.Push(cursors, c)
			}
		}
		if len(cursors.list) == 0 {
			return context.Cause(ctx)
		}
		c := cursors.list[0]
		more, err := yield(c.content, c.row)
		if err == nil {
			if left--; !more || left == 0 {
				return nil
			}
		} else if err = c.content.damaged(err); err != nil {
			return err
		}
		if err := cursors.advance(ctx); err != nil {
			return err
		}
	}
}

// cursor goes through the matching rows of one part, in order.
type cursor struct {
	content *content
	rows    []int32 // candidates that are left
	row     int     // the current one
	time    int64
}

// next finds the next row that matches; false at the end. Rows are rendered
// for matching only when their turn comes.
func (c *cursor) next(ctx context.Context) (bool, error) {
	for n := 1; len(c.rows) > 0; n++ {
		if n&255 == 0 && ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		c.row = int(c.rows[0])
		c.rows = c.rows[1:]
		ok, err := c.content.match(c.row, c.content.ofRow(c.row))
		if err != nil {
			return false, c.content.damaged(err)
		}
		if ok {
			c.time = c.content.plan.time(c.content.rows, c.row)
			return true, nil
		}
	}
	return false, nil
}

// cursorHeap merges cursors; the first of the list comes next.
type cursorHeap struct {
	oldest bool
	list   []*cursor
}

// Len implements heap.Interface.
func (h *cursorHeap) Len() int { return len(h.list) }

// Less implements heap.Interface.
func (h *cursorHeap) Less(i, j int) bool {
	a, b := h.list[i], h.list[j]
	if !h.oldest {
		a, b = b, a
	}
	if a.time != b.time {
		return a.time < b.time
	}
	return a.content.part.order < b.content.part.order
}

// Swap implements heap.Interface.
func (h *cursorHeap) Swap(i, j int) { h.list[i], h.list[j] = h.list[j], h.list[i] }

// Push implements heap.Interface.
func (h *cursorHeap) Push(x any) { h.list = append(h.list, x.(*cursor)) }

// Pop implements heap.Interface.
func (h *cursorHeap) Pop() any {
	last := h.list[len(h.list)-1]
	h.list = h.list[:len(h.list)-1]
	return last
}

// needs reports whether a part may hold what comes next.
func (h *cursorHeap) needs(x *part) bool {
	switch {
	case len(h.list) == 0:
		return true
	case h.oldest:
		return x.time.min <= h.list[0].time
	}
	return x.time.max >= h.list[0].time
}

// close ends all cursors.
func (h *cursorHeap) close() {
	for _, c := range h.list {
		c.content.close()
	}
}

// advance moves the first cursor.
func (h *cursorHeap) advance(ctx context.Context) error {
	ok, err := h.list[0].next(ctx)
	if ok {
		heap.Fix(h, 0)
	} else {
		heap.Pop(h).(*cursor).content.close()
	}
	return err
}
