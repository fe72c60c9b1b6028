package file

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"path"
	"strconv"
	"time"

	"rondo/syslogd/macro"
)

// Config says which files, and what their lines are.
type Config struct {
	Path     macro.Source `yaml:"path"`     // absolute; macros after the directory
	Template macro.Source `yaml:"template"` // of a line; in place of format
	Format   Format       `yaml:"format"`
	TimeZone string       `yaml:"time_zone"` // of macros and of rotation, such as UTC; default Local
	Rotate   Rotate       `yaml:"rotate"`

	Owner   string  `yaml:"owner"`    // of new files and directories; "": ours
	Group   string  `yaml:"group"`    // "": ours
	Mode    Mode    `yaml:"mode"`     // of new files; default 0640
	DirMode Mode    `yaml:"dir_mode"` // of new directories; default 0750
	Sync    SyncFor `yaml:"sync"`     // default settled

	MaxOpen  int `yaml:"max_open"`  // files open at the same time; default 256
	NewFiles int `yaml:"new_files"` // most files created in an hour; default 10000
}

// Rotate says when a file is renamed and what becomes of it. Without size and
// every, files are not rotated.
type Rotate struct {
	Size     int64         `yaml:"size"`  // bytes
	Every    Period        `yaml:"every"` // of the wall clock
	Keep     int           `yaml:"keep"`  // rotated files of each name; 0: all
	MaxAge   time.Duration `yaml:"max_age"`
	Compress Compression   `yaml:"compress"` // default zstd
}

func (r Rotate) active() bool { return r.Size > 0 || r.Every != "" }

// Format is a usual template.
type Format string

// The formats.
const (
	RFC5424 Format = "rfc5424"
	RFC3164 Format = "rfc3164"
	Raw     Format = "raw"  // as received
	JSON    Format = "json" // package jsonl: nothing is lost
)

// Period is how often a file is rotated.
type Period string

// The periods.
const (
	Hour Period = "hour"
	Day  Period = "day"
	Week Period = "week" // from Monday
)

// Compression is what becomes of rotated files.
type Compression string

// The compressions.
const (
	Zstd Compression = "zstd"
	Gzip Compression = "gzip"
	None Compression = "none"
)

// suffix is what a compressed file's name ends in.
func (c Compression) suffix() string {
	switch c {
	case Zstd:
		return ".zst"
	case Gzip:
		return ".gz"
	}
	return ""
}

// SyncFor is what a message is synced for.
type SyncFor string

// When a message counts as delivered.
const (
	Settled SyncFor = "settled" // on the device
	Written SyncFor = "written" // given to the kernel
)

// Mode is permission bits, written in octal.
type Mode fs.FileMode

// UnmarshalText reads octal digits.
func (m *Mode) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 8, 12)
	if err != nil || n == 0 || fs.FileMode(n)&^fs.ModePerm != 0 {
		return fmt.Errorf("mode %q: want permissions in octal, such as 0640", b)
	}
	*m = Mode(n)
	return nil
}

const (
	defaultTemplate = macro.Source(`${ISODATE} ${HOST} ${MSGHDR}${TEXT}\n`)
	defaultMode     = 0o640
	defaultDirMode  = 0o750
	defaultMaxOpen  = 256
	defaultNewFiles = 10_000
	minRotateSize   = 4096
)

func (c Config) withDefaults() Config {
	c.TimeZone = cmp.Or(c.TimeZone, "Local")
	c.Mode = cmp.Or(c.Mode, defaultMode)
	c.DirMode = cmp.Or(c.DirMode, defaultDirMode)
	c.Sync = cmp.Or(c.Sync, Settled)
	c.MaxOpen = cmp.Or(c.MaxOpen, defaultMaxOpen)
	c.NewFiles = cmp.Or(c.NewFiles, defaultNewFiles)
	c.Rotate.Compress = cmp.Or(c.Rotate.Compress, Zstd)
	return c
}

// Validate says what is wrong, each with its key.
func (c *Config) Validate() error {
	_, err := compile(*c)
	return err
}

// compiled is a configuration that is understood.
type compiled struct {
	Config
	dir      string
	zone     *time.Location
	name     *macro.Template // below dir
	line     *macro.Template
	uid, gid int // -1: as they are
}

func compile(c Config) (*compiled, error) {
	out := &compiled{Config: c.withDefaults()}
	var errs []error
	check := func(key string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
		}
	}
	var err error
	out.zone, err = time.LoadLocation(out.TimeZone)
	check("time_zone", err)
	check("path", out.compilePath())
	template, err := c.lineTemplate()
	check("format", err)
	out.line, err = macro.Parse(template, macro.Options{Use: macro.Line, Zone: out.zone})
	check("template", err)
	out.uid, err = lookupID(c.Owner, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	check("owner", err)
	out.gid, err = lookupID(c.Group, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	check("group", err)
	check("rotate", c.Rotate.validate())
	check("sync", oneOf(out.Sync, Settled, Written))
	if out.MaxOpen < 1 || out.NewFiles < 1 {
		errs = append(errs, errors.New("max_open, new_files: want at least 1"))
	}
	return out, errors.Join(errs...)
}

// compilePath takes the path apart.
func (c *compiled) compilePath() error {
	if !path.IsAbs(string(c.Path)) {
		return fmt.Errorf("%q: want an absolute path", c.Path)
	}
	dir, rest := macro.Split(c.Path)
	c.dir = path.Clean(dir)
	var err error
	c.name, err = macro.Parse(rest, macro.Options{Use: macro.Path, Zone: c.zone})
	if err == nil && c.Rotate.active() && c.name.Suffix() == "" {
		// Else a message could choose the name of a rotated file, which is
		// removed some day.
		err = fmt.Errorf("%q: a file that is rotated needs a fixed ending, such as .log", c.Path)
	}
	return err
}

func (c *Config) lineTemplate() (macro.Source, error) {
	if c.Template != "" && c.Format != "" {
		return "", errors.New("give format or template, not both")
	}
	switch {
	case c.Template != "":
		return c.Template, nil
	case c.Format == "":
		return defaultTemplate, nil
	}
	names := map[Format]macro.Source{RFC5424: "${RFC5424}", RFC3164: "${RFC3164}", Raw: "${RAWMSG}", JSON: "${JSON}"}
	if names[c.Format] == "" {
		return "", oneOf(c.Format, RFC5424, RFC3164, Raw, JSON)
	}
	return names[c.Format], nil
}

func (r Rotate) validate() error {
	switch {
	case r.Size != 0 && r.Size < minRotateSize:
		return fmt.Errorf("size: %d is less than %d", r.Size, minRotateSize)
	case r.Keep < 0 || r.MaxAge < 0:
		return errors.New("keep, max_age: want no negative value")
	case !r.active() && r != (Rotate{}):
		return errors.New("want size or every")
	}
	if r.Every != "" {
		if err := oneOf(r.Every, Hour, Day, Week); err != nil {
			return fmt.Errorf("every: %w", err)
		}
	}
	if r.Compress != "" {
		if err := oneOf(r.Compress, Zstd, Gzip, None); err != nil {
			return fmt.Errorf("compress: %w", err)
		}
	}
	return nil
}

func oneOf[T ~string](v T, known ...T) error {
	for _, k := range known {
		if v == k {
			return nil
		}
	}
	return fmt.Errorf("%q is none of %q", v, known)
}

// lookupID returns the number of a user or group that is given by name or as
// a number; -1 for none.
func lookupID(name string, lookup func(string) (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	id, err := lookup(name)
	if err != nil {
		return -1, err
	}
	return strconv.Atoi(id)
}
