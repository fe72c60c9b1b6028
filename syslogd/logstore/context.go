package logstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// Context implements syslogd.Locator. An ID tells the millisecond of reception,
// and messages are in order of it, so this opens a chunk or two.
func (s *Store) Context(ctx context.Context, id syslogd.ID, before, after int, ownHost bool) (syslogd.Context, error) {
	c, err := s.context(ctx, id, min(max(before, 0), syslogd.MaxContext), min(max(after, 0), syslogd.MaxContext), ownHost)
	if err != nil {
		return syslogd.Context{}, fmt.Errorf("logstore: lines around one: %w", err)
	}
	return c, nil
}

func (s *Store) context(ctx context.Context, id syslogd.ID, before, after int, ownHost bool) (c syslogd.Context, err error) {
	at, err := id.Received()
	if err != nil {
		return c, err
	}
	moment := syslogd.Query{ByReceived: true, From: at, To: at.Add(time.Millisecond)}
	if c, err = s.around(ctx, id, moment, 0, 0); err != nil {
		return c, err
	}
	all := syslogd.Query{ByReceived: true, To: moment.To}
	if ownHost {
		all.Filter = &filter.Filter{Root: &filter.Field{Name: "host", Op: filter.Equal, Value: c.Message.Origin(), Quoted: true}}
	}
	if c, err = s.around(ctx, id, all, before, after); err != nil || len(c.After) == after {
		return c, err
	}
	later := syslogd.Query{ByReceived: true, From: moment.To, Filter: all.Filter, Oldest: true, Limit: after - len(c.After)}
	for m, err := range s.Search(ctx, later) {
		if err != nil {
			return c, err
		}
		c.After = append(c.After, m)
	}
	return c, nil
}

// around goes back through what a query finds to a message, and on to those
// before it. After are only those that the query found on the way: they came
// within the same millisecond, in a batch perhaps, so that only the nearest
// are kept.
func (s *Store) around(ctx context.Context, id syslogd.ID, q syslogd.Query, before, after int) (c syslogd.Context, err error) {
	found := false
	var later []syslog.Message // newest first
	for m, err := range s.Search(ctx, q) {
		switch {
		case err != nil:
			return c, err
		case found:
			c.Before = append(c.Before, m)
		case syslogd.IDOf(&m) == id:
			c.Message, found = m, true
		default:
			if later = append(later, m); len(later) >= 2*syslogd.MaxContext {
				later = slices.Delete(later, 0, len(later)-syslogd.MaxContext)
			}
		}
		if found && len(c.Before) == before {
			break
		}
	}
	if !found {
		return c, syslogd.ErrNoMessage
	}
	slices.Reverse(c.Before)
	slices.Reverse(later)
	c.After = slices.Clip(later[:min(after, len(later))])
	return c, nil
}
