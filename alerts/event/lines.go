package event

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rondo/alerts/state"
	"rondo/syslogd/syslog"
)

// App is the application of the log lines that events are.
const App = "rondo-event"

// element is the structured data of such a line. 32473 is the enterprise number
// of documentation (RFC 5612), which all of ours are under.
const element = "event@32473"

// removed is what the line of a removed event says.
const removed = string(Dropped)

// How lines are written.
const (
	lineBatch = 200
	lineRetry = 5 * time.Second
)

func (s *Store) loadLine(id string, value []byte) error {
	if s.byID[id] == nil {
		return fmt.Errorf("there is no event %s", id)
	}
	s.waiting[id] = string(value)
	return nil
}

// Run writes the lines of events into the log store until ctx ends. What is not
// written then is by the next run.
func (s *Store) Run(ctx context.Context) error {
	if s.o.Lines == nil {
		return nil
	}
	retry := time.NewTimer(0)
	defer retry.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-retry.C:
		}
		more, err := s.writeLines(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			s.stats.lineFailed.Add(1)
			if !failed {
				s.log.Error("events are kept, but their log lines cannot be written yet", "err", err)
			}
			failed = true
			retry.Reset(lineRetry)
		case more:
			retry.Reset(0)
		case failed:
			s.log.Info("the log lines of events are written again")
			failed = false
		}
	}
}

// writeLines writes some of the lines that wait, and says whether more do.
func (s *Store) writeLines(ctx context.Context) (more bool, err error) {
	s.mu.RLock()
	ids := slices.Sorted(maps.Keys(s.waiting))
	more = len(ids) > lineBatch
	ids = ids[:min(len(ids), lineBatch)]
	batch, said := make([]syslog.Message, 0, len(ids)), make([]*Event, 0, len(ids))
	for _, id := range ids {
		said = append(said, s.byID[id])
		batch = append(batch, s.line(s.byID[id], s.waiting[id], time.Now()))
	}
	s.mu.RUnlock()
	if len(batch) == 0 {
		return false, nil
	}
	if err := s.o.Lines.Put(ctx, batch); err != nil {
		return more, fmt.Errorf("event: %w", err)
	}
	s.stats.lines.Add(uint64(len(batch)))
	return more, s.lineWritten(ctx, said)
}

// lineWritten notes that lines were written, but those of events that have
// changed since.
func (s *Store) lineWritten(ctx context.Context, said []*Event) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.RLock()
	said = slices.DeleteFunc(said, func(e *Event) bool { return s.byID[e.ID] != e })
	s.mu.RUnlock()
	var changes []state.Change
	for _, e := range said {
		changes = append(changes, state.Delete(linePrefix+e.ID))
	}
	if err := s.disk.Write(ctx, changes...); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range said {
		delete(s.waiting, e.ID)
	}
	return nil
}

// line is an event as a log line. Its host is always ours: that of its labels
// has not logged anything.
func (s *Store) line(e *Event, what string, now time.Time) syslog.Message {
	sd := []byte("[" + element)
	put := func(name, value string) {
		if value != "" {
			sd = syslog.AppendSDParam(sd, name, value)
		}
	}
	put("event", e.ID)
	put("what", what)
	for _, k := range slices.Sorted(maps.Keys(e.Labels)) {
		put(k, e.Labels[k])
	}
	put("tags", strings.Join(e.Tags, ","))
	put("who", e.Who)
	put("source", e.Source)
	put("link", e.Link)
	put("until", stamp(e.End))
	m := syslog.Message{
		Facility: syslog.DefaultFacility, Severity: syslog.Notice, HasPRI: true, Time: e.At, Received: now,
		Host: s.o.Host, App: App, MsgID: what, SD: string(append(sd, ']')), Text: e.words(what),
	}
	if e.At.After(now) {
		m.Time = now
	}
	return syslog.Compose(m)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// words are what a log line says.
func (e *Event) words(what string) string {
	s := e.Title
	if what != string(Added) {
		s = what + ": " + s
	}
	if e.Text != "" {
		s += ": " + strings.Join(strings.Fields(e.Text), " ")
	}
	return s
}
