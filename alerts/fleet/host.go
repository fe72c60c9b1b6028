package fleet

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"rondo/rrd"
)

// A Host is one machine that sends metrics or logs.
type Host struct {
	ID        string    `json:"id"`                 // the host's name
	Group     string    `json:"group,omitempty"`    // "" where it belongs to none
	Instance  string    `json:"instance,omitempty"` // EC2 instance ID, where known
	FirstSeen time.Time `json:"first_seen,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"` // when its newest sample came in
	LastLog   time.Time `json:"last_log,omitzero"`  // newest log message
	Withdrawn time.Time `json:"withdrawn,omitzero"` // when it was withdrawn on purpose; zero while it is expected
	Reason    string    `json:"reason,omitempty"`   // why it was withdrawn
	Template  string    `json:"template,omitempty"` // Graphite prefix of its series ("fleet.web.web-1."), or "" for label host
	Agent     *Agent    `json:"agent,omitempty"`    // what its agent says; never changed

	// What whoever runs its instance says of it; the fleet itself does not know.
	Leaving   bool   `json:"leaving,omitempty"` // it drains: what is wrong with it now is no problem
	PrivateIP string `json:"private_ip,omitempty"`
}

// Selector matches all series of the host.
func (h Host) Selector() []rrd.Matcher {
	if h.Template != "" {
		return []rrd.Matcher{{Label: rrd.NameLabel, Op: rrd.Regexp, Value: regexp.QuoteMeta(h.Template) + ".*"}}
	}
	return []rrd.Matcher{{Label: "host", Op: rrd.Equal, Value: h.ID}}
}

// heard is when the host was last heard of in any way.
func (h Host) heard() time.Time {
	if h.LastLog.After(h.LastSeen) {
		return h.LastLog
	}
	return h.LastSeen
}

// encode leaves out what changes with every sample, and can be read from them.
func (h Host) encode() ([]byte, error) {
	h.LastSeen = time.Time{}
	return json.Marshal(h)
}

// short is a name without its domain. An address has none.
func short(name string) string {
	if _, err := netip.ParseAddr(name); err == nil {
		return name
	}
	first, _, _ := strings.Cut(name, ".")
	return first
}
