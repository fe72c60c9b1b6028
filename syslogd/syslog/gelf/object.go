package gelf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd/syslog"
)

// object is what one JSON object says.
type object struct {
	host, app, pid string
	short, full    string
	other          string // "message", used where there is no short one
	at             time.Time
	facility       syslog.Facility
	severity       syslog.Severity
	hasLevel       bool
	rank           int    // of the field that app is from; lower is better
	sd             []byte // the element "[gelf", not closed
}

// parse reads an object, in the order of its fields, of which none may replace
// another. encoding/json judges; the walk that follows need not.
func (o *object) parse(data []byte) error {
	*o = object{facility: syslog.DefaultFacility, severity: syslog.DefaultSeverity, rank: math.MaxInt, sd: append(o.sd[:0], "[gelf"...)}
	data = bytes.TrimRight(bytes.TrimPrefix(data, []byte("\ufeff")), "\x00\r\n")
	if !json.Valid(data) {
		return fmt.Errorf("%w: %w", BadJSON, json.Unmarshal(data, &struct{}{}))
	}
	s := skipSpace(string(data))
	if s[0] != '{' {
		return fmt.Errorf("%w: it does not begin with {", BadJSON)
	}
	for s = skipSpace(s[1:]); s[0] != '}'; {
		n := extent(s)
		name := unquote(s[1 : n-1])
		s = skipSpace(skipSpace(s[n:])[1:]) // the colon
		n = extent(s)
		o.field(name, s[:n])
		if s = skipSpace(s[n:]); s[0] == ',' {
			s = skipSpace(s[1:])
		}
	}
	switch {
	case o.short == "":
		o.short = o.other
	case o.other != "":
		o.sd = syslog.AppendSDParam(o.sd, "message", o.other)
	}
	if o.short == "" && o.full == "" {
		return NoMessage
	}
	return nil
}

// field puts a field where it belongs. One that cannot be used there is
// structured data, like those that have no place of their own.
func (o *object) field(name, raw string) {
	v, ok := value(raw)
	if !ok || name == "version" || o.ownField(name, v) {
		return
	}
	if rank := appRank(name); rank < o.rank && v != "" {
		o.app, o.rank = v, rank
	}
	if o.pid == "" && (name == "_pid" || name == "_process_id") {
		o.pid = v
	}
	o.sd = syslog.AppendSDParam(o.sd, strings.TrimPrefix(name, "_"), v)
}

// ownField takes the fields of the specification, and reports whether it did:
// each but once, and if its value makes sense.
func (o *object) ownField(name, v string) bool {
	switch name {
	case "host":
		return setOnce(&o.host, v)
	case "short_message":
		return setOnce(&o.short, v)
	case "message": // what some senders call it
		return setOnce(&o.other, v)
	case "full_message":
		return setOnce(&o.full, v)
	case "timestamp":
		at, ok := instant(v)
		if ok = ok && o.at.IsZero(); ok {
			o.at = at
		}
		return ok
	case "level":
		n, err := strconv.ParseUint(v, 10, 8)
		ok := err == nil && n <= uint64(syslog.Debug) && !o.hasLevel
		if ok {
			o.severity, o.hasLevel = syslog.Severity(n), true
		}
		return ok
	case "facility":
		f, err := syslog.ParseFacility(v)
		if err == nil {
			o.facility = f
		}
		return err == nil
	}
	return false
}

func setOnce(dst *string, v string) bool {
	if *dst != "" {
		return false
	}
	*dst = v
	return true
}

// appRank is how well a field names the program; the lowest is best.
func appRank(name string) int {
	switch name {
	case "_app":
		return 0
	case "_application":
		return 1
	case "_app_name":
		return 2
	case "_program":
		return 3
	case "_tag":
		return 4
	case "_container_name":
		return 5
	case "facility":
		return 6
	}
	return math.MaxInt
}

func (o *object) message(received time.Time, sender netip.Addr) syslog.Message {
	m := syslog.Message{
		Facility: o.facility, Severity: o.severity, HasPRI: o.hasLevel,
		Time: o.at, Received: received, Sender: sender,
		Host: o.host, App: o.app, PID: o.pid, Text: o.text(),
	}
	if len(o.sd) > len("[gelf") {
		m.SD = string(append(o.sd, ']'))
	}
	return syslog.Compose(m)
}

// text joins the messages: most senders begin the full one with the short one.
func (o *object) text() string {
	switch {
	case strings.HasPrefix(o.full, o.short):
		return o.full
	case o.full == "":
		return o.short
	}
	return o.short + "\n" + o.full
}

// value is a field's value as text; null has none.
func value(raw string) (v string, ok bool) {
	switch raw[0] {
	case '"':
		return unquote(raw[1 : len(raw)-1]), true
	case 'n':
		return "", false
	}
	return raw, true
}

// instant reads seconds since 1970 with a fraction. It goes digit by digit,
// since a float has no room for microseconds. What would lie beyond the year
// 5000 are milliseconds, or finer.
func instant(v string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(v, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	nanos, bad := strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
	switch {
	case strings.ContainsAny(v, "eE"):
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || !(f >= 0 && f < farFuture) {
			return time.Time{}, false
		}
		return time.Unix(int64(f), int64((f-math.Trunc(f))*1e9)).UTC(), true
	case err != nil, bad != nil, n < 0:
		return time.Time{}, false
	case n < farFuture:
		return time.Unix(n, int64(nanos)).UTC(), true
	}
	scale := int64(1000)
	for n/scale >= farFuture && scale < 1e9 {
		scale *= 1000
	}
	return time.Unix(n/scale, n%scale*(1e9/scale)).UTC(), n/scale < farFuture
}

const farFuture = 1e11 // seconds: the year 5138
