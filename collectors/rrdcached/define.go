package rrdcached

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/rrd"
	"rondo/rrd/rrdfile"
)

// definers is how many sets a commit defines at the same time, so that they
// share the waits for the disk.
const definers = 32

// maxReading bounds the bytes of the files that are read at the same time. One
// that is larger is read alone.
const maxReading = 256 << 20

// defineAll makes the sets that the updates at those indexes want, each once.
// It returns the errors by name of the set.
func (c *session) defineAll(updates []int) map[string]error {
	var mu sync.Mutex
	failed := map[string]error{}
	seen := map[string]bool{}
	var g errgroup.Group
	g.SetLimit(definers)
	for _, i := range updates {
		u := &c.updates[i]
		if seen[u.Name] {
			continue
		}
		seen[u.Name] = true
		g.Go(func() error {
			if err := c.define(c.files[i], u); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed[u.Name] = err
			}
			return nil
		})
	}
	_ = g.Wait()
	return failed
}

// define takes over the .rrd where there is one, or makes the set by the first
// schema that matches. Its error is a reply.
func (c *session) define(file string, u *rrd.SetUpdate) error {
	p, err := c.bases.locate(file)
	if err != nil {
		return err
	}
	err = c.takeOver(c.ctx, p)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !c.conf.Create {
		return fmt.Errorf("No such file: %s", p)
	}
	d := fromSchema(c.env.Sets.Schema(u.Name), len(u.Texts))
	start := u.Time.Add(-d.Step)
	err = c.env.Sets.CreateSet(c.ctx, u.Name, d, start, false)
	switch {
	case err == nil:
		c.env.Stats.Add("sets_created", 1)
	case errors.Is(err, rrd.ErrSetExists): // somebody else was first
		return nil
	}
	return err
}

// takeOver imports the .rrd at p, once: fs.ErrNotExist where there is none.
func (s *Collector) takeOver(ctx context.Context, p place) error {
	image, err := s.readFile(ctx, p)
	if err != nil {
		return err
	}
	err = s.env.Sets.ImportSet(ctx, p.name(), image, false)
	switch {
	case err == nil:
		s.env.Stats.Add("sets_taken_over", 1)
		s.env.Log.Debug("file is taken over", "file", p.String(), "set", p.name())
	case errors.Is(err, rrd.ErrSetExists): // somebody else was first
		return nil
	}
	return err
}

// readFile reads the .rrd at p: fs.ErrNotExist where there is none.
func (s *Collector) readFile(ctx context.Context, p place) (*rrd.SetImage, error) {
	f, err := p.base.root.OpenFile(p.rel, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may be a FIFO
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	size := min(st.Size(), maxReading)
	if err := s.reading.Acquire(ctx, size); err != nil {
		return nil, err
	}
	defer s.reading.Release(size)
	image, err := rrdfile.Read(f)
	if err != nil {
		s.env.Stats.Add("bad_file", 1)
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return image, nil
}

// fromSchema makes the definition of a set of n data sources. An archive of
// single points answers for every function, so it is kept once; the others are
// kept with average, minimum and maximum where the schema names nothing else.
func fromSchema(d rrd.Definition, n int) rrd.SetDefinition {
	def := rrd.SetDefinition{Step: max(d.Step.Truncate(time.Second), time.Second)}
	kind := d.Type
	if kind == rrd.Unset {
		kind = rrd.Gauge
	}
	for i := range n {
		name := "value"
		if n > 1 {
			name = fmt.Sprintf("ds%d", i)
		}
		heartbeat := max(d.Heartbeat.Truncate(time.Second), def.Step)
		def.Sources = append(def.Sources, rrd.DataSource{Name: name, Type: kind, Heartbeat: heartbeat, Min: d.Min, Max: d.Max})
	}
	for i, a := range d.Archives {
		cfs, steps := a.CFs, max(1, int(d.Row(i)/def.Step))
		switch {
		case steps == 1:
			cfs = []rrd.CF{rrd.Average}
		case len(cfs) == 0:
			cfs = []rrd.CF{rrd.Average, rrd.Min, rrd.Max}
		}
		for _, cf := range cfs {
			def.Archives = append(def.Archives, rrd.SetArchive{CF: cf, Steps: steps, Rows: a.Rows, XFF: a.XFF})
		}
	}
	return def
}
