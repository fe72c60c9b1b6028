package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/stage"
	"rondo/syslogd/syslog"
)

// logsStagesCmd is a dry run of discard, stages and routes. It talks to no
// server.
type logsStagesCmd struct {
	File   string `arg:"" optional:"" help:"Lines as they are received; without it, or as -, standard input."`
	Config string `help:"Configuration file." type:"path" default:"rondo.yml"`
}

func (logsStagesCmd) Help() string {
	return `Examples:
  rondo logs stages --config=/etc/rondo/rondo.yml /var/log/syslog
  logger --stderr --no-act -p local0.info 'user=7 password=x' 2>&1 | rondo logs stages

Behind < is a line as received, behind > what would be stored or sent on.
Between them stands what each stage changed, or that it dropped the message,
and below them which routes would take it, and what their stages change on that
way. What stages have counted is said at the end, as at a stop. Nothing is sent
anywhere.`
}

// maxStagesLine is the longest line that is read: what a listener may take.
const maxStagesLine = 8 << 20

// Run takes each line through the stages.
func (c logsStagesCmd) Run(ctx context.Context, out io.Writer) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(out)
	d, err := newDryRun(&conf.Syslogd, buffered)
	if err != nil {
		return err
	}
	if len(conf.Syslogd.Server.Stages) == 0 && len(d.routes) == 0 && d.discard == nil {
		return fmt.Errorf("%s has no syslogd.stages, no routes and no discard: messages are stored as they are", c.Config)
	}
	in := io.Reader(os.Stdin)
	if c.File != "" && c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxStagesLine)
	for ctx.Err() == nil && lines.Scan() {
		d.line(lines.Text())
	}
	d.end()
	return errors.Join(lines.Err(), buffered.Flush())
}

// A dryRun takes messages the way that a router does, and writes what becomes
// of them to a buffer, which keeps its first error.
type dryRun struct {
	out     io.Writer
	discard *filter.Filter // nil: none
	pipe    *stage.Pipe
	routes  []dryRoute
}

type dryRoute struct {
	syslogd.RouteConfig
	pipe *stage.Pipe
}

func newDryRun(conf *syslogConfig, out io.Writer) (*dryRun, error) {
	pipe, err := stage.New(conf.Server.Stages)
	if err != nil {
		return nil, err
	}
	d := &dryRun{out: out, discard: conf.Server.Discard, pipe: pipe}
	for _, r := range conf.routes() {
		pipe, err := stage.New(r.Stages)
		if err != nil {
			return nil, err
		}
		d.routes = append(d.routes, dryRoute{r, pipe})
	}
	return d, nil
}

func (d *dryRun) say(who, what string) { fmt.Fprintf(d.out, "  %-14s %s\n", who, what) }

func (d *dryRun) line(line string) {
	fmt.Fprintln(d.out, "<", line)
	now := time.Now()
	m := syslog.Parse(line, now, netip.Addr{})
	if d.discard != nil && d.discard.Root != nil && d.discard.Match(&m) {
		d.say("discard", "dropped")
		return
	}
	out, steps := d.pipe.Trace(now, m)
	d.steps("", steps)
	d.made(now, out)
}

// made prints what comes out of the stages, in the form that says all, and
// where it goes.
func (d *dryRun) made(now time.Time, out []syslog.Message) {
	for i := range out {
		fmt.Fprintf(d.out, "> %s\n", syslog.AppendRFC5424(nil, &out[i]))
		if len(d.routes) > 0 {
			d.along(now, &out[i])
		}
	}
}

// along takes a message along the routes: a destination gets it by the first
// route that leads there.
func (d *dryRun) along(now time.Time, m *syslog.Message) {
	var seen []string
	for i := range d.routes {
		r := &d.routes[i]
		if !r.Filter.Match(m) {
			continue
		}
		to := slices.DeleteFunc(slices.Clone(r.To), func(name string) bool { return slices.Contains(seen, name) })
		seen = append(seen, to...)
		if len(to) > 0 {
			out, steps := r.pipe.Trace(now, *m)
			d.steps(r.Name+"/", steps)
			d.goes(r, to, m, out)
		}
		if r.Final {
			break
		}
	}
	if len(seen) == 0 {
		d.say("routes", "none takes it")
	}
}

// goes prints where a route leads, and what goes there if its stages have
// changed it.
func (d *dryRun) goes(r *dryRoute, to []string, m *syslog.Message, out []syslog.Message) {
	for i := range out {
		as := ""
		if m == nil || out[i] != *m {
			as = ": " + string(syslog.AppendRFC5424(nil, &out[i]))
		}
		d.say(r.Name, "to "+strings.Join(to, ", ")+as)
	}
}

func (d *dryRun) steps(prefix string, steps []stage.Step) {
	for i := range steps {
		d.step(prefix+steps[i].Stage, &steps[i])
	}
}

func (d *dryRun) step(name string, s *stage.Step) {
	if s.Dropped != "" {
		d.say(name, "dropped: "+string(s.Dropped))
	}
	if !s.Changed {
		return
	}
	b, a := &s.Before, &s.After
	for _, f := range []struct{ name, before, after string }{
		{"facility", b.Facility.String(), a.Facility.String()}, {"severity", b.Severity.String(), a.Severity.String()},
		{"host", b.Host, a.Host}, {"app", b.App, a.App}, {"pid", b.PID, a.PID}, {"msgid", b.MsgID, a.MsgID},
		{"sd", b.SD, a.SD}, {"text", b.Text, a.Text},
	} {
		if f.before != f.after {
			d.say(name, f.name+": "+cmp.Or(f.after, "-"))
		}
	}
	if b.Raw != a.Raw {
		d.say(name, "and the line as received")
	}
}

// end prints what is said at a stop, and the counts.
func (d *dryRun) end() {
	now := time.Now()
	fmt.Fprintln(d.out, "at the end")
	d.made(now, d.pipe.Close(now))
	for i := range d.routes {
		r := &d.routes[i]
		d.goes(r, r.To, nil, r.pipe.Close(now))
	}
	table := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "stage\tkind\tmatched\tchanged\tdropped\tmade")
	counts(table, "", d.pipe)
	for i := range d.routes {
		counts(table, d.routes[i].Name+"/", d.routes[i].pipe)
	}
	_ = table.Flush() // to a buffer
}

func counts(out io.Writer, prefix string, p *stage.Pipe) {
	for _, c := range p.Counts() {
		fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%d\t%d\n", prefix+c.Stage, c.Kind, c.Matched, c.Changed, c.Dropped, c.Made)
	}
}
