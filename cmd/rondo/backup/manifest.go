package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	manifestVersion = 1
	manifestDir     = "manifests/"
	objectDir       = "objects/"
	pieceBytes      = 8 << 20
	maxObject       = 2*pieceBytes + 1<<20 // as stored; what cannot be compressed grows a little
	maxManifest     = 1 << 30
)

// A Manifest is one backup: its files, and the objects that they are in.
type Manifest struct {
	Version    int       `json:"version"`
	Time       time.Time `json:"time"`                 // when the snapshot was complete
	Rondo      string    `json:"rondo"`                // version of the program that made it
	Recipients []string  `json:"recipients,omitempty"` // to whom the objects are encrypted
	Files      []File    `json:"files"`
	Objects    []Object  `json:"objects"`
}

// A File is a file of a backup.
type File struct {
	Name   string   `json:"name"` // with slashes, relative
	Size   int64    `json:"size"`
	SHA256 []string `json:"sha256"` // of each piece, in order
}

// An Object is one stored object and the pieces in it, in order.
type Object struct {
	Name   string  `json:"name"` // SHA-256 of what is stored
	Size   int64   `json:"size"` // of what is stored
	Pieces []Piece `json:"pieces"`
}

// A Piece is a part of a file, at most 8 MiB.
type Piece struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// Bytes is the size of all files.
func (m *Manifest) Bytes() (n int64) {
	for i := range m.Files {
		n += m.Files[i].Size
	}
	return n
}

// Stored is the size of all objects as they are stored.
func (m *Manifest) Stored() (n int64) {
	for i := range m.Objects {
		n += m.Objects[i].Size
	}
	return n
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// objectPath is where an object lies at a target.
func objectPath(name string) string { return objectDir + name[:2] + "/" + name }

// stampLayout makes names of manifests sort by time.
const stampLayout = "20060102T150405.000Z"

// encode returns a manifest's bytes and its name at a target.
func (m *Manifest) encode() (name string, b []byte, err error) {
	if b, err = json.Marshal(m); err != nil {
		return "", nil, err
	}
	return manifestDir + m.Time.UTC().Format(stampLayout) + "-" + sum(b) + ".json", b, nil
}

// parseName takes a manifest's name apart.
func parseName(name string) (at time.Time, checksum string, ok bool) {
	base, found := strings.CutSuffix(strings.TrimPrefix(name, manifestDir), ".json")
	stamp, checksum, cut := strings.Cut(base, "-")
	at, err := time.Parse(stampLayout, stamp)
	return at, checksum, found && cut && err == nil && isSum(checksum)
}

func isSum(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

// A Backup is a manifest's name at a target, and its time.
type Backup struct {
	Name string
	Time time.Time
}

// List returns the backups at a target, oldest first.
func List(ctx context.Context, t Target) ([]Backup, error) {
	var all []Backup
	err := t.List(ctx, manifestDir, func(name string, _ int64, _ time.Time) error {
		if at, _, ok := parseName(name); ok {
			all = append(all, Backup{name, at})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("backup: list: %w", err)
	}
	slices.SortFunc(all, func(a, b Backup) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// ErrNone says that there is no backup to choose.
var ErrNone = errors.New("there is no backup")

// Choose returns the newest backup that is not after a time; of all, if that
// is zero.
func Choose(all []Backup, at time.Time) (Backup, error) {
	for _, b := range slices.Backward(all) {
		if at.IsZero() || !b.Time.After(at) {
			return b, nil
		}
	}
	if len(all) > 0 {
		return Backup{}, fmt.Errorf("backup: %w of %s or before; the oldest is of %s", ErrNone, at.Format(time.RFC3339), all[0].Time.Format(time.RFC3339))
	}
	return Backup{}, fmt.Errorf("backup: %w", ErrNone)
}

// Load reads and checks a manifest.
func Load(ctx context.Context, t Target, b Backup) (*Manifest, error) {
	text, err := read(ctx, t, b.Name, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("backup: %s: %w", b.Name, err)
	}
	m, err := parseManifest(b.Name, text)
	if err != nil {
		return nil, fmt.Errorf("backup: %s: %w", b.Name, err)
	}
	return m, nil
}

func parseManifest(name string, text []byte) (*Manifest, error) {
	if _, checksum, _ := parseName(name); sum(text) != checksum {
		return nil, errors.New("manifest is damaged: its checksum differs from its name")
	}
	m := &Manifest{}
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(m); err != nil {
		return nil, err
	}
	if m.Version != manifestVersion {
		return nil, fmt.Errorf("manifest has version %d, this program knows %d", m.Version, manifestVersion)
	}
	return m, m.check()
}

// check says what cannot be right about a manifest: nothing in it may lead out
// of the directory that is restored, or to nowhere.
func (m *Manifest) check() error {
	sizes := map[string]int64{}
	for i := range m.Objects {
		o := &m.Objects[i]
		if !isSum(o.Name) || o.Size < 0 || o.Size > maxObject {
			return fmt.Errorf("object %q of %d bytes is impossible", o.Name, o.Size)
		}
		total := int64(0)
		for _, p := range o.Pieces {
			if p.Size <= 0 || p.Size > pieceBytes {
				return fmt.Errorf("object %s has a piece of %d bytes", o.Name, p.Size)
			}
			total += p.Size
			sizes[p.SHA256] = p.Size
		}
		if total > pieceBytes {
			return fmt.Errorf("object %s has %d bytes of pieces", o.Name, total)
		}
	}
	seen := map[string]bool{}
	for i := range m.Files {
		if err := m.Files[i].check(sizes); err != nil {
			return err
		}
		if seen[m.Files[i].Name] {
			return fmt.Errorf("file %s is there twice", m.Files[i].Name)
		}
		seen[m.Files[i].Name] = true
	}
	return nil
}

func (f *File) check(sizes map[string]int64) error {
	if !fs.ValidPath(f.Name) || !filepath.IsLocal(f.Name) || path.Clean(f.Name) == "." {
		return fmt.Errorf("file name %q is impossible", f.Name)
	}
	left := f.Size
	for _, piece := range f.SHA256 {
		size, ok := sizes[piece]
		if !ok {
			return fmt.Errorf("file %s: no object has its piece %s", f.Name, piece)
		}
		left -= size
	}
	if left != 0 {
		return fmt.Errorf("file %s: its pieces have %d bytes of %d", f.Name, f.Size-left, f.Size)
	}
	return nil
}
