package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"rondo/rrd/rrdfile"
)

// importCmd takes over what other programs keep.
type importCmd struct {
	RRD importRRDCmd `cmd:"" name:"rrd" help:"Take over RRDtool's files, to the last bit."`
}

// importRRDCmd takes over .rrd files and XML dumps.
type importRRDCmd struct {
	exchangeFlags
	Paths   []string `arg:"" name:"path" help:"Files, and directories, in which *.rrd and *.xml are looked for."`
	Base    string   `help:"Directory that is stripped from names. Without it each name begins at the directory given." placeholder:"DIR"`
	Replace bool     `help:"Replace sets that the store has."`
}

func (importRRDCmd) Help() string {
	return `Examples:
  rondo import rrd /var/lib/cacti/rra
  rondo import rrd /var/lib/collectd/rrd/web-1 --base=/var/lib/collectd/rrd
  rondo import rrd dump.xml --replace

/var/lib/cacti/rra/web/load.rrd becomes the set web/load, its data sources the
series {"web/load", ds="..."}. Files must not be written to meanwhile. The
server is told through rondo.sock in the data directory; where none runs the
store is opened directly.

What was interrupted is just run again: files that the store has are skipped.
A file that cannot be taken is refused and named, the others go on, and the
exit code is 1.`
}

// An importFile is a file that was found.
type importFile struct{ path, name string }

func (c importRRDCmd) Run(ctx context.Context, out io.Writer, stderr errorWriter) (err error) {
	to, err := c.exchange(ctx, stderr, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	t := newTally(imported, stderr)
	err = t.work(ctx, c.Jobs, c.find, func(ctx context.Context, f importFile) error { return c.take(ctx, to, t, f) })
	if err != nil {
		err = fmt.Errorf("the import stopped: %w; run it again to go on", err)
	}
	return errors.Join(err, t.sum(out, c.Output))
}

// work has jobs goroutines do what find finds, and shows how far they are.
// Their first error stops all.
func (t *tally) work(ctx context.Context, jobs int, find func(context.Context, *tally, chan<- importFile) error, do func(context.Context, importFile) error) error {
	stop := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() { t.show(stop) })
	defer shown.Wait()
	defer close(stop)
	files := make(chan importFile, 2*jobs)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(files)
		return find(ctx, t, files)
	})
	for range jobs {
		g.Go(func() error {
			for f := range files {
				if err := do(ctx, f); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return g.Wait()
}

// take imports one file. Its error is one that the next file would meet too.
func (c importRRDCmd) take(ctx context.Context, to setExchange, t *tally, f importFile) error {
	file, err := os.Open(f.path)
	if err != nil {
		t.refuse(f.path, innermost(err))
		return nil
	}
	defer file.Close()
	outcome, err := to.put(ctx, f.name, file, c.Replace)
	switch {
	case err == nil && outcome == rrdfile.Skipped:
		t.skip()
	case err == nil:
		t.finish()
	case isTrouble(err):
		return fmt.Errorf("%s: %w", f.path, err)
	default:
		t.refuse(f.path, err)
	}
	return nil
}

// find sends all files to import, each name once. They are walked over a
// second time ahead of that, to know how many there are.
func (c importRRDCmd) find(ctx context.Context, t *tally, files chan<- importFile) error {
	var counting sync.WaitGroup
	counting.Go(func() {
		_ = c.walk(func(string, string, error) error {
			t.find()
			return ctx.Err()
		})
	})
	defer counting.Wait()
	seen := map[string]string{} // path by name
	return c.walk(func(base, path string, err error) error {
		name, err := checkFile(base, path, err)
		if other := seen[name]; err == nil && other != "" {
			err = fmt.Errorf("its name %s is that of %s already", name, other)
		}
		if err != nil {
			t.refuse(path, err)
			return ctx.Err()
		}
		seen[name] = path
		select {
		case files <- importFile{path, name}:
		case <-ctx.Done():
		}
		return ctx.Err()
	})
}

// walk visits all files that are named, and those in directories that look
// right, with the directory that is stripped from their names. err is why a
// path could not be visited.
func (c importRRDCmd) walk(visit func(base, path string, err error) error) error {
	for _, root := range c.Paths {
		base := c.Base
		info, err := os.Stat(root)
		isDir := err == nil && info.IsDir()
		switch {
		case base == "" && isDir:
			base = root
		case base == "":
			base = filepath.Dir(root)
		}
		if isDir {
			root += string(filepath.Separator) // follows a link that is named itself
		}
		err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && (d.IsDir() || path != root && !isRRDName(path)) {
				return nil
			}
			return visit(base, path, err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func isRRDName(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".rrd" || ext == ".xml"
}

// checkFile returns the name of a file's set: its path below base without
// .rrd or .xml.
func checkFile(base, path string, err error) (string, error) {
	if err != nil {
		return "", innermost(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", innermost(err)
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is no regular file")
	}
	rel, err := relative(base, path)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("it is not below %s", base)
	}
	for _, ext := range []string{".xml", ".rrd"} {
		if n := len(rel) - len(ext); n > 0 && strings.EqualFold(rel[n:], ext) {
			rel = rel[:n]
		}
	}
	return filepath.ToSlash(rel), nil
}

// innermost is what is wrong with a file whose name is said already.
func innermost(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// relative is filepath.Rel for paths of which one may be absolute and the
// other not.
func relative(base, path string) (string, error) {
	base, err := filepath.Abs(base)
	if err != nil {
		return "", err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.Rel(base, path)
}
