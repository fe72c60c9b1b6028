package rrdcached

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"rondo/rrd"
)

// command handles a line. Updates are gathered; whatever looks at the store
// waits until they are on disk, so that it sees them.
func (c *session) command(line string) error {
	word, args := field(line)
	if strings.EqualFold(word, "UPDATE") {
		return c.update(args)
	}
	name := strings.ToUpper(word)
	if c.batch > 0 && !inBatch(name) {
		if slices.Contains(commands, name) {
			return c.fail("Can't use '%s' here.", name)
		}
		return c.fail("Unknown command: %s", word)
	}
	switch name {
	case "PING":
		return c.reply(0, "PONG")
	case "BATCH":
		err := c.reply(0, "Go ahead.  End with dot '.' on its own line.")
		c.batch = 1
		return err
	case ".":
		return c.endBatch()
	case "QUIT":
		return errors.Join(c.settle(), errQuit)
	case "HELP":
		return c.help(args)
	case "QUEUE":
		return c.reply(0, "in queue.")
	case "FLUSHALL":
		return c.reply(0, "Started flush.")
	}
	if !slices.Contains(commands, name) {
		return c.fail("Unknown command: %s", word)
	}
	if err := c.settle(); err != nil {
		return err
	}
	return c.afterUpdates(name, args)
}

// afterUpdates handles the commands that see what the updates before them did.
func (c *session) afterUpdates(name, args string) error {
	switch name {
	case "STATS":
		return c.stats()
	case "SUSPENDALL":
		return c.reply(0, fmt.Sprintf("%d rrds suspend", c.suspended.setAll(true, c.sets())))
	case "RESUMEALL":
		return c.reply(0, fmt.Sprintf("%d rrds resumed", c.suspended.setAll(false, c.sets())))
	case "LIST":
		return c.list(args)
	case "CREATE":
		return c.create(fields(args))
	case "WROTE":
		return c.fail("Can't use 'WROTE' here.")
	}
	file, rest := field(args)
	if file == "" {
		return c.usage(name)
	}
	p, err := c.bases.locate(file)
	if err != nil {
		return c.refuse(err)
	}
	switch name {
	case "FLUSH":
		return c.flush(p)
	case "FORGET":
		return c.forget(p)
	case "PENDING":
		return c.reply(0, "updates pending")
	case "LAST":
		return c.last(p)
	case "FIRST":
		return c.first(p, rest)
	case "INFO":
		return c.info(p)
	case "SUSPEND", "RESUME":
		return c.suspend(p, name == "SUSPEND")
	default:
		return c.fetch(p, rest, name == "FETCHBIN")
	}
}

// commands are all words that are understood.
var commands = []string{
	"UPDATE", "FLUSH", "FLUSHALL", "PENDING", "FORGET", "QUEUE", "STATS", "HELP", "PING", "BATCH", ".", "FETCH", "FETCHBIN",
	"INFO", "FIRST", "LAST", "CREATE", "LIST", "SUSPEND", "RESUME", "SUSPENDALL", "RESUMEALL", "QUIT", "WROTE",
}

// inBatch says whether a command may stand in a BATCH.
func inBatch(name string) bool {
	switch name {
	case "FLUSH", "FORGET", "CREATE", "SUSPEND", "RESUME", "SUSPENDALL", "RESUMEALL", "QUIT", ".":
		return true
	}
	return false
}

func (c *session) endBatch() error {
	if c.batch == 0 {
		return c.fail("Can't use '.' here.")
	}
	c.batch = 0
	return c.say(answer{end: true})
}

// refuse answers with the error of a file that is in no base, and logs it: it
// has the line to add to the configuration.
func (c *session) refuse(err error) error {
	if d, ok := errors.AsType[denied](err); ok {
		c.env.Stats.Add("denied_file", 1)
		c.Collector.denied.Warn(c.env.Log, "file is outside of the base directories", "err", d.Error())
	}
	return c.fail("%s", err)
}

// describe finds a set. A .rrd that is not yet known is taken over, so that
// reading it works as updating it does. Its error is one of rrdtool's.
func (c *session) describe(p place) (rrd.SetDefinition, rrd.SetState, error) {
	d, st, err := c.env.Sets.DescribeSet(p.name())
	if !errors.Is(err, rrd.ErrNoSet) {
		return d, st, err
	}
	err = c.takeOver(c.ctx, p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d, st, noFile(p)
	case err != nil:
		return d, st, err
	}
	return c.env.Sets.DescribeSet(p.name())
}

func noFile(p place) error { return fmt.Errorf("opening '%s': No such file or directory", p) }

func (c *session) known(p place) bool {
	_, _, err := c.describe(p)
	return err == nil
}

func (c *session) last(p place) error {
	_, st, err := c.describe(p)
	if err != nil {
		return c.fail("RRD Error: %s", err)
	}
	return c.reply(0, fmt.Sprint(int64(st.Last/rrd.Second)))
}

// first answers with the end of the oldest row that an archive's ring has room
// for, as rrdtool first does.
func (c *session) first(p place, args string) error {
	index, _ := field(args)
	if index == "" {
		return c.usage("FIRST")
	}
	d, st, err := c.describe(p)
	if err != nil {
		return c.fail("RRD Error: %s", err)
	}
	n := leadingInt(index)
	if n < 0 {
		return c.fail("Invalid index specified (%d)", n)
	}
	if n >= len(d.Archives) {
		return c.fail("RRD Error: invalid rraindex number")
	}
	row := rrd.Time(d.Step.Microseconds()) * rrd.Time(d.Archives[n].Steps)
	oldest := st.Last - st.Last%row - row*rrd.Time(d.Archives[n].Rows-1)
	return c.reply(0, fmt.Sprint(int64(oldest/rrd.Second)))
}

// leadingInt is C's atoi: what is no number is 0.
func leadingInt(text string) (n int) {
	var rest string
	if _, err := fmt.Sscanf(text, "%d%s", &n, &rest); err != nil && rest != "" {
		return 0
	}
	return n
}
