package syslogd

import (
	"strings"

	gosyslog "github.com/influxdata/go-syslog/v3"
	"github.com/influxdata/go-syslog/v3/rfc3164"
	"github.com/influxdata/go-syslog/v3/rfc5424"

	"rondo/syslogd/syslog"
)

// strict holds a message to the letter of its RFC, by the judgement of the
// go-syslog parsers. It is not safe for concurrent use: they have state.
type strict struct {
	rfc5424, rfc3164 gosyslog.Machine
}

func newStrict() *strict {
	return &strict{rfc5424: rfc5424.NewMachine(), rfc3164: rfc3164.NewMachine(rfc3164.WithRFC3339())}
}

// accepts reports whether m conforms to RFC 5424 or RFC 3164. The parsers
// return neither a message nor an error for some input, which is a refusal.
func (s *strict) accepts(m *syslog.Message) bool {
	machine := s.rfc3164
	if m.Format == syslog.RFC5424 {
		machine = s.rfc5424
	}
	got, err := machine.Parse([]byte(strings.TrimRight(m.Raw, "\n")))
	return err == nil && got != nil
}
