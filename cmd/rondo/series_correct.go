package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os/user"
	"strconv"
	"text/tabwriter"
	"time"

	"rondo/rrd"
	"rondo/rrd/store"
	"rondo/syslogd"
)

// seriesCorrectCmd overwrites one primary point.
type seriesCorrectCmd struct {
	clientFlags
	Key   string `arg:"" help:"The series, as PromQL writes it; a plain name needs no braces."`
	Time  string `arg:"" help:"A time in the point's slot: RFC 3339, seconds since the epoch, or as now-2h."`
	Value string `arg:"" help:"The value that the point is to have; U makes it unknown."`
}

func (seriesCorrectCmd) Help() string {
	return `Examples:
  rondo series correct fleet.web.i-1.load 2026-11-21T03:00:00Z 0.5
  rondo series correct 'temp{room="7"}' 1795230000 U
  rondo series correct fleet.web.i-1.load -- -2h -0.5

Behind -- a time as -2h and a value below zero are not read as flags.

The point is replaced with all that it holds, and every archive's row that it is part of is made
anew. That needs the points that these rows are made of: it works as far back as the finest
archive reaches. Who did what is kept: rondo series audit.`
}

func (c seriesCorrectCmd) Run(ctx context.Context, out io.Writer) error {
	q := url.Values{"key": {c.Key}, "time": {c.Time}, "value": {c.Value}}
	if u, err := user.Current(); err == nil {
		q.Set("by", u.Username)
	}
	var a store.Audit
	if err := c.post(ctx, "/api/series/correct", q, &a); err != nil {
		return err
	}
	if c.Output == "json" {
		return json.NewEncoder(out).Encode(a)
	}
	_, err := fmt.Fprintf(out, "%s at %s was %s, is %s\n", a.Series, a.Slot.Format(time.RFC3339Nano), auditOld(a.Old), auditNew(a.New))
	return err
}

// seriesAuditCmd lists what was overwritten.
type seriesAuditCmd struct {
	clientFlags
	Limit int `help:"The newest so many; 0: all." default:"100"`
}

func (c seriesAuditCmd) Run(ctx context.Context, out io.Writer) error {
	q := url.Values{"limit": {strconv.Itoa(c.Limit)}}
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/series/audit", q)
	}
	var all []store.Audit
	if err := c.get(ctx, "/api/series/audit", q, &all); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHEN\tBY\tSERIES\tPOINT\tWAS\tIS")
	for _, a := range all {
		is := auditNew(a.New)
		if a.Failed != "" {
			is = "failed: " + a.Failed
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", a.At.Local().Format(time.DateTime), a.By, a.Series, a.Slot.Format(time.RFC3339Nano), auditOld(a.Old), is)
	}
	return w.Flush()
}

func auditNew(v *float64) string {
	if v == nil {
		return "unknown"
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}

// auditOld writes a row as it was: its value, or what is known of its samples.
func auditOld(r *store.AuditRow) string {
	switch {
	case r == nil:
		return "unknown"
	case r.Count == 1:
		return auditNew(&r.Last)
	}
	return fmt.Sprintf("%d samples from %s to %s, last %s, sum %s", r.Count, auditNew(&r.Min), auditNew(&r.Max), auditNew(&r.Last), auditNew(&r.Sum))
}

// mountCorrections mounts what the two commands ask.
func (s *server) mountCorrections(handle, command func(pattern string, h http.Handler)) {
	handle("GET /api/series/audit", answer(s.seriesAudit))
	command("POST /api/series/correct", answer(s.seriesCorrect))
}

func (s *server) seriesAudit(_ *http.Request, q url.Values) (any, error) {
	limit, err := limitOf(q)
	if err != nil {
		return nil, err
	}
	all, err := s.stores.metrics.Audits(limit)
	if all == nil {
		all = []store.Audit{}
	}
	return all, err
}

func (s *server) seriesCorrect(r *http.Request, q url.Values) (any, error) {
	key, err := keyOf(q.Get("key"))
	if err != nil {
		return nil, err
	}
	at, err := syslogd.ParseTime(q.Get("time"), time.Now())
	if err != nil {
		return nil, err
	}
	value := math.NaN()
	if text := q.Get("value"); text != "U" {
		if value, err = strconv.ParseFloat(text, 64); err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
			return nil, fmt.Errorf("value %q: want a number, or U for unknown", text)
		}
	}
	return s.stores.metrics.Overwrite(r.Context(), store.Overwrite{Key: key, Time: rrd.At(at), Value: value, By: asker(r, q.Get("by"))})
}

// asker is who sends a command: the name that the command line gave, which is
// not proven, and where it came from.
func asker(r *http.Request, name string) string {
	from := r.RemoteAddr
	if from == "" || from == "@" {
		from = "rondo.sock"
	}
	if name == "" {
		return from
	}
	return name[:min(len(name), 64)] + " (" + from + ")"
}
