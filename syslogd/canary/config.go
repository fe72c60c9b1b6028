package canary

import (
	"fmt"
	"time"
)

// Config is the section syslogd.canary of the configuration.
type Config struct {
	Interval time.Duration `yaml:"interval"` // between two sentinels to a listener; 0: off
	Timeout  time.Duration `yaml:"timeout"`  // a sentinel that has not come by then is lost
}

// DefaultConfig sends every 10 s.
func DefaultConfig() Config { return Config{Interval: 10 * time.Second, Timeout: 30 * time.Second} }

// maxTimeout bounds the sentinels that are waited for.
const maxTimeout = 10 * time.Minute

// Validate says what is wrong with c.
func (c Config) Validate() error {
	switch {
	case c.Interval != 0 && c.Interval < time.Second:
		return fmt.Errorf("canary: interval %v: want at least 1s, or 0 for none", c.Interval)
	case c.Timeout < time.Second || c.Timeout > maxTimeout:
		return fmt.Errorf("canary: timeout %v: want 1s to %v", c.Timeout, maxTimeout)
	}
	return nil
}
