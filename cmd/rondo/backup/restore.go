package backup

import (
	"context"
	"errors"
	"fmt"

	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"rondo/rrd/seglog"
)

// A DamageError names an object that cannot be used, and files that need it.
type DamageError struct {
	Object string
	Files  []string
	Cause  error
}

func (e *DamageError) Error() string {
	const most = 3
	files := strings.Join(e.Files[:min(len(e.Files), most)], ", ")
	if more := len(e.Files) - most; more > 0 {
		files += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("object %s, of %s: %v", objectPath(e.Object), files, e.Cause)
}

// Unwrap returns the cause; fs.ErrNotExist where the object is missing.
func (e *DamageError) Unwrap() error { return e.Cause }

var errSum = errors.New("is damaged: its checksum differs")

// A fetcher gets and checks the objects of a manifest.
type fetcher struct {
	target  Target
	m       *Manifest
	ids     Identities
	decoder *zstd.Decoder
	places  map[string][]place // by piece

	mu       sync.Mutex
	progress Progress
	report   func(Progress)
}

// A place is where a piece belongs.
type place struct {
	file   *File
	offset int64
}

func newFetcher(t Target, m *Manifest, ids Identities, report func(Progress)) (*fetcher, error) {
	decoder, err := newDecoder()
	if err != nil {
		return nil, err
	}
	f := &fetcher{target: t, m: m, ids: ids, decoder: decoder, places: map[string][]place{}, report: report}
	sizes := map[string]int64{}
	for i := range m.Objects {
		for _, p := range m.Objects[i].Pieces {
			sizes[p.SHA256] = p.Size
		}
	}
	for i := range m.Files {
		offset := int64(0)
		for _, piece := range m.Files[i].SHA256 {
			f.places[piece] = append(f.places[piece], place{&m.Files[i], offset})
			offset += sizes[piece]
		}
	}
	return f, nil
}

func (f *fetcher) note(change func(*Progress)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.progress)
	if f.report != nil {
		f.report(f.progress)
	}
}

// object gets an object and checks it; with decode also each of its pieces,
// which use, if it is not nil, is given.
func (f *fetcher) object(ctx context.Context, o *Object, decode bool, use func(Piece, []byte) error) error {
	stored, err := read(ctx, f.target, objectPath(o.Name), maxObject)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.damage(o, fmt.Errorf("is missing: %w", err))
	case err != nil:
		return err
	case sum(stored) != o.Name:
		return f.damage(o, errSum)
	}
	f.note(func(p *Progress) { p.Sent += int64(len(stored)) })
	if !decode {
		return nil
	}
	plain, err := f.m.unseal(stored, f.ids, f.decoder)
	if errors.Is(err, ErrKey) {
		return err
	}
	if err != nil {
		return f.damage(o, err)
	}
	for _, p := range o.Pieces {
		if int64(len(plain)) < p.Size || sum(plain[:p.Size]) != p.SHA256 {
			return f.damage(o, errSum)
		}
		if use != nil {
			if err := use(p, plain[:p.Size]); err != nil {
				return err
			}
		}
		plain = plain[p.Size:]
	}
	return nil
}

func (f *fetcher) damage(o *Object, cause error) error {
	e := &DamageError{Object: o.Name, Cause: cause}
	for _, p := range o.Pieces {
		for _, at := range f.places[p.SHA256] {
			e.Files = append(e.Files, at.file.Name)
		}
	}
	slices.Sort(e.Files)
	e.Files = slices.Compact(e.Files)
	return e
}

// Verify reads all objects of a backup and checks them; without identities
// those that are encrypted only as they are stored. The error joins all
// damage that was found.
func Verify(ctx context.Context, t Target, m *Manifest, ids Identities, report func(Progress)) error {
	f, err := newFetcher(t, m, ids, report)
	if err != nil {
		return fmt.Errorf("backup: verify: %w", err)
	}
	defer f.decoder.Close()
	decode := len(m.Recipients) == 0 || len(ids) > 0
	var mu sync.Mutex
	var found []error
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i := range m.Objects {
		g.Go(func() error {
			err := f.object(ctx, &m.Objects[i], decode, nil)
			if _, damage := errors.AsType[*DamageError](err); !damage {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			found = append(found, err)
			return nil
		})
	}
	if err := errors.Join(g.Wait(), errors.Join(found...)); err != nil {
		return fmt.Errorf("backup: verify: %w", err)
	}
	return nil
}

// Restore writes the files of a backup to dir, which must not exist or be
// empty. They are written beside it, and get their place when every checksum
// was right and all is on the device; else nothing is left.
func Restore(ctx context.Context, t Target, m *Manifest, ids Identities, dir string, report func(Progress)) error {
	if err := m.needKey(ids); err != nil {
		return err
	}
	if err := restore(ctx, t, m, ids, filepath.Clean(dir), report); err != nil {
		return fmt.Errorf("backup: restore: %w", err)
	}
	return nil
}

// ErrNotEmpty says that there is something where a backup was to be restored.
var ErrNotEmpty = errors.New("directory is not empty")

func restore(ctx context.Context, t Target, m *Manifest, ids Identities, dir string, report func(Progress)) error {
	if entries, err := os.ReadDir(dir); ignoreMissing(err) != nil {
		return err
	} else if len(entries) > 0 {
		return fmt.Errorf("%w: %s", ErrNotEmpty, dir)
	}
	parent := filepath.Dir(dir)
	if err := seglog.MakeDir(parent); err != nil {
		return err
	}
	if free, err := seglog.FreeBytes(parent); err != nil || free < m.Bytes() {
		return errors.Join(err, fmt.Errorf("%d bytes are wanted in %s, %d are free", m.Bytes(), parent, free))
	}
	tmp, err := os.MkdirTemp(parent, filepath.Base(dir)+".restoring-")
	if err != nil {
		return err
	}
	err = fill(ctx, t, m, ids, tmp, report)
	if err == nil {
		err = ignoreMissing(os.Remove(dir))
	}
	if err == nil {
		err = os.Rename(tmp, dir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return seglog.SyncDir(parent)
}

// fill writes and syncs the files.
func fill(ctx context.Context, t Target, m *Manifest, ids Identities, dir string, report func(Progress)) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for i := range m.Files {
		if err := makeFile(root, &m.Files[i]); err != nil {
			return err
		}
	}
	f, err := newFetcher(t, m, ids, report)
	if err != nil {
		return err
	}
	defer f.decoder.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i := range m.Objects {
		g.Go(func() error {
			return f.object(ctx, &m.Objects[i], true, func(p Piece, b []byte) error { return f.put(root, p, b) })
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return syncAll(root)
}

func makeFile(root *os.Root, file *File) error {
	if err := root.MkdirAll(path.Dir(file.Name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(file.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(file.Size), f.Close())
}

// put writes a piece to all its places.
func (f *fetcher) put(root *os.Root, p Piece, b []byte) error {
	for _, at := range f.places[p.SHA256] {
		file, err := root.OpenFile(at.file.Name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = file.WriteAt(b, at.offset)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
		f.note(func(pr *Progress) {
			pr.Bytes += p.Size
			if at.offset == 0 {
				pr.Files++
			}
		})
	}
	return nil
}

// syncAll makes all of a file system durable: one call, where each file has
// one otherwise.
func syncAll(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}
