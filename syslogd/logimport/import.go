package logimport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"time"

	"rondo/syslogd/filter"
	"rondo/syslogd/logfile"
	"rondo/syslogd/syslog"
)

// A File is something that messages can be read from.
type File struct {
	Name    string
	Size    int64
	Changed time.Time // about when it was written
	Open    func(ctx context.Context) (io.ReadCloser, error)
	// Identity names the content for ever; see the package comment.
	Identity func(ctx context.Context) (string, error)
}

var archiveName = regexp.MustCompile(`^(\d{8}T\d{6}Z-[0-9A-Za-z]+-\d{20})\.jsonl\.(zst|gz)(\.age)?$`)

// ArchiveIdentity is the identity of an object of the archive, by its name;
// "" if it is none.
func ArchiveIdentity(name string) string {
	if m := archiveName.FindStringSubmatch(path.Base(name)); m != nil {
		return m[1]
	}
	return ""
}

// ArchiveBegin is when the first message of an object of the archive was
// received, by its name; zero if it is none.
func ArchiveBegin(name string) time.Time {
	id := ArchiveIdentity(name)
	if id == "" {
		return time.Time{}
	}
	t, err := time.Parse("20060102T150405Z", id[:16])
	if err != nil {
		return time.Time{}
	}
	return t
}

// HashIdentity is the identity of a file by its content.
func HashIdentity(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// A Selection says what of a file is imported, and what is added to it.
type Selection struct {
	From, To time.Time // of the messages' own time; zero: no bound
	Filter   *filter.Filter
	Host     string         // of messages without one
	Zone     *time.Location // of times without one; nil: Local
	// Text names the selection: the same for the same.
	Text string
}

// key is a short name of the selection.
func (s *Selection) key() string {
	sum := sha256.Sum256([]byte(s.Text + "\x00" + s.Host))
	return hex.EncodeToString(sum[:8])
}

func (s *Selection) match(m *syslog.Message) bool {
	at := m.When()
	return (s.From.IsZero() || !at.Before(s.From)) && (s.To.IsZero() || at.Before(s.To)) && s.Filter.Match(m)
}

// An Importer imports files, one at a time.
type Importer struct {
	Target    Target
	Selection Selection
	DryRun    bool // everything but storing
	Again     bool // though something else of the file was imported before
	// Progress is told of messages that were read and of those that were
	// stored, now and then. nil: nobody.
	Progress func(read, stored uint64)
}

// A Result is what became of a file.
type Result struct {
	File    string         `json:"file"`
	Format  logfile.Format `json:"format,omitempty"`
	Already uint64         `json:"already"` // messages that were taken before
	Stored  uint64         `json:"stored"`  // or would be
	Others  uint64         `json:"others"`  // that are not selected
	Cut     uint64         `json:"cut"`     // of those stored: too long
	Oldest  time.Time      `json:"oldest,omitzero"`
	Newest  time.Time      `json:"newest,omitzero"` // own times of those stored
	Done    bool           `json:"done"`            // there was nothing left to do
}

const (
	portionMessages = 1000
	portionBytes    = 1 << 20
	portionRead     = 100_000 // messages, of which few are selected
)

// File imports a file. After an error what was stored stays, and the same
// import goes on behind it.
func (i *Importer) File(ctx context.Context, f File) (Result, error) {
	r := Result{File: f.Name}
	at, err := i.position(ctx, f)
	if err != nil {
		return r, err
	}
	if r.Already, r.Done = at.Taken, at.Done; at.Done {
		return r, nil
	}
	body, err := f.Open(ctx)
	if err != nil {
		return r, err
	}
	defer body.Close()
	zone := i.Selection.Zone
	if zone == nil {
		zone = time.Local
	}
	in, err := logfile.NewReader(body, logfile.Options{Written: f.Changed.In(zone)})
	if err != nil {
		return r, err
	}
	defer in.Close()
	r.Format = in.Format()
	for n := range at.Taken {
		if _, err := in.Next(); err != nil {
			return r, fmt.Errorf("%d messages of it were imported, and now it has %d: %w", at.Taken, n, err)
		}
	}
	return r, i.messages(ctx, &r, in, at)
}

// position finds out how far a file has been taken.
func (i *Importer) position(ctx context.Context, f File) (Position, error) {
	id, err := f.Identity(ctx)
	if err != nil {
		return Position{}, err
	}
	at := Position{Source: id + "/" + i.Selection.key()}
	found, err := i.Target.Positions(ctx, id+"/")
	if err != nil {
		return at, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	for _, p := range found {
		if p.Source == at.Source {
			return p, nil
		}
	}
	if len(found) > 0 && !i.Again {
		return at, ErrOtherSelection
	}
	return at, nil
}

// ErrTarget is an error that the next file would meet too.
var ErrTarget = errors.New("messages cannot be stored")

// messages imports what is left of a file.
func (i *Importer) messages(ctx context.Context, r *Result, in *logfile.Reader, at Position) error {
	p := Portion{Source: at.Source, From: at.Taken, To: at.Taken}
	bytes := 0
	put := func() error {
		if !i.DryRun {
			if err := i.Target.Put(ctx, p); errors.Is(err, ErrMoved) {
				return err
			} else if err != nil {
				return fmt.Errorf("%w: %w", ErrTarget, err)
			}
		}
		r.Stored += uint64(len(p.Messages))
		if i.Progress != nil {
			i.Progress(p.To-p.From, uint64(len(p.Messages)))
		}
		p.From, p.Messages, bytes = p.To, p.Messages[:0], 0
		return nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		m, err := in.Next()
		if err != nil {
			p.Done = err == io.EOF // not wrapped: a file that ends too early is not done with
			if putErr := put(); putErr != nil || p.Done {
				return putErr
			}
			return err
		}
		p.To++
		if m.Host == "" {
			m.Host = i.Selection.Host
		}
		if i.Selection.match(&m) {
			r.note(&m)
			p.Messages = append(p.Messages, m)
			bytes += len(m.Raw) + len(m.Text)
		} else {
			r.Others++
		}
		if len(p.Messages) >= portionMessages || bytes >= portionBytes || p.To-p.From >= portionRead {
			if err := put(); err != nil {
				return err
			}
		}
	}
}

// note counts a message that is selected.
func (r *Result) note(m *syslog.Message) {
	at := m.When()
	if r.Oldest.IsZero() || at.Before(r.Oldest) {
		r.Oldest = at
	}
	if at.After(r.Newest) {
		r.Newest = at
	}
	if m.Truncated {
		r.Cut++
	}
}
