package autoscale

import (
	"slices"
	"strings"

	"rondo/alerts"
	"rondo/rrd"
)

// Alerts are what a group heeds beside its metric (alerts.Engine is).
type Alerts interface {
	// Paused says whether a downtime in force that pauses scaling matches labels,
	// and which.
	Paused(ls rrd.Labels) (why string, paused bool)
	// Says is the gravest that the states of a rule answer to a class.
	Says(rule string, c alerts.Class, ls rrd.Labels) (answer alerts.Answer, text string)
}

// A Veto names rules of the alerts that keep a group from scaling. Missing data
// differ by direction, as ever: launching is kept back while a rule fires,
// retiring while it is not certain that it does not.
type Veto struct {
	Out []string `yaml:"out"` // such as a database that more instances would only burden
	In  []string `yaml:"in"`  // such as errors that users see
}

// The codes of what alerts hold.
const (
	codePaused = "paused"
	codeVanish = "vanished"
	codeVeto   = "veto"
)

// holdAlerts lists what the alerts have to say. Who gave up listening, because
// most hosts fell silent at once, must not act on what he does not hear.
func (g *group) holdAlerts(dir Direction) (met []Guard) {
	if g.alerts == nil {
		return nil
	}
	own := rrd.Labels{{Name: "group", Value: g.Name}}
	if why, paused := g.alerts.Paused(own); paused {
		met = append(met, blocked(codePaused, "%s pauses scaling", why))
	} else {
		met = append(met, passed(codePaused, "no downtime pauses scaling"))
	}
	for _, rule := range g.deaf {
		if answer, text := g.alerts.Says(rule, alerts.Page, nil); answer == alerts.Firing {
			met = append(met, blocked(codeVanish, "%s: many hosts fell silent at once, nothing changes until they are heard", text))
		} else {
			met = append(met, passed(codeVanish, "%s", text))
		}
	}
	if dir == Stay {
		return met
	}
	rules, class := g.Veto.Out, alerts.Launch
	if dir == In {
		rules, class = g.Veto.In, alerts.Terminate
	}
	for _, rule := range rules {
		answer, text := g.alerts.Says(rule, class, own)
		if answer == alerts.Firing || dir == In && answer != alerts.Quiet {
			met = append(met, blocked(codeVeto, "%s", text))
		} else {
			met = append(met, passed(codeVeto, "%s", text))
		}
	}
	return met
}

// paused says whether a downtime holds the group, terminations that wait too.
func (g *group) paused() bool {
	if g.alerts == nil {
		return false
	}
	_, paused := g.alerts.Paused(rrd.Labels{{Name: "group", Value: g.Name}})
	return paused
}

// heeds are the guard rails that count for a decision: money that ends cannot
// wait for an alert to end.
func (d Decision) heeds(met []Guard) []Guard {
	if !strings.HasPrefix(d.Code, codeBudget) {
		return met
	}
	return slices.DeleteFunc(met, func(g Guard) bool { return g.Name == codeVeto || g.Name == codeVanish })
}
