package loki

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"rondo/syslogd/syslog"
)

// The elements of structured data that hold what was pushed: the labels of the
// stream, and the structured metadata of the line.
const (
	labelsID = "loki@0"
	metaID   = "lokimeta@0"
)

// A label is a name and its value.
type label struct{ name, value string }

// kind is which field of a message a label stands for.
type kind uint8

const (
	ofSD kind = iota // a parameter of the structured data
	ofHost
	ofApp
	ofLevel
	ofSeverity
	ofFacility
	ofPID
	ofMsgID
)

// native is the kind of the names that always mean a field of the message.
func native(name string) kind {
	switch name {
	case "host":
		return ofHost
	case "app":
		return ofApp
	case "level", "detected_level":
		return ofLevel
	case "severity":
		return ofSeverity
	case "facility":
		return ofFacility
	case "pid":
		return ofPID
	case "msgid":
		return ofMsgID
	}
	return ofSD
}

// alias is the kind of the names that mean a field where the message has no
// label of that name.
func alias(name string) kind {
	switch name {
	case "hostname", "instance", "node":
		return ofHost
	case "service_name", "job", "container", "program":
		return ofApp
	}
	return ofSD
}

// hostNames and appNames are the labels that a pushed message is named by; the
// first that is there wins.
func hostNames() []string { return []string{"host", "hostname", "instance", "node"} }
func appNames() []string {
	return []string{"app", "service_name", "job", "container", "program"}
}

// A pusher makes messages of what one stream pushes.
type pusher struct {
	base   syslog.Message
	labels string // the element of the stream's labels
	level  bool   // it names the level
}

// newPusher maps the labels of a stream.
func newPusher(labels []label, sender netip.Addr, received time.Time) *pusher {
	p := &pusher{base: syslog.Message{Facility: syslog.DefaultFacility, Severity: syslog.Informational, Sender: sender, Received: received}}
	p.base.Host, p.base.App = first(labels, hostNames()), first(labels, appNames())
	p.base.PID = first(labels, []string{"pid"})
	if f, err := syslog.ParseFacility(first(labels, []string{"facility"})); err == nil {
		p.base.Facility = f
	}
	p.base.Severity, p.level = severity(labels, p.base.Severity)
	p.labels = element(labelsID, slices.DeleteFunc(slices.Clone(labels), p.holds))
	p.base.SD = p.labels
	return p
}

// severity is the level that some labels name.
func severity(labels []label, instead syslog.Severity) (syslog.Severity, bool) {
	for _, name := range []string{"level", "severity", "detected_level"} {
		if s, ok := parseLevel(first(labels, []string{name})); ok {
			return s, true
		}
	}
	return instead, false
}

// holds reports whether the message itself tells a label of the stream, so
// that it need not stand in the structured data as well.
func (p *pusher) holds(l label) bool {
	switch l.name {
	case "host", "app", "pid":
		return true
	case "level":
		return slices.Contains(levels(p.base.Severity), l.value)
	case "severity":
		return l.value == p.base.Severity.String()
	case "facility":
		return l.value == p.base.Facility.String()
	}
	return l.value == ""
}

// message makes the message of one line.
func (p *pusher) message(e *entry) syslog.Message {
	m := p.base
	m.Time, m.Raw, m.Text = e.at, e.line, e.line
	if len(e.line) > maxLine {
		m.Raw = strings.ToValidUTF8(e.line[:maxLine], "")
		m.Text, m.Truncated = m.Raw, true
	}
	if len(e.meta) == 0 {
		return m
	}
	if !p.level {
		m.Severity, _ = severity(e.meta, m.Severity)
	}
	if m.PID == "" {
		m.PID = first(e.meta, []string{"pid"})
	}
	m.SD = p.labels + element(metaID, e.meta)
	return m
}

// first is the value of the first of some names that has one.
func first(labels []label, names []string) string {
	for _, n := range names {
		for _, l := range labels {
			if l.name == n && l.value != "" {
				return l.value
			}
		}
	}
	return ""
}

// element writes labels as an element of structured data (RFC 5424, 6.3); no
// labels make none.
func element(id string, labels []label) string {
	if len(labels) == 0 {
		return ""
	}
	b := append(make([]byte, 0, 64), '[')
	b = append(b, id...)
	for _, l := range labels {
		b = syslog.AppendSDParam(b, l.name, l.value)
	}
	return string(append(b, ']'))
}

// streamLabels returns the labels of the stream that a message belongs to, by name.
func streamLabels(m *syslog.Message) []label {
	return groupLabels(m.Origin(), m.App, m.Severity, m.Facility.String(), m.SD)
}

// groupLabels are the labels of a stream, out of the fields that make one.
func groupLabels(host, app string, s syslog.Severity, facility, sd string) []label {
	labels := []label{{"facility", facility}, {"host", host}, {"level", level(s)}}
	if app != "" {
		labels = append(labels, label{"app", app})
	}
	for p := range syslog.SDParams(sd) {
		if p.ID == labelsID && native(p.Name) == ofSD {
			labels = append(labels, label{p.Name, p.Value()})
		}
	}
	return sorted(labels)
}

// metadata returns what else a message tells, by name: the structured metadata
// of a pushed line, the structured data, PROCID and MSGID of a syslog message.
func metadata(m *syslog.Message) []label {
	var labels []label
	for p := range syslog.SDParams(m.SD) {
		if p.ID != labelsID && native(p.Name) == ofSD {
			labels = append(labels, label{p.Name, p.Value()})
		}
	}
	if m.PID != "" {
		labels = append(labels, label{"pid", m.PID})
	}
	if m.MsgID != "" {
		labels = append(labels, label{"msgid", m.MsgID})
	}
	return sorted(labels)
}

// sorted sorts labels by name and leaves the first of each.
func sorted(labels []label) []label {
	slices.SortStableFunc(labels, func(a, b label) int { return strings.Compare(a.name, b.name) })
	return slices.CompactFunc(labels, func(a, b label) bool { return a.name == b.name })
}

// values are all that a message says for the name of a label: matchers and
// label filters ask them one by one. None means that the label is absent.
func values(m *syslog.Message, name string) []string {
	switch native(name) {
	case ofLevel:
		return levels(m.Severity)
	case ofSD:
		var list []string
		for p := range syslog.SDParams(m.SD) {
			if p.Name == name && p.Raw != "" {
				list = append(list, p.Value())
			}
		}
		if len(list) == 0 && alias(name) != ofSD {
			return fieldValue(m, alias(name))
		}
		return list
	}
	return fieldValue(m, native(name))
}

// fieldValue is the value of a field of the message.
func fieldValue(m *syslog.Message, k kind) []string {
	switch k {
	case ofHost:
		return []string{m.Origin()}
	case ofApp:
		return []string{m.App}
	case ofSeverity:
		return []string{m.Severity.String()}
	case ofFacility:
		return []string{m.Facility.String()}
	case ofPID:
		return []string{m.PID}
	}
	return []string{m.MsgID}
}
