package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"rondo/alerts/event"
	"rondo/autoscale"
)

const (
	scribeEvery = 5 * time.Second      // how often it looks without being woken
	unfinished  = time.Minute          // how long a decision may be without an outcome until it is told
	absentFor   = 30 * time.Second     // how long an instance is gone until it has left
	lookBack    = 366 * 24 * time.Hour // for those who joined and have not left
)

// A scribe tells what becomes of groups as events, so that graphs of a year show
// it: groups themselves remember their newest decisions only. It goes by what
// groups say now and by what it has told, which has keys: a restart tells
// nothing twice, and what happened before it.
type scribe struct {
	events *event.Store
	views  func() []autoscale.View
	log    *slog.Logger

	told   map[string]string    // key -> what was told of it, of what groups still remember
	absent map[string]time.Time // instance -> since when it is not listed
	failed bool
}

func (s *server) newScribe() *scribe {
	return &scribe{events: s.events, views: present{s}.Views, log: s.log.With("component", "events"), absent: map[string]time.Time{}}
}

// Run implements follower.
func (s *scribe) Run(ctx context.Context, groups autoscale.Groups) error {
	changed, end := groups.Subscribe()
	defer end()
	tick := time.NewTicker(scribeEvery)
	defer tick.Stop()
	for {
		s.look(ctx, groups.Members(), time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
		}
	}
}

// look tells what has not been told. What cannot be stored is tried again.
func (s *scribe) look(ctx context.Context, members []autoscale.Membership, now time.Time) {
	var err error
	seen := map[string]string{}
	for _, e := range append(s.decided(now), s.membership(members, now)...) {
		says := strings.Join(append(e.Tags, e.Title), "\n")
		if s.told[e.Key] != says && err == nil {
			e.Source = event.SourceAutoscale
			_, _, err = s.events.Add(ctx, e, now)
			if errors.Is(err, event.ErrBad) { // such as older than events are kept: it will be no other, and must not keep the rest
				err = nil
			}
		}
		if err == nil {
			seen[e.Key] = says
		}
	}
	s.told = seen
	if failed := err != nil && ctx.Err() == nil; failed != s.failed {
		s.failed = failed
		if failed {
			s.log.Error("what groups do cannot be told as events; tried again", "err", err)
		}
	}
}

// decided are the changes of capacity that groups remember, and their refreshes.
func (s *scribe) decided(now time.Time) (out []event.Event) {
	for _, v := range s.views() {
		for _, d := range v.Recent {
			if d.ID != "" && d.Acts() && d.From != d.To && (d.Outcome != "" || now.Sub(d.At) > unfinished) {
				out = append(out, decisionMark(d))
			}
		}
		if v.Refresh != nil && !v.Refresh.Began.IsZero() {
			out = append(out, refreshMark(v.Name, *v.Refresh))
		}
	}
	return out
}

func decisionMark(d autoscale.Decision) event.Event {
	e := event.Event{
		Key: d.ID, At: d.At, Title: fmt.Sprintf("%s: scale out %d to %d", d.Group, d.From, d.To), Text: d.Reason, Who: d.Who,
		Tags: []string{event.TagScale, event.TagScaleOut}, Labels: map[string]string{"group": d.Group},
	}
	if d.To < d.From {
		e.Title, e.Tags[1] = fmt.Sprintf("%s: scale in %d to %d", d.Group, d.From, d.To), event.TagScaleIn
	}
	if d.Refresh != "" {
		e.Tags = []string{event.TagRefresh}
	}
	if d.Outcome != "" && !strings.HasPrefix(d.Outcome, "done") {
		e.Tags = append(e.Tags, event.TagFailed)
	}
	if len(e.Text) > maxMarkText {
		e.Text = strings.ToValidUTF8(e.Text[:maxMarkText], "")
	}
	return e
}

// maxMarkText is how much of a decision's reason an event tells.
const maxMarkText = 1000

// refreshMark is a refresh from its begin to its end.
func refreshMark(group string, r autoscale.RefreshView) event.Event {
	e := event.Event{
		Key: fmt.Sprintf("refresh/%s/%d", group, r.Began.Unix()), At: r.Began, Title: fmt.Sprintf("%s: refresh, %s", group, r.State), Text: r.Why, Who: r.By,
		Tags: []string{event.TagRefresh}, Labels: map[string]string{"group": group},
	}
	switch r.State {
	case autoscale.RefreshDone:
		e.End = r.Since
	case autoscale.BackedOut, autoscale.RefreshAbort:
		e.End, e.Tags = r.Since, append(e.Tags, event.TagFailed)
	case autoscale.Refreshing, autoscale.RefreshPaused, autoscale.BackingOut: // it goes on
	}
	return e
}

// membership are the instances that have joined, and those that have left since
// they were told to have joined.
func (s *scribe) membership(groups []autoscale.Membership, now time.Time) (out []event.Event) {
	there := map[string]bool{}
	for _, m := range groups {
		for _, i := range m.Instances {
			there[i.ID] = true
			if i.Host != "" && !i.FirstSeen.IsZero() {
				out = append(out, instanceMark(m.Group, i.ID, i.Host, event.TagJoined, i.FirstSeen))
			}
		}
	}
	if len(groups) == 0 {
		return nil
	}
	for id := range s.absent {
		if there[id] {
			delete(s.absent, id)
		}
	}
	for _, e := range s.joined(now) {
		_, id, _ := strings.Cut(e.Key, "/")
		listed := slices.ContainsFunc(groups, func(m autoscale.Membership) bool { return m.Group == e.Labels["group"] && m.At.After(e.At) })
		if there[id] || !listed { // nobody knows of a group that could not be asked
			continue
		}
		since, ok := s.absent[id]
		if !ok {
			s.absent[id] = now
			continue
		}
		if now.Sub(since) >= absentFor {
			out = append(out, instanceMark(e.Labels["group"], id, e.Labels["host"], event.TagLeft, since))
		}
	}
	return out
}

// joined are the instances that were told to have joined and not to have left.
func (s *scribe) joined(now time.Time) []event.Event {
	gone := map[string]bool{}
	all := s.events.List(event.Query{From: now.Add(-lookBack), Tags: []string{event.TagInstance}})
	for _, e := range all {
		if id, ok := strings.CutPrefix(e.Key, event.TagLeft+"/"); ok {
			gone[id] = true
			delete(s.absent, id)
		}
	}
	return slices.DeleteFunc(all, func(e event.Event) bool {
		id, ok := strings.CutPrefix(e.Key, event.TagJoined+"/")
		return !ok || gone[id]
	})
}

func instanceMark(group, id, host, what string, at time.Time) event.Event {
	return event.Event{
		Key: what + "/" + id, At: at, Title: fmt.Sprintf("%s: %s %s", group, host, what), Text: id,
		Tags: []string{event.TagInstance, what}, Labels: map[string]string{"group": group, "host": host},
	}
}
