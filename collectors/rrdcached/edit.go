package rrdcached

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"rondo/rrd"
)

// A flushed is what a connection has flushed last. A FORGET of it may tell of an
// edit of its file.
type flushed struct {
	set string // "": none, or the client does not see our files
	def rrd.SetDefinition
}

// forget drops nothing: there is no cache that could hold something else than
// the set. But rrdtool tune sends FLUSH, changes the file, and sends FORGET: what
// it has changed is taken over. Where it cannot be, the reply says so, which rrdtool
// keeps to itself, and the log.
func (c *session) forget(p place) error {
	if _, _, err := c.env.Sets.DescribeSet(p.name()); err != nil {
		return c.fail("No such file or directory")
	}
	if c.flushed.set != p.name() {
		return c.reply(0, "Gone!")
	}
	changed, err := c.takeEdit(p)
	if err != nil {
		c.env.Stats.Add("edits_refused", 1)
		c.failed.Warn(c.env.Log, "an edited file is not taken over", "file", p.String(), "err", err)
		return c.fail("RRD Error: what was changed in '%s' is not taken over: %s", p, err)
	}
	if changed {
		c.env.Stats.Add("edits_taken_over", 1)
		c.env.Log.Info("an edited file is taken over", "file", p.String(), "set", p.name())
	}
	return c.reply(0, "Gone!")
}

// takeEdit changes a set as its file was changed since its FLUSH. Updates that
// came meanwhile stay: only the definition is changed.
func (c *session) takeEdit(p place) (changed bool, err error) {
	image, err := c.readFile(c.ctx, p)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // removed: clients do so, and the set stays
	}
	if err != nil {
		return false, err
	}
	e, err := editOf(&c.flushed.def, &image.Definition)
	if err != nil || e.Empty() {
		return false, err
	}
	if len(e.Rename) > 0 {
		if err := c.sameHistory(p, image); err != nil {
			return false, err
		}
	}
	if err := c.env.Sets.EditSet(c.ctx, p.name(), e); err != nil {
		return false, err
	}
	c.flushed.def = image.Definition
	return true, nil
}

// sameHistory tells a data source that has a new name from one that was removed
// and another added in its place, whose history is unknown.
func (c *session) sameHistory(p place, file *rrd.SetImage) error {
	set, err := c.env.Sets.ExportSet(c.ctx, p.name())
	if err != nil {
		return err
	}
	if set.State.Last != file.State.Last {
		return errors.New("data sources have other names, and updates came meanwhile")
	}
	if len(set.Rings) != len(file.Rings) {
		return errStructure
	}
	same := func(a, b float64) bool { return a == b || a != a && b != b }
	for a := range set.Rings {
		if len(set.Rings[a]) == len(file.Rings[a]) && !slices.EqualFunc(set.Rings[a], file.Rings[a], same) {
			return errStructure
		}
	}
	return nil
}

var errStructure = errors.New("only names, heartbeats and limits are")

// editOf returns what makes another definition of one: names, heartbeats and
// limits. It is errStructure where that is not all.
func editOf(was, is *rrd.SetDefinition) (*rrd.SetEdit, error) {
	e := &rrd.SetEdit{}
	if len(was.Sources) != len(is.Sources) {
		return nil, errStructure
	}
	for i, to := range is.Sources {
		from := was.Sources[i]
		if from.Name != to.Name {
			e.Rename = append(e.Rename, from.Name+"="+to.Name)
		}
		if from.Heartbeat != to.Heartbeat {
			e.Heartbeat = append(e.Heartbeat, fmt.Sprintf("%s:%d", to.Name, int64(to.Heartbeat.Seconds())))
		}
		if limit(from.Min) != limit(to.Min) {
			e.Min = append(e.Min, to.Name+":"+limit(to.Min))
		}
		if limit(from.Max) != limit(to.Max) {
			e.Max = append(e.Max, to.Name+":"+limit(to.Max))
		}
	}
	plan, _, err := e.Plan(*was)
	if err != nil {
		return nil, err
	}
	if plan.Definition.Step != is.Step || !slices.Equal(plan.Definition.Arguments(), is.Arguments()) {
		return nil, errStructure
	}
	return e, nil
}

// limit is a limit as rrdtune has it.
func limit(v float64) string {
	if v != v {
		return "U"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
