package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// logsCmd searches and follows the logs of a running server.
type logsCmd struct {
	Search logsSearchCmd `cmd:"" help:"Search the stored messages."`
	Tail   logsTailCmd   `cmd:"" help:"Show messages as they arrive."`
}

const filterExamples = `Examples:
  rondo logs search 'severity<=err' --from=-1h
  rondo logs search 'host:web* app:nginx "timed out"' --from=-2d --limit=20
  rondo logs tail 'facility:auth -app:cron'
  rondo logs search error -o json

A word matches whole words of the text, ignoring case; "a phrase" matches
anywhere; fields are app, host, severity, facility, pid, msgid, sd.KEY, sender;
- before a term excludes it.`

// A logLine is one message as the server writes it.
type logLine struct {
	Time     time.Time `json:"time"`
	Host     string    `json:"host"`
	App      string    `json:"app"`
	PID      string    `json:"pid"`
	Severity string    `json:"severity"`
	Message  string    `json:"message"`
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
	Filter []string `arg:"" optional:"" help:"What to look for; nothing finds all."`
	From   string   `help:"Oldest: -1h, RFC 3339 or epoch seconds." default:"-1h"`
	To     string   `help:"Newest." default:"now"`
	Limit  int      `help:"Most messages." default:"100"`
	Oldest bool     `help:"Oldest first, instead of newest first."`
}

func (logsSearchCmd) Help() string { return filterExamples }

func (c logsSearchCmd) Run(ctx context.Context, out io.Writer) error {
	q := url.Values{"q": {strings.Join(c.Filter, " ")}, "from": {c.From}, "to": {c.To}, "limit": {strconv.Itoa(c.Limit)}}
	if c.Oldest {
		q.Set("order", "oldest")
	}
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/logs", q)
	}
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
		l.print(out)
	}
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
