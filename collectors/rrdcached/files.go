package rrdcached

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdfile"
)

// flush has nothing to flush. It writes the .rrd for clients that read it
// themselves afterwards: rrdtool dump and lastupdate, FLUSH of a web page.
func (c *session) flush(p place) error {
	c.counts.flushes.Add(1)
	c.flushed = flushed{}
	d, st, err := c.describe(p)
	if err != nil {
		return c.fail("No such file: %s.", p)
	}
	if err := c.writeFile(p, func() bool { return c.current(p, &d, st.Last) }); err != nil {
		return c.fail("%s: %s", p, err)
	}
	if c.conf.WriteFiles && c.local {
		c.flushed = flushed{p.name(), d}
	}
	return c.reply(0, fmt.Sprintf("Successfully flushed %s.", p))
}

// writeFile leaves the .rrd of a set in its base directory, where that is
// wanted, a client can read it, and it is not there already.
func (c *session) writeFile(p place, there func() bool) error {
	if !c.conf.WriteFiles || !c.local {
		return nil
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if there() {
		return nil
	}
	if err := c.rewrite(c.ctx, p); err != nil {
		c.env.Stats.Add("file_not_written", 1)
		c.failed.Warn(c.env.Log, "a .rrd could not be written", "file", p.String(), "err", err)
		return err
	}
	c.counts.files.Add(1)
	c.env.Stats.Add("files_written", 1)
	return nil
}

// current says whether the file of a set has its last update, which the time of
// modification tells, and its definition, which may have changed since.
func (s *Collector) current(p place, d *rrd.SetDefinition, last rrd.Time) bool {
	st, err := p.base.root.Stat(p.rel)
	if err != nil || !st.ModTime().Equal(last.Std()) {
		return false
	}
	want, err := rrdfile.AppendDefinition(nil, d)
	if err != nil {
		return false
	}
	f, err := p.base.root.OpenFile(p.rel, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may be a FIFO
	if err != nil {
		return false
	}
	defer f.Close()
	is := make([]byte, len(want))
	_, err = io.ReadFull(f, is)
	return err == nil && bytes.Equal(is, want)
}

// rewrite writes the file beside the old one and puts it in its place.
func (s *Collector) rewrite(ctx context.Context, p place) error {
	image, err := s.env.Sets.ExportSet(ctx, p.name())
	if err != nil {
		return err
	}
	root := p.base.root
	if err := root.MkdirAll(path.Dir(p.rel), 0o755); err != nil {
		return err
	}
	fresh := path.Join(path.Dir(p.rel), ".rondo-"+path.Base(p.rel)) // writing is held
	err = writeImage(root, fresh, image)
	if err == nil {
		at := image.State.Last.Std()
		err = root.Chtimes(fresh, time.Now(), at)
	}
	if err == nil {
		err = root.Rename(fresh, p.rel)
	}
	if err != nil {
		if gone := root.Remove(fresh); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// writeImage writes a file. It is not synced: the store has it all.
func writeImage(root *os.Root, name string, image *rrd.SetImage) (err error) {
	// What is there is a crash's, or no file of ours.
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 64<<10)
	if err := rrdfile.Write(w, image); err != nil {
		return err
	}
	return w.Flush()
}
