package host

import (
	"fmt"
	"os"
	"time"

	"rondo/collectors"
)

// Config is the collector's section of the configuration.
type Config struct {
	Interval time.Duration `yaml:"interval"`
	Host     string        `yaml:"host"` // the label; empty: the machine's name
	Proc     string        `yaml:"proc"` // where proc is mounted
}

// DefaultConfig measures every 10 s.
func DefaultConfig() Config {
	return Config{Interval: 10 * time.Second, Proc: "/proc"}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	if c.Interval < time.Second {
		return fmt.Errorf("interval %v: want at least 1s", c.Interval)
	}
	return nil
}

// Kind is what the configuration calls "host". It runs by default.
func Kind() collectors.Kind { return collectors.KindOf("host", true, DefaultConfig, New) }

// New makes the collector. On systems other than Linux it refuses.
func New(env collectors.Env, c Config) (collectors.Collector, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	if c.Host == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("host: the machine has no name, name it in the configuration: %w", err)
		}
		c.Host = name
	}
	return build(env, c)
}
