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
	"text/tabwriter"
	"time"

	"rondo/syslogd/stage"
	"rondo/syslogd/syslog"
)

// logsStagesCmd is a dry run of syslogd.stages. It talks to no server.
type logsStagesCmd struct {
	File   string `arg:"" optional:"" help:"Lines as they are received; without it, or as -, standard input."`
	Config string `help:"Configuration file." type:"path" default:"rondo.yml"`
}

func (logsStagesCmd) Help() string {
	return `Examples:
  rondo logs stages --config=/etc/rondo/rondo.yml /var/log/syslog
  logger --stderr --no-act -p local0.info 'user=7 password=x' 2>&1 | rondo logs stages

Behind < is a line as received, behind > what would be stored or sent on.
Between them stands what each stage changed, or that it dropped the message.
What stages have counted is said at the end, as at a stop. Nothing is sent
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
	pipe, err := stage.New(conf.Syslogd.Server.Stages)
	if err != nil {
		return err
	}
	if len(conf.Syslogd.Server.Stages) == 0 {
		return fmt.Errorf("%s has no syslogd.stages", c.Config)
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
	buffered := bufio.NewWriter(out)
	p := stagesPrinter{out: buffered}
	for ctx.Err() == nil && lines.Scan() {
		p.line(pipe, lines.Text())
	}
	p.end(pipe)
	return errors.Join(lines.Err(), buffered.Flush())
}

// A stagesPrinter writes to a buffer, which keeps its first error.
type stagesPrinter struct{ out io.Writer }

func (p stagesPrinter) line(pipe *stage.Pipe, line string) {
	fmt.Fprintln(p.out, "<", line)
	now := time.Now()
	out, steps := pipe.Trace(now, syslog.Parse(line, now, netip.Addr{}))
	for _, s := range steps {
		p.step(s)
	}
	p.made(out)
}

// made prints what comes out, in the form that says all.
func (p stagesPrinter) made(out []syslog.Message) {
	for i := range out {
		fmt.Fprintf(p.out, "> %s\n", syslog.AppendRFC5424(nil, &out[i]))
	}
}

func (p stagesPrinter) step(s stage.Step) {
	say := func(what string) { fmt.Fprintf(p.out, "  %-14s %s\n", s.Stage, what) }
	if s.Dropped != "" {
		say("dropped: " + string(s.Dropped))
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
			say(f.name + ": " + cmp.Or(f.after, "-"))
		}
	}
	if b.Raw != a.Raw {
		say("and the line as received")
	}
}

// end prints what is said at a stop, and the counts.
func (p stagesPrinter) end(pipe *stage.Pipe) {
	if out := pipe.Close(time.Now()); len(out) > 0 {
		fmt.Fprintln(p.out, "at the end")
		p.made(out)
	}
	table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "stage\tkind\tmatched\tchanged\tdropped\tmade")
	for _, c := range pipe.Counts() {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\n", c.Stage, c.Kind, c.Matched, c.Changed, c.Dropped, c.Made)
	}
	_ = table.Flush() // to a buffer
}
