package backup

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Config is the section "backup" of the configuration.
type Config struct {
	To         string        `yaml:"to"`         // a directory, or s3://bucket/prefix
	Every      time.Duration `yaml:"every"`      // at whole multiples of it, in UTC; 0: when asked
	Keep       int           `yaml:"keep"`       // how many backups stay
	Recipients []string      `yaml:"recipients"` // age1...: to whom it is encrypted; none: to nobody
}

// DefaultConfig makes no backups.
func DefaultConfig() Config { return Config{Keep: 7} }

// IsBucket says whether a target's name is that of a bucket.
func IsBucket(to string) bool { return strings.HasPrefix(to, "s3:") }

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if c.To == "" && (c.Every != 0 || len(c.Recipients) > 0) {
		errs = append(errs, errors.New("backup: to is missing: a directory, or s3://bucket/prefix"))
	}
	if c.Every != 0 && c.Every < time.Minute {
		errs = append(errs, fmt.Errorf("backup: every: %s is too often, want a minute or more", c.Every))
	}
	if c.Keep < 1 {
		errs = append(errs, fmt.Errorf("backup: keep: %d, want 1 or more", c.Keep))
	}
	_, err := ParseRecipients(c.Recipients)
	return errors.Join(append(errs, err)...)
}

// Due is when the next backup is to be made after one: at the next whole
// multiple of Every, so that it is always at the same hours. None yet is due
// at once.
func (c Config) Due(last time.Time) time.Time {
	if last.IsZero() {
		return last
	}
	return last.UTC().Truncate(c.Every).Add(c.Every)
}
