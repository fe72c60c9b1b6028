package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options of Create.
type Options struct {
	Keys     Keys
	Rondo    string         // version of the program, for the manifest
	Now      time.Time      // when the snapshot was complete
	Keep     int            // how many backups stay; 0: all
	Plain    bool           // may be plain text where the last backup is encrypted
	Progress func(Progress) // called often, by one at a time; may be nil
	Log      *slog.Logger   // none
	// Skip says which files and directories are left out; nil: none.
	Skip func(name string, dir bool) bool
}

// Progress is how far a backup or restore has come.
type Progress struct {
	Files  int   `json:"files"`
	Bytes  int64 `json:"bytes"`  // of files, read or written
	Sent   int64 `json:"sent"`   // bytes sent to the target or fetched from it
	Reused int64 `json:"reused"` // bytes of files that were there already
}

// workers is how many objects are packed and sent at the same time. Each
// costs some 30 MiB while a backup runs.
const workers = 2

// Create makes a backup of a directory whose files lie still, and returns its
// manifest. What an earlier backup has is not sent again.
func Create(ctx context.Context, t Target, dir string, o Options) (*Manifest, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	m, name, err := create(ctx, t, dir, o)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if err := prune(ctx, t, name, o.Keep, time.Now()); err != nil {
		// The backup is good all the same.
		o.Log.Warn("old backups could not be removed", "err", err)
	}
	return m, nil
}

// ErrPlain refuses to write what anyone can read beside what is encrypted.
var ErrPlain = errors.New("the place holds encrypted backups and this one would be plain text: give recipients (--recipient), or --plain to write it all the same")

// create also returns the name of the manifest at the target.
func create(ctx context.Context, t Target, dir string, o Options) (m *Manifest, name string, err error) {
	known, err := reusable(ctx, t, o)
	if err != nil {
		return nil, "", err
	}
	m = &Manifest{Version: manifestVersion, Time: o.Now.UTC().Truncate(time.Millisecond), Rondo: o.Rondo, Recipients: o.Keys.names}
	s := &sender{
		target: t, o: o, known: known, packs: make(chan pack), used: map[string]bool{}, pieces: map[string]bool{},
		manifest: m,
	}
	if err := s.run(ctx, dir); err != nil {
		return nil, "", err
	}
	name, text, err := m.encode()
	if err != nil {
		return nil, "", err
	}
	// Last of all, so that a backup that was broken off is none.
	return m, name, t.Put(ctx, name, bytes.NewReader(text))
}

// reusable returns, by piece, the objects of the newest backup that are still
// at the target.
func reusable(ctx context.Context, t Target, o Options) (map[string]*Object, error) {
	known := map[string]*Object{}
	all, err := List(ctx, t)
	if err != nil || len(all) == 0 {
		return known, err
	}
	last, err := Load(ctx, t, all[len(all)-1])
	if err != nil {
		o.Log.Warn("the last backup cannot be read; everything is sent again", "err", err)
		return known, nil
	}
	if len(last.Recipients) > 0 && len(o.Keys.names) == 0 && !o.Plain {
		return nil, ErrPlain
	}
	if strings.Join(last.Recipients, " ") != strings.Join(o.Keys.names, " ") {
		return known, nil
	}
	there := map[string]int64{}
	err = t.List(ctx, objectDir, func(name string, size int64, _ time.Time) error {
		there[path.Base(name)] = size
		return nil
	})
	for i := range last.Objects {
		obj := &last.Objects[i]
		if size, ok := there[obj.Name]; !ok || size != obj.Size {
			o.Log.Warn("an object of the last backup is gone; its files are sent again", "object", obj.Name)
			continue
		}
		for _, p := range obj.Pieces {
			known[p.SHA256] = obj
		}
	}
	return known, err
}

// A sender reads files and sends what is new.
//
//	read ── pieces ── packs ──> workers: seal, put
type sender struct {
	target Target
	o      Options
	known  map[string]*Object // by piece: at the target
	packs  chan pack

	// Of the one who reads.
	pack   pack
	dir    string          // that the pack's files are in
	pieces map[string]bool // in packs
	buf    []byte

	mu       sync.Mutex // guards what is below
	manifest *Manifest
	used     map[string]bool // objects in the manifest
	progress Progress
}

// A pack is an object before it is sealed.
type pack struct {
	pieces []Piece
	plain  []byte
}

func (s *sender) run(ctx context.Context, dir string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(s.packs)
		if err := s.readAll(ctx, dir); err != nil {
			return err
		}
		return s.flush(ctx)
	})
	for range workers {
		g.Go(func() error {
			seal, err := newSealer(s.o.Keys)
			for p := range s.packs {
				if err == nil {
					err = s.send(ctx, seal, p)
				}
				if err != nil {
					return err
				}
			}
			return err
		})
	}
	return g.Wait()
}

func (s *sender) readAll(ctx context.Context, dir string) error {
	return filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch skip := s.o.Skip != nil && s.o.Skip(rel, e.IsDir()); {
		case e.IsDir() && skip:
			return filepath.SkipDir
		case skip || !e.Type().IsRegular():
			return nil
		}
		return s.readFile(ctx, name, rel)
	})
}

func (s *sender) readFile(ctx context.Context, name, rel string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if dir := path.Dir(rel); dir != s.dir {
		if err := s.flush(ctx); err != nil {
			return err
		}
		s.dir = dir
	}
	if s.buf == nil {
		s.buf = make([]byte, pieceBytes)
	}
	file := File{Name: rel, SHA256: []string{}}
	for {
		n, err := io.ReadFull(ctxReader{ctx, f}, s.buf)
		if n > 0 {
			p := Piece{sum(s.buf[:n]), int64(n)}
			file.Size += p.Size
			file.SHA256 = append(file.SHA256, p.SHA256)
			if err := s.add(ctx, p, s.buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	s.note(func(p *Progress) { p.Files++ })
	s.manifest.Files = append(s.manifest.Files, file)
	return nil
}

// add takes a piece into the pack, unless it is at the target or on its way.
func (s *sender) add(ctx context.Context, p Piece, b []byte) error {
	if obj := s.known[p.SHA256]; obj != nil {
		s.reuse(obj)
		s.note(func(pr *Progress) { pr.Bytes, pr.Reused = pr.Bytes+p.Size, pr.Reused+p.Size })
		return nil
	}
	s.note(func(pr *Progress) { pr.Bytes += p.Size })
	if s.pieces[p.SHA256] {
		return nil
	}
	if len(s.pack.plain)+len(b) > pieceBytes {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	s.pieces[p.SHA256] = true
	s.pack.pieces = append(s.pack.pieces, p)
	s.pack.plain = append(s.pack.plain, b...)
	return nil
}

// flush hands the pack over.
func (s *sender) flush(ctx context.Context) error {
	if len(s.pack.pieces) == 0 {
		return nil
	}
	select {
	case s.packs <- s.pack:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.pack = pack{}
	return nil
}

// send stores a pack.
func (s *sender) send(ctx context.Context, seal *sealer, p pack) error {
	stored, err := seal.seal(p.plain)
	if err != nil {
		return err
	}
	obj := &Object{Name: sum(stored), Size: int64(len(stored)), Pieces: p.pieces}
	if err := s.target.Put(ctx, objectPath(obj.Name), bytes.NewReader(stored)); err != nil {
		return err
	}
	s.reuse(obj)
	s.note(func(p *Progress) { p.Sent += obj.Size })
	return nil
}

// reuse puts an object into the manifest, once.
func (s *sender) reuse(obj *Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.used[obj.Name] {
		s.used[obj.Name] = true
		s.manifest.Objects = append(s.manifest.Objects, *obj)
	}
}

func (s *sender) note(change func(*Progress)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.progress)
	if s.o.Progress != nil {
		s.o.Progress(s.progress)
	}
}
