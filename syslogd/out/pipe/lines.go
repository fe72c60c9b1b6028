package pipe

import (
	"errors"
	"fmt"
	"time"

	"rondo/syslogd/macro"
)

// Lines says what the lines of messages are.
type Lines struct {
	Format   string       `yaml:"format"`    // rfc5424, rfc3164, raw, or json; rfc5424
	Template macro.Source `yaml:"template"`  // in place of format
	TimeZone string       `yaml:"time_zone"` // of a template's times, such as Europe/Berlin; Local
}

// Parse makes the template of a line, its end included. No message can make
// two lines of it.
func (l *Lines) Parse() (*macro.Template, error) {
	source, err := l.source()
	if err != nil {
		return nil, err
	}
	name := l.TimeZone
	if name == "" {
		name = "Local"
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time_zone: %w", err)
	}
	t, err := macro.Parse(source+`\n`, macro.Options{Use: macro.Line, Zone: zone})
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return t, nil
}

func (l *Lines) source() (macro.Source, error) {
	if l.Template != "" {
		if l.Format != "" {
			return "", errors.New("format and template: want one of them")
		}
		return l.Template, nil
	}
	switch l.Format {
	case "", "rfc5424":
		return "${RFC5424}", nil
	case "rfc3164":
		return "${RFC3164}", nil
	case "raw":
		return "${RAWMSG}", nil
	case "json":
		return "${JSON}", nil
	}
	return "", fmt.Errorf("format: %q is none of rfc5424, rfc3164, raw, json", l.Format)
}
