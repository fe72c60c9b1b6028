package spool

import (
	"errors"
	"fmt"
	"time"
)

// A Policy says what becomes of messages for which a queue has no room.
type Policy string

// The policies of a full queue.
const (
	DropOldest Policy = "drop-oldest" // those that have waited longest make room; the default
	DropNewest Policy = "drop-newest" // what comes is dropped until there is room
	Block      Policy = "block"       // senders wait until there is room; nothing is dropped
)

const (
	defaultBytes = 1 << 30
	minBytes     = 1 << 20
	minAge       = 10 * time.Second
)

// Limits bound a queue. The zero value of each means its default.
type Limits struct {
	Bytes    int64         `yaml:"bytes"`     // of its messages on disk; 1 GiB
	Age      time.Duration `yaml:"age"`       // how long a message may wait; no limit
	WhenFull Policy        `yaml:"when_full"` // drop-oldest (default), drop-newest, or block
}

// Validate says what is wrong, each with its key.
func (l Limits) Validate() error {
	var errs []error
	if l.Bytes != 0 && l.Bytes < minBytes {
		errs = append(errs, fmt.Errorf("bytes: %d is less than %d", l.Bytes, minBytes))
	}
	if l.Age != 0 && l.Age < minAge {
		errs = append(errs, fmt.Errorf("age: %v is less than %v", l.Age, minAge))
	}
	switch l.WhenFull {
	case "", DropOldest, DropNewest, Block:
	default:
		errs = append(errs, fmt.Errorf("when_full: %q is none of %s, %s, %s", l.WhenFull, DropOldest, DropNewest, Block))
	}
	return errors.Join(errs...)
}

func (l Limits) withDefaults() Limits {
	if l.Bytes == 0 {
		l.Bytes = defaultBytes
	}
	if l.WhenFull == "" {
		l.WhenFull = DropOldest
	}
	return l
}

// A QueueConfig names a queue and bounds it.
type QueueConfig struct {
	Name string
	Limits
}
