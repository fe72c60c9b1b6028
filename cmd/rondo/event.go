package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"rondo/alerts/event"
)

// A whenArg is a time as an argument: -5m stands behind its flag, though it
// begins as flags do.
type whenArg string

// Decode implements kong.MapperValue.
func (w *whenArg) Decode(c *kong.DecodeContext) error {
	t := c.Scan.Pop()
	text, ok := t.Value.(string)
	if !ok || t.IsEOL() || strings.HasPrefix(text, "--") {
		return errors.New("want a time such as -5m")
	}
	*w = whenArg(text)
	return nil
}

// eventCmd marks graphs with what happens.
type eventCmd struct {
	Add  eventAddCmd  `cmd:"" help:"Mark the graphs: a deploy, a change, an incident."`
	List eventListCmd `cmd:"" help:"Show what happened."`
	Rm   eventRmCmd   `cmd:"" help:"Remove an event."`
}

type eventAddCmd struct {
	clientFlags
	Title string            `arg:"" help:"What happened, in a few words."`
	Tag   []string          `help:"Kind: deploy, config, incident, or any word; may be repeated."`
	Group string            `help:"The group that it is about; none: everything."`
	Host  string            `help:"The host that it is about."`
	Label map[string]string `help:"More of what it is about." placeholder:"NAME=VALUE"`
	At    whenArg           `help:"When: now, -5m, RFC 3339, epoch seconds. Default: now." placeholder:"TIME"`
	Until whenArg           `help:"To when it lasted." placeholder:"TIME"`
	Text  string            `help:"More words." short:"m"`
	Link  string            `help:"Where more is to be read." placeholder:"URL"`
	Key   string            `help:"Added again with the same key it is the same event, and what is said anew replaces."`
	By    string            `help:"Who; default: the user, and with --key whoever it was before." placeholder:"NAME"`
}

func (eventAddCmd) Help() string {
	return `Examples:
  rondo event add "deploy 1.2.3" --tag deploy --group web --link https://ci.example/42
  rondo event add "deploy 1.2.3" --tag deploy --group web --at -5m --until now
  rondo event add "deploy 1.2.4" --tag deploy --key build-43
  rondo event add "deploy 1.2.4" --key build-43 --until now
  rondo event add "core switch replaced" --tag incident -m "ports 1 to 24"

Graphs of the group, of its hosts, and those that are about no group show it.
When the command ends well it is on disk; a log line of app rondo-event follows.`
}

func (c eventAddCmd) Run(ctx context.Context, out io.Writer) error {
	who := c.By
	if who == "" && c.Key == "" { // news of what is known keeps who it was
		who = os.Getenv("USER")
	}
	body, err := json.Marshal(map[string]any{
		"title": c.Title, "text": c.Text, "at": c.At, "until": c.Until, "tags": c.Tag, "group": c.Group, "host": c.Host,
		"labels": c.Label, "who": who, "link": c.Link, "key": c.Key,
	})
	if err != nil {
		return err
	}
	client, base := c.client()
	answer, err := c.send(ctx, client, http.MethodPost, base+"/api/events", nil, bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Close()
	if c.Output == "json" {
		_, err = io.Copy(out, answer)
		return err
	}
	var e struct {
		event.Event
		Outcome event.Outcome
	}
	if err := json.NewDecoder(answer).Decode(&e); err != nil {
		return fmt.Errorf("answer is not understood: %w", err)
	}
	fmt.Fprintf(out, "%s: %s %s\n", e.ID, e.Outcome, spanText(e.Event))
	return nil
}

// spanText is when an event happened.
func spanText(e event.Event) string {
	s := e.At.Local().Format(time.DateTime)
	if !e.End.IsZero() {
		s += " to " + e.End.Local().Format(time.DateTime)
	}
	return s
}

type eventListCmd struct {
	clientFlags
	Query []string `arg:"" optional:"" help:"Words that must stand in them; also tag:deploy, group:web, who:ann."`
	From  whenArg  `help:"Oldest." default:"-7d"`
	To    whenArg  `help:"Newest." default:"now"`
	Tag   []string `help:"With this tag; may be repeated."`
	Group string   `help:"About this group."`
	Host  string   `help:"About this host."`
	Limit int      `help:"Most." default:"100"`
}

func (eventListCmd) Help() string {
	return `Examples:
  rondo event list
  rondo event list --tag deploy --group web --from -90d
  rondo event list 1.2.3 who:ann -o json`
}

func (c eventListCmd) Run(ctx context.Context, out io.Writer) error {
	q := url.Values{"from": {string(c.From)}, "to": {string(c.To)}, "tag": c.Tag, "q": {strings.Join(c.Query, " ")}, "limit": {strconv.Itoa(c.Limit)}}
	for name, v := range map[string]string{"group": c.Group, "host": c.Host} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/events", q)
	}
	var all []event.Event
	if err := c.get(ctx, "/api/events", q, &all); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tWHEN\tTAGS\tABOUT\tWHAT\tWHO")
	for _, e := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, spanText(e), dash(strings.Join(e.Tags, ",")), dash(aboutText(e)), e.Title, dash(e.Who))
	}
	return w.Flush()
}

// aboutText is the group and host that an event is about.
func aboutText(e event.Event) string {
	return strings.Trim(e.Labels["group"]+"/"+e.Labels["host"], "/")
}

// dash stands in a table where there is nothing to say.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type eventRmCmd struct {
	clientFlags
	IDs []string `arg:"" name:"id" help:"As rondo event list shows them."`
}

func (eventRmCmd) Help() string {
	return `Examples:
  rondo event rm 0c2f91d37aa40`
}

func (c eventRmCmd) Run(ctx context.Context, out io.Writer) error {
	for _, id := range c.IDs {
		var said event.Answer
		if err := c.ask(ctx, http.MethodDelete, "/api/events/"+url.PathEscape(id), url.Values{"by": {os.Getenv("USER")}}, &said); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %s\n", said.ID, said.Outcome)
	}
	return nil
}
