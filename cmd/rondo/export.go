package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"rondo/rrd/rrdfile"
)

// exportCmd writes files that other programs read.
type exportCmd struct {
	RRD exportRRDCmd `cmd:"" name:"rrd" help:"Write .rrd files, which rrdtool reads and continues, or their XML."`
}

// exportRRDCmd writes sets as files.
type exportRRDCmd struct {
	exchangeFlags
	Names   []string `arg:"" optional:"" name:"name" help:"Sets, by name, or gauges without labels, such as Graphite paths."`
	All     bool     `help:"All sets."`
	To      string   `required:"" help:"Directory to write to." placeholder:"DIR"`
	XML     bool     `help:"Write XML, as rrdtool dump does, with 17 digits: it takes names that are too long for a .rrd."`
	Replace bool     `help:"Replace files that are there."`
}

func (exportRRDCmd) Help() string {
	return `Examples:
  rondo export rrd web/load --to=/tmp/rra
  rondo export rrd --all --to=/var/backups/rra --replace
  rondo export rrd --all --xml --to=dumps
  rondo export rrd servers.web-1.load --to=/tmp/rra

The set web/load becomes DIR/web/load.rrd. Each file is whole or not there. A
gauge that is no set becomes a file with one data source, "value", and the
archives that it has here, as far as their rows are finished.`
}

func (c exportRRDCmd) Run(ctx context.Context, out io.Writer, stderr errorWriter) (err error) {
	if c.All == (len(c.Names) > 0) {
		return &exitError{usageCode, errors.New("name the sets to export, or --all of them")}
	}
	from, err := c.exchange(ctx, stderr, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	if err := os.MkdirAll(c.To, 0o755); err != nil {
		return err
	}
	dir, err := os.OpenRoot(c.To)
	if err != nil {
		return err
	}
	defer dir.Close()
	t := newTally(exported, stderr)
	find := func(ctx context.Context, t *tally, sets chan<- importFile) error { return c.find(ctx, from, t, sets) }
	err = t.work(ctx, c.Jobs, find, func(ctx context.Context, f importFile) error { return c.write(ctx, from, dir, t, f) })
	return errors.Join(err, t.sum(out, c.Output))
}

// find sends the sets to export, with the files that they become.
func (c exportRRDCmd) find(ctx context.Context, from setExchange, t *tally, sets chan<- importFile) error {
	names, ext := c.Names, ".rrd"
	if c.XML {
		ext = ".xml"
	}
	if c.All {
		all, err := from.list(ctx)
		if err != nil {
			return err
		}
		names = all
	}
	for range names {
		t.find()
	}
	for _, name := range names {
		file := filepath.FromSlash(name + ext)
		if path.Clean(name) != name || !filepath.IsLocal(file) {
			t.refuse(name, errors.New("its name is no path below a directory"))
			continue
		}
		select {
		case sets <- importFile{file, name}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// write writes one set. Its error is one that the next would meet too.
func (c exportRRDCmd) write(ctx context.Context, from setExchange, dir *os.Root, t *tally, f importFile) error {
	if _, err := dir.Lstat(f.path); err == nil && !c.Replace {
		t.refuse(f.path, errors.New("the file is there already; --replace replaces it"))
		return nil
	}
	format := rrdfile.Binary
	if c.XML {
		format = rrdfile.XML
	}
	err := writeWhole(dir, f.path, func(w io.Writer) error { return from.get(ctx, f.name, format, w) })
	switch {
	case err == nil:
		t.finish()
	case isTrouble(err):
		return fmt.Errorf("%s: %w", f.name, err)
	default:
		t.refuse(f.path, err)
	}
	return nil
}

// writeWhole has write write a file, which takes its name when all of it is on
// disk.
func writeWhole(dir *os.Root, name string, write func(io.Writer) error) (err error) {
	if err := dir.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	part := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".part")
	file, err := dir.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, dir.Remove(part))
		}
	}()
	b := bufio.NewWriterSize(file, 64<<10)
	err = write(b)
	if err == nil {
		err = b.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return dir.Rename(part, name)
}
