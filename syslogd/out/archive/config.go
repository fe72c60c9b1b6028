package archive

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"rondo/syslogd/macro"
	"rondo/syslogd/out"
)

// Config says which bucket, and what its objects are.
type Config struct {
	To string `yaml:"to"` // s3://bucket/prefix

	// The bucket's server, as in the section backup: what is empty comes from
	// AWS's usual places (environment, shared files, instance role).
	Endpoint  string     `yaml:"endpoint"`
	Region    string     `yaml:"region"`
	AccessKey string     `yaml:"access_key"`
	SecretKey out.Secret `yaml:"secret_key"`
	PathStyle *bool      `yaml:"path_style"`

	// Recipients are public keys of age; whoever makes the bucket encrypts to
	// them. None: plain objects.
	Recipients []string `yaml:"recipients"`

	Key        macro.Source  `yaml:"key"`         // folder of an object; default DefaultKey
	TimeZone   string        `yaml:"time_zone"`   // of the macros; default UTC
	Compress   Compression   `yaml:"compress"`    // default zstd
	Age        time.Duration `yaml:"age"`         // period of a round; default 5m
	Size       int64         `yaml:"size"`        // bytes of a round's lines, uncompressed; default 64 MiB
	MaxObjects int           `yaml:"max_objects"` // of a round; default 256
}

// DefaultKey has a folder for each day and host.
const DefaultKey = macro.Source("logs/${R_YEAR}/${R_MONTH}/${R_DAY}/${HOST}")

// Compression is the format of objects.
type Compression string

// The compressions.
const (
	Zstd Compression = "zstd"
	Gzip Compression = "gzip"
)

// suffix is what the name of an object ends in.
func (c Compression) suffix() string {
	if c == Gzip {
		return ".jsonl.gz"
	}
	return ".jsonl.zst"
}

const (
	defaultAge        = 5 * time.Minute
	defaultSize       = 64 << 20
	defaultMaxObjects = 256
	minSize           = 1 << 10
	maxSize           = 1 << 30
	// maxKey leaves room for the rest of a name below S3's 1,024 bytes, and
	// for a prefix.
	maxKey = 700
)

func (c Config) withDefaults() Config {
	c.Key = cmp.Or(c.Key, DefaultKey)
	c.TimeZone = cmp.Or(c.TimeZone, "UTC")
	c.Compress = cmp.Or(c.Compress, Zstd)
	c.Age = cmp.Or(c.Age, defaultAge)
	c.Size = cmp.Or(c.Size, defaultSize)
	c.MaxObjects = cmp.Or(c.MaxObjects, defaultMaxObjects)
	return c
}

// grace is how long messages of a period may be on their way from the listener
// to the queue.
func (c *Config) grace() time.Duration { return min(c.Age/2, 2*time.Second) }

// Validate says what is wrong, each with its key. What the server's address and
// Recipients may be is for those to say who know these.
func (c *Config) Validate() error {
	_, err := compile(c.withDefaults())
	return err
}

// compile reads the template of keys.
func compile(c Config) (*macro.Template, error) {
	var errs []error
	if rest, ok := strings.CutPrefix(c.To, "s3://"); !ok || rest == "" || rest[0] == '/' {
		errs = append(errs, fmt.Errorf("to: %q: want s3://bucket/prefix", c.To))
	}
	if (c.AccessKey == "") != (c.SecretKey == "") {
		errs = append(errs, errors.New("access_key: it and secret_key go together"))
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		errs = append(errs, fmt.Errorf("time_zone: %w", err))
	}
	key, err := macro.Parse(c.Key, macro.Options{Use: macro.Path, Zone: zone})
	if err != nil {
		errs = append(errs, fmt.Errorf("key: %w", err))
	} else if key.Longest() > maxKey {
		errs = append(errs, fmt.Errorf("key: it can become longer than %d bytes", maxKey))
	}
	if c.Compress != Zstd && c.Compress != Gzip {
		errs = append(errs, fmt.Errorf("compress: %q is neither %s nor %s", c.Compress, Zstd, Gzip))
	}
	if c.Age < time.Second || c.Age > 24*time.Hour {
		errs = append(errs, errors.New("age: want 1s to 24h"))
	}
	if c.Size < minSize || c.Size > maxSize {
		errs = append(errs, fmt.Errorf("size: want %d to %d", minSize, maxSize))
	}
	if c.MaxObjects < 1 {
		errs = append(errs, errors.New("max_objects: want at least 1"))
	}
	return key, errors.Join(errs...)
}
