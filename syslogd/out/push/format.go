package push

import (
	"log/slog"

	"rondo/syslogd/macro"
	"rondo/syslogd/syslog"
)

// A format is how messages are written, and answers read.
type format interface {
	// append appends one message; where there are streams, it returns that of
	// the message.
	append(dst []byte, m *syslog.Message, key string) (*stream, []byte)
	// split parts the items of a portion into those of one request each.
	split(items []item) [][]item
	// body makes a request of some items of a portion.
	body(p *portion, items []item) []byte
	// read tells of an answer to items, which was 2xx, which of them are left
	// to be sent again, and why. It calls refuse for each that is refused.
	read(items []item, answer []byte, refuse func(why string)) (left []item, why, err error)
	contentType() string
	path() string // of a URL that has none
}

func newFormat(cfg *Config, log *slog.Logger) (format, error) {
	switch cfg.Format {
	case Loki, LokiJSON:
		return newLoki(cfg, log)
	case Elasticsearch:
		return newElastic(cfg)
	}
	return newObjects(cfg)
}

// whole is what formats have in common whose answer is one for all of a
// request.
type whole struct{}

func (whole) split(items []item) [][]item { return [][]item{items} }

func (whole) read([]item, []byte, func(string)) ([]item, error, error) { return nil, nil, nil }

// A field is a name and the template of its value.
type field struct {
	name  string
	value *macro.Template
}
