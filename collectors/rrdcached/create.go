package rrdcached

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdfile"
)

// errUsage is a CREATE that is not understood.
var errUsage = errors.New("usage")

// A creation is what a CREATE asks for.
type creation struct {
	start   rrd.Time
	replace bool
	def     rrd.SetDefinition
}

// create answers CREATE <filename> [-s step] [-b start] [-O] DS... RRA...
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
	err = c.env.Sets.CreateSet(c.ctx, p.name(), want.def, want.start, want.replace && !c.conf.NoOverwrite)
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

// parseCreation reads the options and definitions. Without a start the set
// begins ten seconds ago, with a step of 300 s, as rrdcreate has it.
func parseCreation(args []string, now time.Time) (creation, error) {
	const earliest = 315360000 // 1980
	want := creation{start: rrd.Time(now.Unix()-10) * rrd.Second, replace: true}
	step := int64(300)
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
		value := args[0]
		args = args[1:]
		n, err := strconv.ParseInt(value, 10, 64)
		switch {
		case option == "-r" || option == "-t":
			return want, errors.New("RRD Error: -r and -t are not supported: create the set and import its history")
		case option == "-s" && (err != nil || n < 0 || n > maxSeconds):
			return want, fmt.Errorf("RRD Error: step size: %s is no number of seconds", value)
		case option == "-s" && n == 0:
			// rrdtool create sends it where no step is given.
		case option == "-s":
			step = n
		case option == "-b" && (err != nil || n < earliest || n > maxSeconds):
			return want, errors.New("The first entry must be after 1980.")
		case option == "-b":
			want.start = rrd.Time(n) * rrd.Second
		default:
			return want, errUsage
		}
	}
	var err error
	if want.def, err = rrd.ParseSetDefinition(time.Duration(step)*time.Second, args); err != nil {
		return want, fmt.Errorf("RRD Error: %w", err)
	}
	return want, nil
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
