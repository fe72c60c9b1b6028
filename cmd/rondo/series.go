package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"rondo/rrd/store"
)

// seriesCmd shows the series of a running server and changes how they are
// kept.
type seriesCmd struct {
	List    seriesListCmd    `cmd:"" help:"List series and how they are kept."`
	Show    seriesShowCmd    `cmd:"" help:"Show one series: definition, archives, newest sample, disk."`
	Change  seriesChangeCmd  `cmd:"" help:"Change how series are kept, while samples come; no history is lost that the new archives can hold."`
	Changes seriesChangesCmd `cmd:"" help:"Show the change that is running, or stop it."`
	Correct seriesCorrectCmd `cmd:"" help:"Overwrite one point, or make it unknown; every archive follows."`
	Audit   seriesAuditCmd   `cmd:"" help:"List the points that were overwritten: who, when, what."`
	Rename  seriesRenameCmd  `cmd:"" help:"Give a series another name or labels; its history stays with it."`
}

type seriesListCmd struct {
	clientFlags
	Matcher string `arg:"" optional:"" help:"A glob over names, such as 'web.*', or a PromQL selector, such as 'up{job=\"a\"}'. Default: all."`
	Limit   int    `help:"Most series to list; 0: all." default:"1000"`
}

func (seriesListCmd) Help() string {
	return `Examples:
  rondo series list
  rondo series list 'fleet.web.*'
  rondo series list '{__name__=~"disk.*",host="db1"}' -o json`
}

func (c seriesListCmd) Run(ctx context.Context, out io.Writer) error {
	q := url.Values{"match": {c.Matcher}, "limit": {strconv.Itoa(c.Limit)}}
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/series", q)
	}
	var infos []store.Info
	if err := c.get(ctx, "/api/series", q, &infos); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERIES\tTYPE\tNEWEST\tARCHIVES")
	for _, s := range infos {
		var as []string
		for _, a := range s.Archives {
			as = append(as, archiveText(a))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Key, s.Type, newest(s), strings.Join(as, ", "))
	}
	if c.Limit > 0 && len(infos) == c.Limit {
		fmt.Fprintf(w, "# there may be more: --limit=%d\n", c.Limit)
	}
	return w.Flush()
}

func newest(s store.Info) string {
	if s.Newest.IsZero() {
		return "-"
	}
	return s.Newest.Local().Format(time.DateTime)
}

type seriesShowCmd struct {
	clientFlags
	Key string `arg:"" help:"The series, as PromQL writes it; a plain name needs no braces. A set's name shows its data sources."`
}

func (seriesShowCmd) Help() string {
	return `Examples:
  rondo series show fleet.web.i-1.load
  rondo series show net/eth0
  rondo series show 'disk{host="db1",mount="/"}' -o json`
}

func (c seriesShowCmd) Run(ctx context.Context, out io.Writer) error {
	q := url.Values{"key": {c.Key}}
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/series/show", q)
	}
	var s store.Info
	if err := c.get(ctx, "/api/series/show", q, &s); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\n  type\t%s\n  step\t%s\n", s.Key, s.Type, s.Step)
	switch {
	case len(s.Sources) > 0:
	case s.Compute != "":
		fmt.Fprintf(w, "  is\t%s\n", s.Compute)
	default:
		fmt.Fprintf(w, "  heartbeat\t%s\n  limits\t%s to %s\n", s.Heartbeat, limit(s.Min), limit(s.Max))
	}
	fmt.Fprintf(w, "  newest sample\t%s\n", newest(s))
	switch {
	case len(s.Sources) > 0:
		for _, source := range s.Sources {
			fmt.Fprintf(w, "  data source\t%s\t%s\n", source.Key, source.Type)
		}
	case s.Set:
		fmt.Fprintln(w, "  kept by\ta set, as RRDtool does")
	case !s.Schema:
		fmt.Fprintln(w, "  schema\tsays otherwise now; `rondo series change --schema` applies it")
	}
	fmt.Fprintln(w, "  ARCHIVE\tROWS\tXFF\tBEGINS\tDISK\tWHEN FULL")
	for _, a := range s.Archives {
		begins, disk, full := "-", bytesText(a.Bytes), bytesText(a.Full)
		if s.Set {
			disk, full = "-", "-" // sets share their rings' files
		}
		if !a.Begins.IsZero() {
			begins = a.Begins.Local().Format(time.DateTime)
		}
		fmt.Fprintf(w, "  %s\t%d\t%v\t%s\t%s\t%s\n", archiveText(a), a.Rows, a.XFF, begins, disk, full)
	}
	return w.Flush()
}

// archiveText is an archive for people: "10s for 1d", or of a set "max 1h for 1y".
func archiveText(a store.ArchiveInfo) string { return strings.TrimSpace(a.CF + " " + a.Archive) }

func limit(f *float64) string {
	if f == nil {
		return "none"
	}
	return strconv.FormatFloat(*f, 'g', -1, 64)
}

// bytesText writes a number of bytes for people.
func bytesText(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KB", "MB", "GB", "TB"} {
		if math.Abs(f) < 1000 {
			break
		}
		f, unit = f/1000, u
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

type seriesRenameCmd struct {
	clientFlags
	From string `arg:"" help:"The series, as PromQL writes it."`
	To   string `arg:"" help:"What it is to be called; there must be no such series."`
}

func (seriesRenameCmd) Help() string {
	return `Examples:
  rondo series rename web.old.load web.new.load
  rondo series rename 'disk{host="db1"}' 'disk{host="db1",mount="/"}'

Samples that still come under the old name make a new series.`
}

func (c seriesRenameCmd) Run(ctx context.Context, out io.Writer) error {
	var said struct{ From, To string }
	if err := c.post(ctx, "/api/series/rename", url.Values{"from": {c.From}, "to": {c.To}}, &said); err != nil {
		return err
	}
	if c.Output == "json" {
		return json.NewEncoder(out).Encode(map[string]string{"from": said.From, "to": said.To})
	}
	_, err := fmt.Fprintf(out, "%s is now %s\n", said.From, said.To)
	return err
}
