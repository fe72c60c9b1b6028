package logstore

import (
	"errors"
	"fmt"
	"time"

	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// A Class is a kind of messages that are kept for a time of their own. They
// have a directory of their own each day, so that what is dropped early frees
// its disk, and what is kept long costs no more than itself.
type Class struct {
	Name   string         `yaml:"name"`   // of lower-case letters, digits and _
	Filter *filter.Filter `yaml:"filter"` // the first class whose filter matches has the message
	// Retention is how long messages are kept; that of the store if 0.
	Retention time.Duration `yaml:"retention"`
	// MaxBytes is how much disk the class may take on its own. A class without
	// shares the store's with the default class and others like it.
	MaxBytes int64 `yaml:"max_bytes"`
}

// defaultClass has the messages that are of no other.
const defaultClass = "default"

// maxClasses bounds the classes: each has an open chunk in memory.
const maxClasses = 16

// validate reports what cannot work.
func (c *Class) validate() error {
	switch {
	case !isClass(c.Name) || c.Name == defaultClass:
		return fmt.Errorf("name: %q is not made of lower-case letters, digits and _, or is %q", c.Name, defaultClass)
	case c.Filter == nil || c.Filter.Root == nil:
		return errors.New("filter: it is missing: it says which messages are of the class")
	case c.Retention != 0 && c.Retention < time.Hour:
		return errors.New("retention: less than an hour")
	case c.MaxBytes != 0 && c.MaxBytes < minMaxBytes:
		return errTooFewBytes
	}
	return nil
}

func validateClasses(classes []Class) error {
	if len(classes) > maxClasses {
		return fmt.Errorf("classes: %d of them, at most %d", len(classes), maxClasses)
	}
	names := map[string]bool{}
	var errs []error
	for i := range classes {
		c := &classes[i]
		if err := c.validate(); err != nil {
			errs = append(errs, fmt.Errorf("classes: %d: %w", i+1, err))
		}
		if names[c.Name] {
			errs = append(errs, fmt.Errorf("classes: %d: name: %q is there twice", i+1, c.Name))
		}
		names[c.Name] = true
	}
	return errors.Join(errs...)
}

// classOf is the class of a message.
func (c *Config) classOf(m *syslog.Message) string {
	for i := range c.Classes {
		if c.Classes[i].Filter.Match(m) {
			return c.Classes[i].Name
		}
	}
	return defaultClass
}

// Keeps reports whether a message stays that was received when it says: whether
// retention does not drop that day of its class now, or tomorrow. How much disk
// there is, is another question.
func (s *Store) Keeps(m *syslog.Message, now time.Time) bool {
	k := s.o.Config.keyOf(m)
	return k.day > dayOf(now.Add(-s.o.Config.class(k.class).Retention))
}

// class returns what holds for a class. One that is not configured any more
// is kept as the default class is.
func (c *Config) class(name string) Class {
	for _, x := range c.Classes {
		if x.Name != name {
			continue
		}
		if x.Retention == 0 {
			x.Retention = c.Retention
		}
		return x
	}
	return Class{Name: name, Retention: c.Retention}
}
