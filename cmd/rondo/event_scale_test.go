package main

import (
	stdcmp "cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts/event"
	"rondo/alerts/state"
	"rondo/autoscale"
)

// TestScribe follows a group through a scale-out, a failed launch, a refresh and
// the end of an instance, with restarts in between: each is told once.
func TestScribe(t *testing.T) {
	disk := state.NewMemory()
	store, err := event.Open(disk, event.Options{Config: event.DefaultConfig(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	at := func(sec int) time.Time { return start.Add(time.Duration(sec) * time.Second) }
	view := autoscale.View{Name: "web", Recent: []autoscale.Decision{
		{ID: "d1", Group: "web", At: at(0), Direction: autoscale.Out, From: 1, To: 3, Reason: "load 9", Outcome: "done"},
		{ID: "d2", Group: "web", At: at(5), Direction: autoscale.Out, From: 3, To: 4, Outcome: "failed: no room"},
		{ID: "d3", Group: "web", At: at(8), Direction: autoscale.In, From: 3, To: 2},                                 // not finished
		{ID: "d4", Group: "web", At: at(8), Direction: autoscale.Out, From: 3, To: 4, DryRun: true},                  // not done
		{ID: "d5", Group: "web", At: at(8), Direction: autoscale.Stay, From: 3, To: 3},                               // nothing
		{ID: "d6", Group: "web", At: at(9), Direction: autoscale.Out, From: 3, To: 4, Held: "budget"},                // held
		{ID: "d7", Group: "web", At: at(9), Direction: autoscale.Out, From: 3, To: 4, Refresh: "r", Outcome: "done"}, // of a refresh
	}, Refresh: &autoscale.RefreshView{State: autoscale.Refreshing, Began: at(9), By: "ann"}}
	view.Recent = append(view.Recent, autoscale.Decision{ // older than events are kept, which keeps no other from being told
		ID: "d8", Group: "web", At: start.AddDate(-5, 0, 0), Direction: autoscale.Out, From: 3, To: 4, Outcome: "done",
	})
	view.Recent[0], view.Recent[7] = view.Recent[7], view.Recent[0]
	look := func(sec int, members ...string) {
		fresh := &scribe{events: store, views: func() []autoscale.View { return []autoscale.View{view} }, log: slog.New(slog.DiscardHandler), absent: map[string]time.Time{}}
		m := autoscale.Membership{Group: "web", At: at(sec)}
		for _, id := range members {
			m.Instances = append(m.Instances, autoscale.Instance{ID: id, Host: "web-" + id, FirstSeen: at(1), Phase: autoscale.InService})
		}
		for _, later := range []int{0, 1, 31} { // the second finds nothing new
			fresh.look(context.Background(), []autoscale.Membership{m}, at(sec+later))
		}
		fresh.look(context.Background(), nil, at(sec+32)) // the cloud cannot be asked
	}
	look(10, "1", "2")
	look(80, "1", "2")
	view.Refresh = &autoscale.RefreshView{State: autoscale.BackedOut, Began: at(9), Since: at(100), By: "ann", Why: "alarm"}
	look(120, "2")
	look(200, "2")
	type told struct {
		Title, Tags string
		Sec, Lasts  int
	}
	var got []told
	for _, e := range slices.Backward(store.List(event.Query{})) {
		tags := ""
		for _, tag := range e.Tags {
			tags += tag + " "
		}
		got = append(got, told{e.Title, tags, int(e.At.Sub(start).Seconds()), int(e.Last().Sub(e.At).Seconds())})
		if e.Labels["group"] != "web" || e.Source != event.SourceAutoscale {
			t.Errorf("%+v", e)
		}
	}
	want := []told{
		{"web: scale out 1 to 3", "scale scale-out ", 0, 0},
		{"web: web-1 joined", "instance joined ", 1, 0},
		{"web: web-2 joined", "instance joined ", 1, 0},
		{"web: scale out 3 to 4", "scale scale-out failed ", 5, 0},
		{"web: scale in 3 to 2", "scale scale-in ", 8, 0},
		{"web: refresh, backed-out", "refresh failed ", 9, 91},
		{"web: scale out 3 to 4", "refresh ", 9, 0},
		{"web: web-1 left", "instance left ", 120, 0},
	}
	sort := func(x []told) {
		slices.SortStableFunc(x, func(a, b told) int {
			return stdcmp.Or(a.Sec-b.Sec, strings.Compare(a.Title, b.Title), strings.Compare(a.Tags, b.Tags))
		})
	}
	sort(got)
	sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if n := store.Snapshot()["refused_bad"]; n != 4 {
		t.Errorf("%d were refused, want the one that is too old, once after each start", n)
	}
}
