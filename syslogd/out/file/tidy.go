package file

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A tidier compresses and removes rotated files, one at a time.
type tidier struct {
	conf   *compiled
	root   *os.Root
	log    *slog.Logger
	names  chan string // that were rotated; a full one loses none, since all are looked at in the end
	cancel context.CancelFunc
	done   sync.WaitGroup
}

const (
	sweepEvery   = time.Hour
	maxRotations = 64 // that wait to be tidied up after
)

func startTidier(ctx context.Context, conf *compiled, root *os.Root, log *slog.Logger) *tidier {
	t := &tidier{conf: conf, root: root, log: log, names: make(chan string, maxRotations)}
	ctx, t.cancel = context.WithCancel(ctx)
	if conf.Rotate.active() {
		t.done.Go(func() { t.run(ctx) })
	}
	return t
}

// stop waits until the work in hand is dropped; another run does it again.
func (t *tidier) stop() {
	t.cancel()
	t.done.Wait()
}

// rotated has the rotated files of a name looked at soon.
func (t *tidier) rotated(name string) {
	select {
	case t.names <- name:
	default:
	}
}

func (t *tidier) run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	t.told(t.sweep(ctx))
	for {
		select {
		case <-ctx.Done():
			return
		case name := <-t.names:
			t.told(t.directory(ctx, path.Dir(name)))
		case <-ticker.C:
			t.told(t.sweep(ctx))
		}
	}
}

func (t *tidier) told(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		t.log.Warn("rotated files could not be compressed or removed", "err", err)
	}
}

// sweep looks at all directories.
func (t *tidier) sweep(ctx context.Context) error {
	var errs []error
	err := fs.WalkDir(t.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = t.directory(ctx, name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		return ctx.Err()
	})
	return errors.Join(append(errs[:min(len(errs), 3)], err)...)
}

// directory looks at the rotated files of a directory.
func (t *tidier) directory(ctx context.Context, dir string) error {
	entries, err := fs.ReadDir(t.root.FS(), dir)
	if err != nil {
		return err
	}
	found := map[string][]rotated{}
	for _, e := range entries {
		name, partial := strings.CutSuffix(path.Join(dir, e.Name()), partialSuffix)
		r, ok := parseRotated(name)
		switch {
		case !ok || !e.Type().IsRegular() || !t.ours(r.base):
		case partial: // a crash has left it
			_ = t.root.Remove(name + partialSuffix) // or next time
		default:
			found[r.base] = append(found[r.base], r)
		}
	}
	for _, list := range found {
		if err := t.name(ctx, list); err != nil {
			return err
		}
	}
	return nil
}

// ours reports whether a name is one that this destination makes.
func (t *tidier) ours(name string) bool {
	ok, err := path.Match(t.conf.name.Glob(), name)
	return err == nil && ok || name == overflowName
}

// name removes the rotated files of a name that are too many or too old, and
// compresses the others.
func (t *tidier) name(ctx context.Context, list []rotated) error {
	slices.SortFunc(list, func(a, b rotated) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.suffix, b.suffix)) })
	r := t.conf.Rotate
	for i, f := range list {
		var err error
		switch {
		case r.Keep > 0 && i >= r.Keep, r.MaxAge > 0 && time.Since(f.at) > r.MaxAge:
			err = t.root.Remove(f.path())
		case f.suffix == "" && r.Compress != None:
			err = t.compress(ctx, f.path())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (r rotated) path() string { return rotatedName(r.base, r.at) + r.suffix }

const partialSuffix = ".tmp"

// compress replaces a file by a compressed one of its owner, mode and time.
func (t *tidier) compress(ctx context.Context, name string) error {
	in, err := t.root.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	to := name + t.conf.Rotate.Compress.suffix()
	partial := to + partialSuffix
	out, err := t.root.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = t.pack(ctx, out, in)
	if err == nil {
		err = errors.Join(alike(out, info), out.Sync())
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = t.root.Chtimes(partial, info.ModTime(), info.ModTime())
	}
	if err != nil {
		return errors.Join(err, t.root.Remove(partial))
	}
	if err := t.root.Rename(partial, to); err != nil {
		return err
	}
	return t.root.Remove(name)
}

func (t *tidier) pack(ctx context.Context, out io.Writer, in io.Reader) error {
	var w io.WriteCloser = gzip.NewWriter(out)
	if t.conf.Rotate.Compress == Zstd {
		z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		if err != nil {
			return err
		}
		w = z
	}
	_, err := io.Copy(w, contextReader{ctx, in})
	return errors.Join(err, w.Close())
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
