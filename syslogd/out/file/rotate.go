package file

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"
)

// due reports whether a file is to be rotated before the next message.
func (s *session) due(f *file, now time.Time) bool {
	size := f.size + int64(len(f.buf))
	if size == 0 {
		f.period = s.conf.begins(now)
		return false
	}
	r := s.conf.Rotate
	return r.Size > 0 && size >= r.Size || r.Every != "" && !s.conf.begins(now).Equal(f.period)
}

// begins is when the period of rotation that t lies in begins.
func (c *compiled) begins(t time.Time) time.Time {
	t = t.In(c.zone)
	year, month, day := t.Date()
	switch c.Rotate.Every {
	case Hour:
		return t.Truncate(time.Minute).Add(-time.Duration(t.Minute()) * time.Minute) // the second of two equal hours is another one
	case Day:
		return time.Date(year, month, day, 0, 0, 0, 0, c.zone)
	case Week:
		return time.Date(year, month, day-(int(t.Weekday())+6)%7, 0, 0, 0, 0, c.zone)
	}
	return time.Time{}
}

// rotate settles all, and renames a file.
func (s *session) rotate(f *file, now time.Time) error {
	if err := s.drop(f); err != nil {
		return err
	}
	to := rotatedName(f.name, now)
	for {
		if _, err := s.root.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
		now = now.Add(time.Millisecond)
		to = rotatedName(f.name, now)
	}
	s.dirs[path.Dir(f.name)] = true
	if err := s.root.Rename(f.name, to); err != nil {
		return err
	}
	s.tidy.rotated(f.name)
	return nil
}

const stampLayout = "20060102T150405.000Z"

func rotatedName(name string, at time.Time) string {
	return name + "." + at.UTC().Format(stampLayout)
}

// A rotated file, as its name tells.
type rotated struct {
	base   string // name before it was rotated
	at     time.Time
	suffix string // of its compression
}

// parseRotated takes the name of a rotated file apart.
func parseRotated(name string) (r rotated, ok bool) {
	for _, c := range []Compression{Zstd, Gzip} {
		if rest, found := strings.CutSuffix(name, c.suffix()); found {
			name, r.suffix = rest, c.suffix()
			break
		}
	}
	i := len(name) - len(stampLayout)
	if i < 2 || name[i-1] != '.' {
		return rotated{}, false
	}
	at, err := time.Parse(stampLayout, name[i:])
	r.base, r.at = name[:i-1], at
	return r, err == nil
}
