package logstore

import (
	"fmt"
	"strings"
	"time"

	"rondo/syslogd/syslog"
)

// key names a directory of chunks: what is dropped together.
type key struct {
	day   int32  // of reception, UTC, since 1970
	class string // retention class
}

const dayLayout = "20060102"

// keyOf is where a message belongs. The day goes by our own clock, so that no
// sender can make days, nor put its messages where they are dropped at once.
func (c *Config) keyOf(m *syslog.Message) key { return key{dayOf(m.Received), c.classOf(m)} }

func dayOf(t time.Time) int32 {
	s := t.Unix()
	if s < 0 {
		s -= 86399
	}
	return int32(s / 86400)
}

// start is when the day begins.
func (k key) start() time.Time { return time.Unix(int64(k.day)*86400, 0).UTC() }

func (k key) String() string { return k.start().Format(dayLayout) + "-" + k.class }

// parseKey reads the name of a directory.
func parseKey(name string) (key, error) {
	day, class, _ := strings.Cut(name, "-")
	t, err := time.Parse(dayLayout, day)
	if err != nil || !isClass(class) {
		return key{}, fmt.Errorf("%q is no day and class", name)
	}
	return key{dayOf(t), class}, nil
}

// isClass keeps the names of classes safe as parts of file names.
func isClass(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// before is the order of directories.
func (k key) compare(o key) int {
	if k.day != o.day {
		return int(k.day) - int(o.day)
	}
	return strings.Compare(k.class, o.class)
}
