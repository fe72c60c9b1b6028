package pages

import (
	"strconv"

	"rondo/autoscale"
)

// maxRefreshEvents is how many steps of a refresh the page shows.
const maxRefreshEvents = 12

// A RefreshRow is how far the replacement of a group's instances is.
type RefreshRow struct {
	autoscale.RefreshView
	Badge Badge
	Says  string // in a line
	Steps []autoscale.RefreshEvent
}

// refreshRow is nil where there is nothing to say.
func refreshRow(v *autoscale.RefreshView) *RefreshRow {
	if v == nil {
		return nil
	}
	r := &RefreshRow{RefreshView: *v, Steps: v.History[:min(len(v.History), maxRefreshEvents)]}
	switch v.State {
	case "":
		r.Badge = Badge{"quiet", "◇", "outdated"}
	case autoscale.Refreshing:
		r.Badge = Badge{"ok", "●", "refreshing"}
	case autoscale.RefreshDone:
		r.Badge = Badge{"ok", "●", "done"}
	case autoscale.RefreshPaused, autoscale.BackingOut, autoscale.BackedOut, autoscale.RefreshAbort:
		r.Badge = Badge{"warning", "▲", string(v.State)}
	}
	r.Says = strconv.Itoa(v.Outdated) + " outdated"
	if v.State != "" {
		r.Says = strconv.Itoa(v.Done) + " of " + strconv.Itoa(v.Total) + " are as they should be"
	}
	return r
}

// refreshCommands are what can be done about outdated instances now.
func refreshCommands(v autoscale.View, name string) (out []Command) {
	r := v.Refresh
	if r == nil || v.Mode != string(autoscale.Act) {
		return nil
	}
	line := "rondo group refresh " + name
	why := " -m " + shellWord("why")
	switch r.State {
	case autoscale.Refreshing:
		out = []Command{{"Pause the refresh", line + " --pause" + why}}
	case autoscale.RefreshPaused:
		out = []Command{{"Let the refresh go on", line + " --resume" + why}}
	case autoscale.BackingOut:
		return []Command{{"Leave the instances as they are", line + " --abort" + why}}
	case autoscale.BackedOut, autoscale.RefreshDone, autoscale.RefreshAbort, "":
		if r.Outdated > 0 {
			out = []Command{{"Replace the outdated, a few at a time", line + why}}
		}
		return out
	}
	return append(out, Command{"Back the refresh out: the old template again", line + " --back-out" + why})
}
