package program

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rondo/syslogd/out/pipe"
)

// Config is a command.
type Config struct {
	Command    []string          `yaml:"command"` // an absolute path and arguments
	Env        map[string]string `yaml:"env"`     // besides PATH, HOME, LANG and TZ, which are ours
	Dir        string            `yaml:"dir"`     // where it runs; /
	Confirm    bool              `yaml:"confirm"` // it answers "ok N"; see the package comment
	pipe.Lines `yaml:",inline"`
}

// Validate says what is wrong, each with its key. It looks at no file.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Command) == 0 || !filepath.IsAbs(c.Command[0]) {
		errs = append(errs, errors.New("command: want an absolute path, and arguments"))
	}
	if c.Dir != "" && !filepath.IsAbs(c.Dir) {
		errs = append(errs, fmt.Errorf("dir: %q is not absolute", c.Dir))
	}
	for name := range c.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			errs = append(errs, fmt.Errorf("env: %q is no name of a variable", name))
		}
	}
	_, err := c.Parse()
	return errors.Join(append(errs, err)...)
}

// environment is what the command gets.
func (c *Config) environment() []string {
	var all []string
	for _, name := range []string{"PATH", "HOME", "LANG", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			all = append(all, name+"="+v)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		all = append(all, name+"="+c.Env[name]) // of two, the last one counts
	}
	return all
}
