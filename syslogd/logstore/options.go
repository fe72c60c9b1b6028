package logstore

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"rondo/rrd/seglog"
)

// Config is the part of the configuration file that belongs to the store.
type Config struct {
	// Retention is how long messages are kept, by day of reception.
	Retention time.Duration `yaml:"retention"`
	// MaxBytes is how much disk the chunks may take; the oldest days go first.
	MaxBytes int64 `yaml:"max_bytes"`
	// Classes are kept for times of their own; what belongs to none, as above.
	Classes []Class `yaml:"classes"`
	// WhenFull is what happens when the disk is: Refuse or DropOldest.
	WhenFull WhenFull `yaml:"when_full"`
}

// WhenFull is what a store does on a full disk.
type WhenFull string

// What a store may do on a full disk: refuse messages until there is room, so
// that senders keep them where their protocol can, or drop the oldest day, of
// any class, but never the day that is being written. Refuse is the default.
const (
	Refuse     WhenFull = "refuse"
	DropOldest WhenFull = "drop-oldest"
)

const minMaxBytes = 64 << 20

var errTooFewBytes = errors.New("max_bytes: less than 64 MiB")

// DefaultConfig keeps 30 days or 10 GB, whichever is less.
func DefaultConfig() Config {
	return Config{Retention: 30 * 24 * time.Hour, MaxBytes: 10e9, WhenFull: Refuse}
}

// Validate reports what cannot work.
func (c Config) Validate() error {
	switch {
	case c.Retention < time.Hour:
		return errors.New("retention: less than an hour")
	case c.MaxBytes < minMaxBytes:
		return errTooFewBytes
	case c.WhenFull != "" && c.WhenFull != Refuse && c.WhenFull != DropOldest:
		return fmt.Errorf("when_full: %q is neither %s nor %s", c.WhenFull, Refuse, DropOldest)
	}
	return validateClasses(c.Classes)
}

// Options of a Store. The zero value of each means its default.
type Options struct {
	Config Config
	// ChunkBytes of lines make a chunk; 4 MiB.
	ChunkBytes int64
	// A chunk is sealed before it is full when nothing was added for
	// SealIdle (10 min), or when its first message is SealAge (1 h) old.
	SealIdle, SealAge time.Duration
	// ReserveBytes of free disk below which nothing is written; 64 MiB.
	// Negative: none.
	ReserveBytes int64
	// TailBuffer is how many messages a live tail may lag behind; 4096.
	TailBuffer int
	// TailBytes is how much memory these may take; 4 MiB.
	TailBytes int
	// SegmentBytes is the size of a segment of the log; 16 MiB.
	SegmentBytes int64
	// MaxMarks is how many marks are kept; 500,000.
	MaxMarks int
	// FS is what the log is written to, and what tells how much disk is free;
	// the real file system.
	FS  seglog.FS
	Log *slog.Logger // none

	apart bool // small chunks are not merged: for tests that want many
	// step is called between two changes of the disk: for tests that crash
	// there.
	step func(at string)
}

func (o Options) withDefaults() Options {
	o.Config.Retention = cmp.Or(o.Config.Retention, DefaultConfig().Retention)
	o.Config.MaxBytes = cmp.Or(o.Config.MaxBytes, DefaultConfig().MaxBytes)
	o.ChunkBytes = cmp.Or(o.ChunkBytes, 4<<20)
	o.SealIdle = cmp.Or(o.SealIdle, 10*time.Minute)
	o.SealAge = cmp.Or(o.SealAge, time.Hour)
	o.ReserveBytes = cmp.Or(o.ReserveBytes, 64<<20)
	o.TailBuffer = cmp.Or(o.TailBuffer, 4096)
	o.TailBytes = cmp.Or(o.TailBytes, 4<<20)
	o.SegmentBytes = cmp.Or(o.SegmentBytes, 16<<20)
	o.MaxMarks = cmp.Or(o.MaxMarks, defaultMaxMarks)
	if o.FS == nil {
		o.FS = seglog.OS{}
	}
	if o.step == nil {
		o.step = func(string) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

const (
	maxChunkRows = 200_000          // a chunk of tiny lines is sealed at this many
	maxBacklog   = 8                // chunks that wait to be sealed before writers wait
	maxOpenDirs  = 6                // Badger directories
	dirIdle      = 15 * time.Second // after which a directory is closed
	tick         = 5 * time.Second
	maxCatalogue = 64 << 20 // bytes of catalogues of chunks kept in memory
)
