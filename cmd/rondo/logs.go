package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd/query"
)

// logsCmd searches and follows the logs of a running server.
type logsCmd struct {
	Search  logsSearchCmd  `cmd:"" help:"Search the stored messages, or ask for counts of them."`
	Context logsContextCmd `cmd:"" help:"Show a message with what came before and after it."`
	Tail    logsTailCmd    `cmd:"" help:"Show messages as they arrive."`
	Routes  logsRoutesCmd  `cmd:"" help:"Show where messages go, and what waits for whom."`
	Stages  logsStagesCmd  `cmd:"" help:"Show what the stages of a configuration make of lines."`
	Import  logsImportCmd  `cmd:"" help:"Take back what an archive keeps, and take over other log files."`
}

const filterExamples = `Examples:
  rondo logs search 'severity<=err' --from=-1h
  rondo logs search 'host:(web* or db1) app:nginx "timed out"' --from=-2d --limit=20
  rondo logs search 'severity<=err | stats count() by host, bin(5m)'
  rondo logs search 'app:nginx | extract "status=<status> ms=<ms>" | stats p95(ms) by status'
  rondo logs search '| patterns 20' --from=-1d
  rondo logs tail 'facility:auth -app:cron'
  rondo logs search error -o json
  rondo logs search -- '-app:cron'    # what begins with - stands behind --

A word matches whole words of the text, ignoring case; "a phrase" matches
anywhere; /regex/; fields are app, host, severity, facility, pid, msgid, sd.KEY,
sender; - before a term excludes it. Pipes make rows of messages: stats, top,
patterns, uniq, sort, limit, fields, where, extract, json, logfmt.`

// A logLine is one message as the server writes it.
type logLine struct {
	Time     time.Time `json:"time"`
	Host     string    `json:"host"`
	App      string    `json:"app"`
	PID      string    `json:"pid"`
	Severity string    `json:"severity"`
	Message  string    `json:"message"`
	ID       string    `json:"id"`
	Error    string    `json:"error"` // in place of a message: the answer broke off
}

func (l logLine) print(out io.Writer) {
	app := l.App
	if l.PID != "" {
		app += "[" + l.PID + "]"
	}
	fmt.Fprintf(out, "%s %s %-7s %s: %s\n", l.Time.Local().Format("2006-01-02 15:04:05.000"), l.Host, l.Severity, app, l.Message)
}

type logsSearchCmd struct {
	clientFlags
	Query   []string `arg:"" optional:"" help:"What to look for, and pipes; nothing finds all."`
	From    string   `help:"Oldest: -1h, RFC 3339 or epoch seconds." default:"-1h"`
	To      string   `help:"Newest." default:"now"`
	Limit   int      `help:"Most messages (default 100) or rows (default 10000)."`
	Oldest  bool     `help:"Oldest first, instead of newest first."`
	IDs     bool     `name:"ids" help:"Show the IDs of messages, for rondo logs context."`
	Explain bool     `help:"Tell how the query is answered, instead of the answer."`
}

func (logsSearchCmd) Help() string { return filterExamples }

func (c logsSearchCmd) Run(ctx context.Context, out io.Writer) error {
	text := strings.Join(c.Query, " ")
	q := url.Values{"q": {text}, "from": {c.From}, "to": {c.To}}
	parsed, err := query.Parse(text)
	if err != nil {
		return pointed(text, err)
	}
	pipes := len(parsed.Pipes) > 0
	if c.Limit == 0 && !pipes {
		c.Limit = 100
	}
	if c.Limit != 0 {
		q.Set("limit", strconv.Itoa(c.Limit))
	}
	if c.Oldest {
		q.Set("order", "oldest")
	}
	switch {
	case c.Explain:
		return c.explain(ctx, out, q)
	case c.Output == "json":
		return c.copyTo(ctx, out, "/api/logs", q)
	case pipes:
		return c.rows(ctx, out, q)
	}
	return c.messages(ctx, out, q)
}

// pointed is an error with the query under it and a mark where it is.
func pointed(text string, err error) error {
	e, ok := errors.AsType[*query.SyntaxError](err)
	if !ok || strings.ContainsAny(text, "\r\n\t") || e.Offset > len(text) {
		return err
	}
	return fmt.Errorf("%w\n  %s\n  %s^", err, text, strings.Repeat(" ", len([]rune(text[:e.Offset]))))
}

func (c logsSearchCmd) messages(ctx context.Context, out io.Writer, q url.Values) error {
	body, err := c.do(ctx, http.MethodGet, "/api/logs", q)
	if err != nil {
		return err
	}
	defer body.Close()
	for dec := json.NewDecoder(body); ; {
		var l logLine
		if err := dec.Decode(&l); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("answer broke off: %w", err)
		}
		if l.Error != "" {
			return errors.New(l.Error)
		}
		if c.IDs {
			fmt.Fprint(out, l.ID, " ")
		}
		l.print(out)
	}
}

// explain prints the steps and what they did with the store's chunks.
func (c logsSearchCmd) explain(ctx context.Context, out io.Writer, q url.Values) error {
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/logs/explain", q)
	}
	var e query.Explanation
	if err := c.get(ctx, "/api/logs/explain", q, &e); err != nil {
		return err
	}
	for i, s := range e.Steps {
		fmt.Fprintf(out, "%d. %s\n", i+1, s)
	}
	for _, l := range e.Lines() {
		fmt.Fprintln(out, "   "+l)
	}
	return nil
}

type logsContextCmd struct {
	clientFlags
	ID     string `arg:"" help:"ID of a message, as search --ids and -o json show it."`
	Before int    `help:"Messages before it." default:"10"`
	After  int    `help:"Messages after it." default:"10"`
	All    bool   `help:"Of all hosts, not of its own only."`
}

func (c logsContextCmd) Run(ctx context.Context, out io.Writer) error {
	q := url.Values{"id": {c.ID}, "before": {strconv.Itoa(c.Before)}, "after": {strconv.Itoa(c.After)}}
	if c.All {
		q.Set("host", "all")
	}
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/logs/context", q)
	}
	var found struct {
		Before, After []logLine
		Message       logLine
	}
	if err := c.get(ctx, "/api/logs/context", q, &found); err != nil {
		return err
	}
	show := func(mark string, lines ...logLine) {
		for _, l := range lines {
			fmt.Fprint(out, mark)
			l.print(out)
		}
	}
	show("  ", found.Before...)
	show("> ", found.Message)
	show("  ", found.After...)
	return nil
}

type logsTailCmd struct {
	clientFlags
	Filter []string `arg:"" optional:"" help:"What to show; nothing shows all."`
}

func (logsTailCmd) Help() string { return filterExamples }

// Run follows the server's event stream until it or ctx ends.
func (c logsTailCmd) Run(ctx context.Context, out io.Writer) error {
	body, err := c.do(ctx, http.MethodGet, "/api/logs/tail", url.Values{"q": {strings.Join(c.Filter, " ")}})
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	event := ""
	for lines.Scan() {
		if e, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = e
			continue
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		switch {
		case !ok:
			if lines.Text() == "" {
				event = ""
			}
		case event == "dropped":
			fmt.Fprintf(out, "# this reader is too slow: %s\n", data)
		case c.Output == "json":
			fmt.Fprintln(out, data)
		default:
			var l logLine
			if err := json.Unmarshal([]byte(data), &l); err != nil {
				return fmt.Errorf("answer is not understood: %w", err)
			}
			l.print(out)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return lines.Err()
}
