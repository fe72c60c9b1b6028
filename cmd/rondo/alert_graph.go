package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"rondo/alerts/event"
	"rondo/alerts/fleet"
	"rondo/alerts/notify/mail"
	"rondo/rrd"
	"rondo/rrd/promql"
	"rondo/web/chart"
	"rondo/web/pages"
)

// Bounds of a graph in a mail.
const (
	graphWidth  = 720 // pixels
	graphHeight = 260
	graphSteps  = 180
	graphLines  = 12
	graphEvents = 1000
)

// A grapher draws what alerts are about, and what happened meanwhile. It
// implements mail.Grapher.
type grapher struct {
	metrics *promql.Engine
	events  *event.Store
	fleet   *fleet.Fleet
}

// Graph draws an expression; nothing where it is none of PromQL, such as a
// filter over logs, or matches nothing.
func (g grapher) Graph(ctx context.Context, what mail.Graph) ([]byte, error) {
	if what.Expr == "" || promql.Check(what.Expr) != nil {
		return nil, nil
	}
	step := max(what.To.Sub(what.From)/graphSteps, time.Second).Truncate(time.Second)
	result, err := g.metrics.Range(ctx, what.Expr, what.From, what.To, step)
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	c := chart.Chart{Title: what.Title, From: what.From, To: what.To, Width: graphWidth, Height: graphHeight, Legend: true}
	var drawn []rrd.Labels
	for _, s := range result.Series[:min(len(result.Series), graphLines)] {
		line := chart.Line{Name: s.Labels.String(), Values: s.Values, Step: step}
		for _, t := range s.Times {
			line.Times = append(line.Times, t.Std())
		}
		c.Lines, drawn = append(c.Lines, line), append(drawn, s.Labels)
	}
	if len(c.Lines) == 0 {
		return nil, nil
	}
	happened := g.events.List(event.Query{From: what.From, To: what.To, Limit: graphEvents})
	c.Marks = pages.ToldMarks(happened, drawn, g.fleet.Hosts(), what.From, what.To)
	if !what.Mark.IsZero() {
		c.Marks = append(c.Marks, chart.Mark{Time: what.Mark, Color: chart.Critical, Label: "problem", What: "problem", Shape: chart.Square})
	}
	var b bytes.Buffer
	if err := chart.PNG(&b, c); err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	return b.Bytes(), nil
}
