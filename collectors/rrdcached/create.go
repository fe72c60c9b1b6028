package rrdcached

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdfile"
)

// errUsage is a CREATE that is not understood.
var errUsage = errors.New("usage")

// A creation is what a CREATE asks for.
type creation struct {
	start    rrd.Time
	replace  bool
	step     time.Duration // 0: the template's, or 300 s
	template string        // a file whose step, data sources and archives come first
	args     []string      // DS... RRA...
}

// create answers CREATE <filename> [-s step] [-b start] [-O] [-t template] DS... RRA...
func (c *session) create(args []string) error {
	if len(args) == 0 {
		return c.usage("CREATE")
	}
	p, err := c.bases.locate(args[0])
	if err != nil {
		return c.refuse(err)
	}
	want, err := parseCreation(args[1:], time.Now())
	switch {
	case errors.Is(err, errUsage):
		return c.usage("CREATE")
	case err != nil:
		return c.fail("%s", err)
	}
	def, err := c.definition(&want)
	if err != nil {
		return c.fail("RRD Error: %s", err)
	}
	err = c.env.Sets.CreateSet(c.ctx, p.name(), def, want.start, want.replace && !c.conf.NoOverwrite)
	switch {
	case errors.Is(err, rrd.ErrSetExists):
		return c.fail("RRD Error: creating '%s': File exists", p)
	case err != nil:
		return c.fail("RRD Error: creating '%s': %s", p, err)
	}
	c.env.Stats.Add("sets_created", 1)
	if err := c.writeFile(p, func() bool { return false }); err != nil {
		return c.fail("RRD Error: creating '%s': %s", p, err)
	}
	return c.reply(0, "RRD created OK")
}

// definition is what is to be made.
func (c *session) definition(want *creation) (rrd.SetDefinition, error) {
	step, args := want.step, want.args
	if want.template != "" {
		from, err := c.bases.locate(want.template)
		if err != nil {
			return rrd.SetDefinition{}, err
		}
		d, _, err := c.describe(from)
		if err != nil {
			return rrd.SetDefinition{}, fmt.Errorf("Cannot open template RRD %s", want.template)
		}
		if step == 0 {
			step = d.Step
		}
		args = slices.Concat(d.Arguments(), args)
	}
	if step == 0 {
		step = 300 * time.Second
	}
	return rrd.ParseSetDefinition(step, args)
}

// parseCreation reads the options. Without a start the set begins ten seconds
// ago, as rrdcreate has it.
func parseCreation(args []string, now time.Time) (creation, error) {
	want := creation{start: rrd.Time(now.Unix()-10) * rrd.Second, replace: true}
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		option := args[0]
		args = args[1:]
		if option == "-O" {
			want.replace = false
			continue
		}
		if len(args) == 0 {
			return want, errUsage
		}
		if err := want.option(option, args[0]); err != nil {
			return want, err
		}
		args = args[1:]
	}
	want.args = args
	return want, nil
}

func (want *creation) option(option, value string) error {
	const earliest = 315360000 // 1980
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case option == "-t":
		want.template = value
	case option == "-r":
		return errors.New("RRD Error: -r is not supported: create the set and import its history")
	case option == "-s" && (err != nil || n < 0 || n > maxSeconds):
		return fmt.Errorf("RRD Error: step size: %s is no number of seconds", value)
	case option == "-s":
		want.step = time.Duration(n) * time.Second // rrdtool create sends 0 where none is given
	case option == "-b" && (err != nil || n < earliest || n > maxSeconds):
		return errors.New("The first entry must be after 1980.")
	case option == "-b":
		want.start = rrd.Time(n) * rrd.Second
	default:
		return errUsage
	}
	return nil
}

// info answers INFO with what rrdtool info says of the file.
func (c *session) info(p place) error {
	d, st, err := c.describe(p)
	if err != nil {
		return c.fail("RRD Error: %s", err)
	}
	lines := rrdfile.AppendInfo(nil, p.String(), &d, &st)
	if err := c.reply(len(lines), fmt.Sprintf("Info for %s follows", p)); err != nil {
		return err
	}
	for _, l := range lines {
		c.out = fmt.Appendf(c.out, "%s %d %s\n", l.Key, l.Kind, l.Text)
	}
	return nil
}
