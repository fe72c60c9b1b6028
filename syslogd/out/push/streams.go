package push

import (
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// generation is how long a stream counts: at least so long after its last
// message, and at most twice.
const generation = time.Hour

// maxLabel bounds a label's value, in bytes: Loki refuses longer ones.
const maxLabel = 2048

// streams are those that messages were pushed to of late: no more than Loki
// is to have.
type streams struct {
	most      int
	log       *slog.Logger
	now, last map[string]*stream // by their labels' values
	turned    time.Time
	told      bool // that there are too many, in this generation
	over      *stream
	key       []byte // scratch
}

func newStreams(most int, log *slog.Logger) streams {
	over := newStream([]pair{{"overflow", "true"}})
	over.overflow = true
	return streams{most: most, log: log, over: over}
}

// of finds the stream of some labels.
func (s *streams) of(labels []pair, now time.Time) *stream {
	s.turn(now)
	s.key = s.key[:0]
	long := false
	for _, l := range labels {
		long = long || len(l.value) > maxLabel
		s.key = append(append(s.key, l.value...), 0)
	}
	if known := s.now[string(s.key)]; known != nil {
		return known
	}
	found := s.last[string(s.key)]
	switch {
	case found != nil:
		delete(s.last, string(s.key))
	case long:
		return s.over
	case len(s.now)+len(s.last) >= s.most:
		if !s.told {
			s.log.Warn("too many streams for Loki: what would make another one goes to the stream overflow", "streams", s.most)
		}
		s.told = true
		return s.over
	default:
		found = newStream(labels)
	}
	s.now[string(s.key)] = found
	return found
}

func (s *streams) turn(now time.Time) {
	if s.now != nil && now.Sub(s.turned) < generation {
		return
	}
	s.last, s.now, s.turned, s.told = s.now, map[string]*stream{}, now, false
}

// newStream writes labels in both forms. Empty ones mean absent ones; a stream
// needs one.
func newStream(labels []pair) *stream {
	var present []pair
	for _, l := range labels {
		if l.value != "" {
			present = append(present, pair{l.name, asUTF8(l.value)})
		}
	}
	if len(present) == 0 {
		present = []pair{{"job", "rondo"}}
	}
	var text strings.Builder
	for i, l := range present {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(l.name + "=" + strconv.Quote(l.value))
	}
	return &stream{text: "{" + text.String() + "}", json: string(appendPairs(nil, present))}
}
