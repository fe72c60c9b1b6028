package pages

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"rondo/autoscale"
)

type decisionView struct {
	Frame
	autoscale.Record
	Row    DecisionRow
	Proof  Proof
	Setup  autoscale.Setup // in force then; without a digest where it is not kept
	Around string          // the group's page at that time
	Line   string          // shows the same on the command line
}

// decision shows one decision in full: the graph that it saw, and all that
// proves it. Its address stays valid for as long as the journal has it.
func (p *Pages) decision(w http.ResponseWriter, r *http.Request) {
	if p.deps.Groups == nil {
		p.Error(w, r, http.StatusNotFound)
		return
	}
	group := r.PathValue("group")
	rec, err := p.deps.Groups.Record(group, r.PathValue("ref"))
	switch {
	case errors.Is(err, autoscale.ErrNoGroup) || errors.Is(err, autoscale.ErrNoDecision):
		p.Error(w, r, http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, p.failed("The decision", err), http.StatusInternalServerError)
		return
	}
	v := decisionView{Frame: p.frame(r, "autoscale", "Decision of "+group), Record: rec}
	v.Still = rec.Ref != "now"
	if v.Setup, err = p.deps.Groups.Setup(group, rec.Policy); err != nil {
		v.Setup = autoscale.Setup{}
	}
	v.Row = decisionRow(rec.Decision, p.hostOfInstance())
	v.Proof = proofOf(rec, v.Setup.Group.Rules(rec.From), titleOf(v.Setup.Group))
	const around = 30 * time.Minute
	v.Around = groupURL(group) + "&" + url.Values{
		"from": {rec.At.Add(-around).UTC().Format(time.RFC3339)}, "to": {rec.At.Add(around).UTC().Format(time.RFC3339)},
	}.Encode()
	v.Line = "rondo group explain " + shellWord(group) + " " + shellWord(rec.Ref)
	p.render(w, http.StatusOK, "decision", v)
}

// titleOf is what a group's metric is called.
func titleOf(g autoscale.Group) string {
	if rules := g.Rules(g.Min); len(rules) > 0 && rules[0].Title != "" {
		return rules[0].Title
	}
	return "metric"
}

func groupURL(group string) string { return "/autoscale?group=" + url.QueryEscape(group) }

// decisionURL is the permanent address of a decision.
func decisionURL(group, ref string) string {
	return "/autoscale/" + url.PathEscape(group) + "/decisions/" + url.PathEscape(ref)
}

// fewGraphs is how many decisions carry their graph on a group's page; the
// others are a click away.
const fewGraphs = 6

// prove gives the newest decisions what they are made of.
func prove(rows []DecisionRow, rules []autoscale.PolicyView, title string) {
	graphs := 0
	for i := range rows {
		d := rows[i].Decision
		rows[i].Proof = proofOf(autoscale.Record{Ref: d.Ref(), Decision: d}, rules, title)
		if graphs++; graphs > fewGraphs && !acted(d) || graphs > 2*fewGraphs {
			rows[i].Proof.Graphs = nil
		}
	}
}

// groupCommands are what one may do to a group, ready to copy.
func groupCommands(v autoscale.View) []Command {
	name := shellWord(v.Name)
	out := []Command{{"Who did what", "rondo group audit " + name}}
	if v.Stopped {
		out = slices.Insert(out, 0, Command{"Let it act again", "rondo group start " + name + " -m " + shellWord("why")})
	} else {
		out = slices.Insert(out, 0, Command{"Stop it: no launch, no termination", "rondo group stop " + name + " -m " + shellWord("why")})
	}
	if d := v.Last; v.Mode != string(autoscale.Act) && d.Direction != autoscale.Stay && d.Held == "" {
		line := "rondo group apply " + name + " " + shellFlag("--decision", d.Terms()) + " -m " + shellWord("why")
		out = append(out, Command{"Carry out once what it would do: " + strconv.Itoa(d.From) + " → " + strconv.Itoa(d.To), line})
	}
	out = append(out, refreshCommands(v, name)...)
	return append(out, Command{"Check that nothing of this was changed", "rondo group journal " + name + " --verify"})
}
