package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"rondo/rrd"
	"rondo/rrd/store"
	"rondo/syslogd"
)

// queryCmd asks a running server in PromQL.
type queryCmd struct {
	clientFlags
	Expr string `arg:"" help:"PromQL expression."`
	From string `help:"Start of a range: -1h, RFC 3339, epoch seconds, or as RRDtool has it (end-1d, 'noon yesterday'). Without it one instant is asked."`
	To   string `help:"End of the range, or the instant." default:"now"`
	Step span   `help:"Distance of the points of a range, such as 5m or 1d; 0 takes a hundredth of it."`
}

// A span is a duration that may also be in days, weeks and years.
type span time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *span) UnmarshalText(text []byte) error {
	d, err := store.ParseSpan(string(text))
	if err != nil {
		d, err = time.ParseDuration(string(text))
	}
	*s = span(d)
	return err
}

func (queryCmd) Help() string {
	return `Examples:
  rondo query 'load1'
  rondo query 'avg({__name__=~"fleet[.]web[.].*[.]run_queue"})'
  rondo query 'rate(net_received_bytes[5m])' --from=-1h --step=1m -o json`
}

func (c queryCmd) Run(ctx context.Context, out io.Writer) error {
	now := time.Now()
	from, to, err := parseRange(c.From, c.To, now)
	if err != nil {
		return err
	}
	path, q := "/api/v1/query", url.Values{"query": {c.Expr}, "time": {epoch(to)}}
	if c.From != "" {
		step := time.Duration(c.Step)
		if step <= 0 {
			step = max(to.Sub(from)/100, time.Second)
		}
		path = "/api/v1/query_range"
		q = url.Values{"query": {c.Expr}, "start": {epoch(from)}, "end": {epoch(to)}, "step": {fmt.Sprint(step.Seconds())}}
	}
	if c.Output == "json" {
		return c.copyTo(ctx, out, path, q)
	}
	var answer promAnswer
	if err := c.get(ctx, path, q, &answer); err != nil {
		return err
	}
	return answer.print(out)
}

// parseRange reads the two ends of a range, of which the first may be empty.
// What is not a time as everywhere else may be one of RRDtool's, where the ends
// may be relative to each other.
func parseRange(from, to string, now time.Time) (start, end time.Time, err error) {
	start, err = syslogd.ParseTime(from, now)
	if err == nil {
		end, err = syslogd.ParseTime(to, now)
	}
	if err == nil {
		return start, end, nil
	}
	first := cmp.Or(from, "end-1d") // as with RRDtool
	s, e, atErr := rrd.ParseTimeRange(first, to, now)
	if atErr != nil {
		return start, end, fmt.Errorf("%w; nor is it one of RRDtool's: %w", err, atErr)
	}
	return s.Std(), e.Std(), nil
}

func epoch(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// promAnswer is Prometheus' answer to a query.
type promAnswer struct {
	Warnings []string
	Infos    []string
	Data     struct {
		ResultType string
		Result     json.RawMessage
	}
}

type promSeries struct {
	Metric map[string]string
	Value  promPoint
	Values []promPoint
}

// A promPoint is [seconds, "value"].
type promPoint struct {
	at    time.Time
	value string
}

func (p *promPoint) UnmarshalJSON(b []byte) error {
	var pair [2]any
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	sec, _ := pair[0].(float64)
	p.at = time.UnixMilli(int64(sec * 1000))
	p.value = fmt.Sprint(pair[1])
	return nil
}

func (a promAnswer) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	switch a.Data.ResultType {
	case "scalar", "string":
		var p promPoint
		if err := json.Unmarshal(a.Data.Result, &p); err != nil {
			return err
		}
		fmt.Fprintln(w, p.value)
	default:
		var series []promSeries
		if err := json.Unmarshal(a.Data.Result, &series); err != nil {
			return err
		}
		if len(series) == 0 {
			fmt.Fprintln(w, "# no series has a value there")
		}
		for _, s := range series {
			s.print(w)
		}
	}
	for _, note := range slices.Concat(a.Warnings, a.Infos) {
		fmt.Fprintln(w, "#", note)
	}
	return w.Flush()
}

func (s promSeries) print(w io.Writer) {
	name := seriesName(s.Metric)
	if s.Values == nil {
		fmt.Fprintf(w, "%s\t%s\n", name, s.Value.value)
		return
	}
	fmt.Fprintln(w, name)
	for _, p := range s.Values {
		fmt.Fprintf(w, "  %s\t%s\n", p.at.Format(time.RFC3339), p.value)
	}
}

func seriesName(metric map[string]string) string {
	var b strings.Builder
	b.WriteString(metric["__name__"])
	sep := "{"
	for _, k := range slices.Sorted(maps.Keys(metric)) {
		if k != "__name__" {
			fmt.Fprintf(&b, "%s%s=%q", sep, k, metric[k])
			sep = ","
		}
	}
	if sep == "," {
		b.WriteString("}")
	}
	if b.Len() == 0 {
		return "{}"
	}
	return b.String()
}
