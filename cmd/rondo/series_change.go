package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"rondo/rrd/store"
)

// seriesChangeCmd changes how series are kept.
type seriesChangeCmd struct {
	clientFlags
	Matcher   []string `arg:"" optional:"" help:"Globs over names or PromQL selectors; '*' is all series."`
	Schema    bool     `help:"As the configuration's schemas say now. Without a matcher: all series."`
	Archives  []string `help:"All archives, the finest first: --archives='10s for 1d' --archives='1m for 14d'." sep:"none" placeholder:"'ROW for SPAN'"`
	Step      string   `help:"The step, such as 10s. Archives that fit stay; see --archives." placeholder:"SPAN"`
	Heartbeat string   `help:"The longest silence that is no gap, such as 2m." placeholder:"SPAN"`
	Min       string   `help:"Lower limit, or none." placeholder:"NUMBER"`
	Max       string   `help:"Upper limit, or none." placeholder:"NUMBER"`
	XFF       string   `help:"Share of a row that may be unknown, 0 to below 1." name:"xff" placeholder:"NUMBER"`
	Type      string   `help:"counter, derive or absolute." placeholder:"TYPE"`
	DryRun    bool     `help:"Only say what would change, on disk too."`
	Yes       bool     `help:"Do not ask." short:"y"`
	Detach    bool     `help:"Do not wait for the end; 'rondo series changes' shows it."`
}

func (seriesChangeCmd) Help() string {
	return `Examples:
  rondo series change 'fleet.web.*' --archives='10s for 2d' --archives='1m for 30d' --dry-run
  rondo series change 'disk{host="db1"}' --heartbeat=10m --max=none --yes
  rondo series change '*' --step=30s
  rondo series change --schema

Rows of equal length are taken over as they are; new lengths are made of
shorter rows. The change goes on in the server, also after a restart.`
}

func (c seriesChangeCmd) values() (url.Values, error) {
	q := url.Values{"match": c.Matcher, "archives": c.Archives}
	for name, v := range map[string]string{"step": c.Step, "heartbeat": c.Heartbeat, "min": c.Min, "max": c.Max, "xff": c.XFF, "type": c.Type} {
		if v != "" {
			q.Set(name, v)
		}
	}
	edits := len(q) - 2
	switch {
	case c.Schema && (edits > 0 || len(c.Archives) > 0):
		return nil, errors.New("--schema says it all: leave the other flags out")
	case c.Schema:
		q.Set("schema", "1")
	case len(c.Matcher) == 0:
		return nil, errors.New("which series? give a glob such as 'web.*', a selector, or '*' for all")
	}
	return q, nil
}

func (c seriesChangeCmd) Run(ctx context.Context, out io.Writer, stderr errorWriter) error {
	q, err := c.values()
	if err != nil {
		return &exitError{usageCode, err}
	}
	if c.DryRun || !c.Yes {
		q.Set("dry", "1")
		var e store.Estimate
		if err := c.post(ctx, "/api/series/change", q, &e); err != nil {
			return err
		}
		q.Del("dry")
		if c.DryRun && c.Output == "json" {
			return json.NewEncoder(out).Encode(e)
		}
		if err := printEstimate(pick(c.DryRun, out, stderr), &e); err != nil || c.DryRun || e.Changing == 0 {
			return err
		}
		if err := confirm(ctx, stderr, e.Changing); err != nil {
			return err
		}
	}
	var p store.Progress
	if err := c.post(ctx, "/api/series/change", q, &p); err != nil {
		return err
	}
	if !c.Detach {
		if p, err = c.follow(ctx, stderr, p); err != nil {
			return err
		}
	}
	if c.Output == "json" {
		return json.NewEncoder(out).Encode(p)
	}
	return printProgress(out, &p)
}

func pick(first bool, a, b io.Writer) io.Writer {
	if first {
		return a
	}
	return b
}

func printEstimate(out io.Writer, e *store.Estimate) error {
	fmt.Fprintf(out, "%d of %d series that match change\n", e.Changing, e.Series)
	if e.Changing == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ARCHIVE\tSERIES\tROWS MOVED\tROWS LOST\tDISK\tWHEN FULL")
	for _, a := range e.Archives {
		fmt.Fprintf(w, "%s\t%+d\t%d\t%d\t%s\t%s\n", a.Archive, a.Series, a.Rows, a.Lost, bytesText(a.Bytes), bytesText(a.Full))
	}
	fmt.Fprintf(w, "disk of all archives: now %s, meanwhile up to %s, afterwards %s; %s when all rings are full\n",
		bytesText(e.Now), bytesText(e.Peak), bytesText(e.After), bytesText(e.Full))
	return w.Flush()
}

// confirm asks on the terminal. Where there is none, nobody can say yes.
func confirm(ctx context.Context, out io.Writer, series int) error {
	if info, err := os.Stdin.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return errors.New("nothing is changed: there is no terminal to ask on; --yes goes ahead")
	}
	fmt.Fprintf(out, "change %d series? [y/N] ", series)
	answer := make(chan string, 1)
	go func() { // ends with the process, should nobody answer
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case a := <-answer:
		if a != "y" && a != "yes" {
			return errors.New("nothing is changed")
		}
	}
	return nil
}

// follow shows progress until the change has ended.
func (c seriesChangeCmd) follow(ctx context.Context, stderr io.Writer, p store.Progress) (store.Progress, error) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for p.Ended.IsZero() {
		select {
		case <-ctx.Done():
			return p, fmt.Errorf("the change goes on in the server; `rondo series changes` shows it: %w", context.Cause(ctx))
		case <-tick.C:
		}
		if err := c.get(ctx, "/api/series/changes", nil, &p); err != nil {
			return p, err
		}
		if p.Ended.IsZero() {
			if err := printProgress(stderr, &p); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

func printProgress(out io.Writer, p *store.Progress) error {
	state := "changing"
	switch {
	case p.Stopped:
		state = "stopped"
	case !p.Ended.IsZero():
		state = "changed"
	}
	line := fmt.Sprintf("%s %d of %d series, %d rows, %s", state, p.Done, p.Total, p.Rows, bytesText(p.Bytes))
	if left := p.Remaining(time.Now()); left > 0 {
		line += ", " + left.Round(time.Second).String() + " to go"
	}
	if p.Trouble != "" {
		line += "; waits to try again: " + p.Trouble
	}
	_, err := fmt.Fprintf(out, "%s (%s)\n", line, p.What)
	return err
}

// seriesChangesCmd shows or stops the change that is running.
type seriesChangesCmd struct {
	clientFlags
	Stop bool `help:"Stop it. Series that have changed stay so; the others stay as they were."`
}

func (seriesChangesCmd) Help() string {
	return `Examples:
  rondo series changes
  rondo series changes --stop`
}

func (c seriesChangesCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Stop {
		var said struct{}
		if err := c.post(ctx, "/api/series/stop", nil, &said); err != nil {
			return err
		}
	}
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/series/changes", nil)
	}
	var p struct {
		store.Progress
		Differ int `json:"differ"`
	}
	if err := c.get(ctx, "/api/series/changes", nil, &p); err != nil {
		return err
	}
	if p.Started.IsZero() {
		fmt.Fprintln(out, "no change is running, and there was none since the server started")
	} else if err := printProgress(out, &p.Progress); err != nil {
		return err
	}
	if p.Differ > 0 {
		fmt.Fprintln(out, differText(p.Differ))
	}
	return nil
}

func differText(n int) string {
	return strconv.Itoa(n) + " series differ from their schema; `rondo series change --schema` applies it"
}
