package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"rondo/alerts"
)

// matchFlags say what a command is about, and who says so.
type matchFlags struct {
	Matchers []string `arg:"" name:"matcher" help:"What problems must match, all of these: alertname=load, host=~\"web-.*\"."`
	By       string   `help:"Who says so; default: the user." placeholder:"NAME"`
	Comment  string   `help:"Why, for those who see it." short:"m"`
}

func (c matchFlags) values() url.Values {
	q := url.Values{"matcher": c.Matchers, "by": {c.By}, "comment": {c.Comment}}
	if u, err := user.Current(); c.By == "" && err == nil {
		q.Set("by", u.Username)
	}
	return q
}

type alertAckCmd struct {
	clientFlags
	matchFlags
	Sticky bool `help:"Until the problem is over, not only until its status changes."`
	Expire span `help:"End it after this long in any case." placeholder:"DURATION"`
}

func (alertAckCmd) Help() string {
	return `Examples:
  rondo alert ack alertname=disk host=db-1 -m "vendor is on it"
  rondo alert ack --sticky --expire 2h 'host=~"web-.*"'`
}

func (c alertAckCmd) Run(ctx context.Context, out io.Writer) error {
	q := c.values()
	q.Set("sticky", fmt.Sprint(c.Sticky))
	if c.Expire != 0 {
		q.Set("for", time.Duration(c.Expire).String())
	}
	var done struct{ Acknowledged int }
	if err := c.post(ctx, "/api/alerts/ack", q, &done); err != nil {
		return err
	}
	fmt.Fprintf(out, "acknowledged: %d\n", done.Acknowledged)
	return nil
}

type alertUnackCmd struct {
	clientFlags
	matchFlags
}

func (c alertUnackCmd) Run(ctx context.Context, out io.Writer) error {
	var done struct{ Withdrawn int }
	if err := c.ask(ctx, http.MethodDelete, "/api/alerts/ack", c.values(), &done); err != nil {
		return err
	}
	fmt.Fprintf(out, "withdrawn: %d\n", done.Withdrawn)
	return nil
}

type alertSilenceCmd struct {
	clientFlags
	matchFlags
	For          span `help:"How long." default:"1h"`
	EndWhenClear bool `help:"End it sooner, when no problem has matched for five minutes after one did."`
	Preview      bool `help:"Only list the states that match."`
}

func (alertSilenceCmd) Help() string {
	return `Examples:
  rondo alert silence host=web-3 --for 2h -m "new disk"
  rondo alert silence --preview 'host=~"web.*"'`
}

func (c alertSilenceCmd) Run(ctx context.Context, out io.Writer) error {
	q := c.values()
	q.Set("for", time.Duration(c.For).String())
	q.Set("end_when_clear", fmt.Sprint(c.EndWhenClear))
	if c.Preview {
		return c.preview(ctx, out, q)
	}
	var s alerts.Silence
	if err := c.post(ctx, "/api/alerts/silence", q, &s); err != nil {
		return err
	}
	fmt.Fprintf(out, "silence %s until %s\n", s.ID, s.Until.Local().Format(time.DateTime))
	return nil
}

func (c alertSilenceCmd) preview(ctx context.Context, out io.Writer, q url.Values) error {
	q.Set("preview", "true")
	var answer json.RawMessage
	if err := c.post(ctx, "/api/alerts/silence", q, &answer); err != nil {
		return err
	}
	if c.Output == "json" {
		_, err := out.Write(answer)
		return err
	}
	var found struct {
		States, Problems int
		List             []stateLine
	}
	if err := json.Unmarshal(answer, &found); err != nil {
		return err
	}
	err := alertListCmd{All: true}.print(out, found.List)
	fmt.Fprintf(out, "%d states match, %d of them problems\n", found.States, found.Problems)
	return err
}

type alertSilencesCmd struct{ clientFlags }

func (c alertSilencesCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/alerts/silences", nil)
	}
	var all []alerts.Silence
	if err := c.get(ctx, "/api/alerts/silences", nil, &all); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tUNTIL\tOF\tBY\tCOMMENT")
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.ID, s.Until.Local().Format(time.DateTime), matcherList(s.Matchers), s.By, s.Comment)
	}
	return w.Flush()
}

func matcherList(ms []alerts.Matcher) string {
	var out []string
	for _, m := range ms {
		out = append(out, m.String())
	}
	return strings.Join(out, " ")
}

type alertUnsilenceCmd struct {
	clientFlags
	ID string `arg:"" help:"As rondo alert silences shows it."`
}

func (c alertUnsilenceCmd) Run(ctx context.Context) error {
	return c.end(ctx, "/api/alerts/silence", c.ID)
}

// end ends what has an ID.
func (c clientFlags) end(ctx context.Context, path, id string) error {
	body, err := c.do(ctx, http.MethodDelete, path, url.Values{"id": {id}})
	if err != nil {
		return err
	}
	return body.Close()
}

type alertDowntimeCmd struct {
	Add    downtimeAddCmd    `cmd:"" help:"Plan a downtime."`
	List   downtimeListCmd   `cmd:"" help:"List downtimes in force and to come."`
	Remove downtimeRemoveCmd `cmd:"" help:"End a downtime early, or take it back."`
}

type downtimeAddCmd struct {
	clientFlags
	matchFlags
	Name          string   `help:"A name for people, and for --triggered-by."`
	Start         string   `help:"When it begins: RFC 3339; default: now." placeholder:"TIME"`
	End           string   `help:"When it ends: RFC 3339." placeholder:"TIME"`
	For           span     `help:"How long from now, instead of --end." placeholder:"DURATION"`
	Duration      span     `help:"Flexible: begin at the first problem from start to end, and last this long." placeholder:"DURATION"`
	Weekday       []string `help:"Recurring: on these days, such as saturday or monday:friday." placeholder:"DAY"`
	DayOfMonth    []string `help:"Recurring: on these days of the month, such as 1:7, or -1 for the last." placeholder:"DAY"`
	From          string   `help:"Recurring: from this time of day." placeholder:"HH:MM"`
	To            string   `help:"Recurring: to this time of day, of the next day where it is not later." placeholder:"HH:MM"`
	Location      string   `help:"Recurring: in this time zone; default: UTC." placeholder:"ZONE"`
	TriggeredBy   string   `help:"Be in force while another downtime is, or for --duration from when it begins." placeholder:"ID"`
	PausesScaling bool     `help:"Pause autoscaling of groups that match."`
}

func (downtimeAddCmd) Help() string {
	return `Examples:
  rondo alert downtime add host=db-1 --for 2h -m "new kernel"
  rondo alert downtime add host=db-1 --end 2026-01-03T06:00:00Z --duration 20m
  rondo alert downtime add 'host=~"db-.*"' --weekday sunday --from 02:00 --to 04:00 --location Europe/Berlin`
}

func (c downtimeAddCmd) Run(ctx context.Context, out io.Writer) error {
	q := c.values()
	q["weekday"], q["day_of_month"] = c.Weekday, c.DayOfMonth
	for name, text := range map[string]string{
		"name": c.Name, "start": c.Start, "end": c.End, "from": c.From, "to": c.To, "location": c.Location, "triggered_by": c.TriggeredBy,
	} {
		q.Set(name, text)
	}
	for name, d := range map[string]span{"for": c.For, "duration": c.Duration} {
		if d != 0 {
			q.Set(name, time.Duration(d).String())
		}
	}
	if c.PausesScaling {
		q.Set("pauses_scaling", "true")
	}
	var d alerts.Downtime
	if err := c.post(ctx, "/api/alerts/downtime", q, &d); err != nil {
		return err
	}
	fmt.Fprintf(out, "downtime %s: %s\n", d.ID, when(d))
	return nil
}

// when says in words when a downtime is in force.
func when(d alerts.Downtime) string {
	var s string
	switch {
	case d.TriggeredBy != "":
		s = "with " + d.TriggeredBy
	case d.Recurring != nil:
		s = d.Recurring.String()
	default:
		s = d.End.Local().Format(time.DateTime)
		if !d.Start.IsZero() {
			s = d.Start.Local().Format(time.DateTime) + " to " + s
		}
	}
	if d.Duration > 0 {
		s = d.Duration.String() + " within " + s
	}
	return s
}

type downtimeListCmd struct{ clientFlags }

// A downtimeLine is one downtime as the server writes it.
type downtimeLine struct {
	alerts.Downtime
	standing
}

// A standing is how a downtime stands.
type standing struct {
	InForce bool      `json:"in_force"`
	Until   time.Time `json:"until"`
	Next    time.Time `json:"next"`
}

// UnmarshalJSON decodes both parts from one object.
func (l *downtimeLine) UnmarshalJSON(b []byte) error {
	return errors.Join(json.Unmarshal(b, &l.Downtime), json.Unmarshal(b, &l.standing))
}

func (c downtimeListCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/alerts/downtimes", nil)
	}
	var all []downtimeLine
	if err := c.get(ctx, "/api/alerts/downtimes", nil, &all); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tIN FORCE\tWHEN\tOF\tBY\tCOMMENT")
	for _, d := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.ID, d.Name, d.words(), when(d.Downtime), matcherList(d.Matchers), d.By, d.Comment)
	}
	return w.Flush()
}

func (s standing) words() string {
	switch {
	case s.InForce:
		return "until " + s.Until.Local().Format(time.DateTime)
	case !s.Next.IsZero():
		return "from " + s.Next.Local().Format(time.DateTime)
	}
	return "no"
}

type downtimeRemoveCmd struct {
	clientFlags
	ID string `arg:"" help:"Its ID or name, as rondo alert downtime list shows them."`
}

func (c downtimeRemoveCmd) Run(ctx context.Context) error {
	return c.end(ctx, "/api/alerts/downtime", c.ID)
}
