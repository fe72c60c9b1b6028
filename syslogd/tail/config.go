package tail

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// Config says what is read.
type Config struct {
	Files   []Input       `yaml:"files"`
	FIFOs   []FIFO        `yaml:"fifos"`
	Journal *JournalInput `yaml:"journal"`
	Limits  `yaml:",inline"`
}

// Limits bound what a Tailer holds and does.
type Limits struct {
	BatchBytes   int           `yaml:"batch_bytes"`    // read before the sink is called; 256 KiB
	MaxOpen      int           `yaml:"max_open_files"` // 256; beyond it those that were quiet the longest are closed
	MaxFiles     int           `yaml:"max_files"`      // 10,000; beyond it the rest is not read, and counted
	MaxPositions int           `yaml:"max_positions"`  // 8,192; beyond it those whose file has been gone the longest are forgotten
	Poll         time.Duration `yaml:"poll"`           // between looks at all files, for what the kernel does not tell; 30 s
	Linger       time.Duration `yaml:"linger"`         // how long a file that was removed is kept open after its last line; 1 m
	Forget       time.Duration `yaml:"forget"`         // how long the position of a file that is gone is kept; 7 days
}

// Input is some files, and how they are read.
type Input struct {
	Paths   []string `yaml:"paths"`   // globs; ** stands for any number of folders
	Exclude []string `yaml:"exclude"` // globs, of whole paths or of names; such files are never opened

	App      string `yaml:"app"`      // the name of the file, without endings, if empty
	Facility string `yaml:"facility"` // user
	Severity string `yaml:"severity"` // notice
	Host     string `yaml:"host"`     // that of the machine, if empty

	Encoding  Encoding       `yaml:"encoding"` // utf-8
	Parse     Format         `yaml:"parse"`    // plain
	Multiline Multiline      `yaml:"multiline"`
	From      From           `yaml:"from"`     // beginning
	MaxLine   int            `yaml:"max_line"` // bytes; what is longer is several messages. 64 KiB
	Filter    *filter.Filter `yaml:"filter"`   // which messages; none: all

	// Allowed, if any, is asked about the path of each file that was opened, with
	// no links in it. What it has an error for is not read, unless rotation has
	// made its name of one that is allowed.
	Allowed func(path string) error `yaml:"-"`
}

// Multiline makes one message of several lines. Without a pattern, each line
// is one.
type Multiline struct {
	Start    string        `yaml:"start"`    // a line that matches begins a message
	Continue string        `yaml:"continue"` // a line that matches goes on with the message
	MaxLines int           `yaml:"max_lines"`
	Flush    time.Duration `yaml:"flush"` // a message is complete when nothing was added for so long; 5 s
}

// From is where reading begins in files that are there when an input is new.
// Files that come later are always read from the beginning.
type From string

// The places to begin at.
const (
	FromBeginning From = "beginning"
	FromEnd       From = "end"
)

// Format is what the lines of a file are.
type Format string

// The formats.
const (
	FormatPlain  Format = "plain"  // the line is the text
	FormatJSON   Format = "json"   // an object: its members become structured data
	FormatSyslog Format = "syslog" // as syslog daemons write files
	FormatAuto   Format = "auto"   // whichever the line looks like
)

const (
	defaultBatch     = 256 << 10
	defaultMaxOpen   = 256
	defaultMaxFiles  = 10000
	defaultPositions = 8192
	defaultPoll      = 30 * time.Second
	defaultLinger    = time.Minute
	defaultForget    = 7 * 24 * time.Hour
	defaultMaxLines  = 500
	defaultFlush     = 5 * time.Second

	minMaxLine = 64
	maxMaxLine = 8 << 20 // as the log server's max_message
	minBatch   = 4 << 10
	maxBatch   = 64 << 20
	minPoll    = 100 * time.Millisecond
)

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		v         *int
		byDefault int
	}{
		{&l.BatchBytes, defaultBatch}, {&l.MaxOpen, defaultMaxOpen},
		{&l.MaxFiles, defaultMaxFiles}, {&l.MaxPositions, defaultPositions},
	} {
		if *f.v == 0 {
			*f.v = f.byDefault
		}
	}
	for _, f := range []struct {
		v         *time.Duration
		byDefault time.Duration
	}{{&l.Poll, defaultPoll}, {&l.Linger, defaultLinger}, {&l.Forget, defaultForget}} {
		if *f.v == 0 {
			*f.v = f.byDefault
		}
	}
	return l
}

// Validate says what is wrong, each with its key.
func (c *Config) Validate() error {
	errs := []error{c.Limits.validate()}
	for i := range c.Files {
		if err := c.Files[i].Validate(); err != nil {
			errs = append(errs, fmt.Errorf("files: %d: %w", i+1, err))
		}
	}
	for i := range c.FIFOs {
		if _, err := c.FIFOs[i].input(""); err != nil {
			errs = append(errs, fmt.Errorf("fifos: %d: %w", i+1, err))
		}
	}
	if c.Journal != nil {
		if err := c.Journal.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("journal: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (l Limits) validate() error {
	l = l.withDefaults()
	var errs []error
	if l.BatchBytes < minBatch || l.BatchBytes > maxBatch {
		errs = append(errs, fmt.Errorf("batch_bytes: %d is not from %d to %d", l.BatchBytes, minBatch, maxBatch))
	}
	for _, f := range []struct {
		key string
		v   int
	}{{"max_open_files", l.MaxOpen}, {"max_files", l.MaxFiles}, {"max_positions", l.MaxPositions}} {
		if f.v < 1 {
			errs = append(errs, fmt.Errorf("%s: %d is less than 1", f.key, f.v))
		}
	}
	if l.Poll < minPoll {
		errs = append(errs, fmt.Errorf("poll: %v is less than %v", l.Poll, minPoll))
	}
	if l.Linger < 0 || l.Forget < 0 {
		errs = append(errs, errors.New("linger, forget: less than zero"))
	}
	return errors.Join(errs...)
}

// Validate says what is wrong, each with its key.
func (in *Input) Validate() error {
	_, err := in.compile("")
	return err
}

// An input is an Input ready for use.
type input struct {
	patterns []pattern
	rotated  []pattern // what rotation makes of the patterns' names
	exclude  []string
	allowed  func(path string) error
	from     From
	encoding Encoding
	parse    Format
	maxLine  int
	multi    multiline
	filter   *filter.Filter

	app, host string
	facility  syslog.Facility
	severity  syslog.Severity
	flush     time.Duration
	linger    time.Duration // of Limits
}

// compile checks everything, and fills in what was left out.
func (in *Input) compile(host string) (*input, error) {
	c := &input{
		exclude: in.Exclude, allowed: in.Allowed, from: in.From, encoding: in.Encoding, parse: in.Parse,
		maxLine: in.MaxLine, filter: in.Filter, app: in.App, host: in.Host,
		facility: syslog.DefaultFacility, severity: syslog.DefaultSeverity, flush: in.Multiline.Flush,
	}
	errs := []error{c.addPatterns(in.Paths), c.checkWords(), c.setPriority(in.Facility, in.Severity)}
	for _, e := range in.Exclude {
		if _, err := filepath.Match(e, ""); err != nil || e == "" {
			errs = append(errs, fmt.Errorf("exclude: %q is not a glob", e))
		}
	}
	if c.host == "" {
		c.host = host
	}
	if c.maxLine == 0 {
		c.maxLine = syslog.DefaultMaxMessage
	}
	if c.maxLine < minMaxLine || c.maxLine > maxMaxLine {
		errs = append(errs, fmt.Errorf("max_line: %d is not from %d to %d", c.maxLine, minMaxLine, maxMaxLine))
	}
	if c.flush == 0 {
		c.flush = defaultFlush
	}
	var err error
	if c.multi, err = in.Multiline.compile(); err != nil || c.flush < 0 {
		errs = append(errs, fmt.Errorf("multiline: %w", errors.Join(err, negative(c.flush))))
	}
	return c, errors.Join(errs...)
}

func negative(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("flush: %v is less than zero", d)
	}
	return nil
}

func (in *input) addPatterns(paths []string) error {
	if len(paths) == 0 {
		return errors.New("paths: none")
	}
	for _, p := range paths {
		glob, err := newPattern(p)
		if err != nil {
			return fmt.Errorf("paths: %w", err)
		}
		in.patterns = append(in.patterns, glob)
		in.rotated = append(in.rotated, glob.rotations()...)
	}
	return nil
}

// checkWords looks at the keys whose values are words.
func (in *input) checkWords() error {
	var errs []error
	switch in.from {
	case "":
		in.from = FromBeginning
	case FromBeginning, FromEnd:
	default:
		errs = append(errs, fmt.Errorf("from: %q is neither %s nor %s", in.from, FromBeginning, FromEnd))
	}
	switch in.parse {
	case "":
		in.parse = FormatPlain
	case FormatPlain, FormatJSON, FormatSyslog, FormatAuto:
	default:
		errs = append(errs, fmt.Errorf("parse: %q is none of %s, %s, %s, %s", in.parse, FormatPlain, FormatJSON, FormatSyslog, FormatAuto))
	}
	var err error
	if in.encoding, err = in.encoding.canonical(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// permit asks whether an open file may be read.
func (in *input) permit(fd openFile) error {
	if in.allowed == nil {
		return nil
	}
	path, err := fd.Real()
	if err != nil {
		return err
	}
	err = in.allowed(path)
	if err != nil && in.allowed(filepath.Join(filepath.Dir(path), family(path))) == nil {
		return nil
	}
	return err
}

func (in *input) setPriority(facility, severity string) (err error) {
	var errs []error
	if facility != "" {
		if in.facility, err = syslog.ParseFacility(facility); err != nil {
			errs = append(errs, err)
		}
	}
	if severity != "" {
		if in.severity, err = syslog.ParseSeverity(severity); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (m Multiline) compile() (multiline, error) {
	c := multiline{maxLines: m.MaxLines}
	if c.maxLines == 0 {
		c.maxLines = defaultMaxLines
	}
	if c.maxLines < 1 {
		return c, fmt.Errorf("max_lines: %d is less than 1", m.MaxLines)
	}
	var err error
	switch {
	case m.Start != "" && m.Continue != "":
		return c, errors.New("start, continue: only one of them")
	case m.Start != "":
		c.start = true
		c.pattern, err = regexp.Compile(m.Start)
	case m.Continue != "":
		c.pattern, err = regexp.Compile(m.Continue)
	}
	return c, err
}

// excluded reports whether a path must not be read.
func (in *input) excluded(path string) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	for _, e := range in.exclude {
		of := path
		if !strings.Contains(e, "/") {
			of = name
		}
		if ok, _ := filepath.Match(e, of); ok {
			return true
		}
	}
	return false
}
