package script

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode"

	"rondo/autoscale"
)

// Limits of what a program may list.
const (
	maxInstances = 10_000
	maxID        = 200
)

// An item is an instance as the program prints it.
type item struct {
	ID       string            `json:"id"`
	State    string            `json:"state"`
	Type     string            `json:"type"`
	Zone     string            `json:"zone"`
	Launched stamp             `json:"launched"`
	Hostname string            `json:"hostname"`
	IP       string            `json:"ip"`
	Tags     map[string]string `json:"tags"`
}

// A stamp is a time as epoch seconds, or as RFC 3339.
type stamp time.Time

// latest is the end of what time.Time writes as JSON.
const latest = 253402300799 // 9999-12-31T23:59:59Z

// UnmarshalJSON implements json.Unmarshaler.
func (s *stamp) UnmarshalJSON(b []byte) error {
	var t time.Time
	if err := json.Unmarshal(b, &t); err == nil {
		*s = stamp(t)
		return nil
	}
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil || seconds < 0 || seconds > latest {
		return fmt.Errorf("launched %.40s: want epoch seconds, or a time as RFC 3339", b)
	}
	whole, part := math.Modf(seconds)
	*s = stamp(time.Unix(int64(whole), int64(part*1e9)).UTC())
	return nil
}

// phase returns what a state means. A running instance is Booting until the
// controller has heard of it.
func phase(state string) (autoscale.Phase, bool) {
	switch state {
	case "pending":
		return autoscale.Pending, true
	case "running", "":
		return autoscale.Booting, true
	case "stopping":
		return autoscale.Terminating, true
	case "stopped":
		return autoscale.Stopped, true
	case "terminated":
		return autoscale.Terminated, true
	}
	return "", false
}

// parse reads instances: JSON objects in a row, or arrays of them.
func parse(out []byte) ([]autoscale.Instance, error) {
	var is []autoscale.Instance
	seen := make(map[string]bool)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			return is, nil
		} else if err != nil {
			return nil, err
		}
		var items []item
		if raw[0] != '[' {
			items = make([]item, 1)
			if err := json.Unmarshal(raw, &items[0]); err != nil {
				return nil, err
			}
		} else if err := json.Unmarshal(raw, &items); err != nil {
			return nil, err
		}
		for _, it := range items {
			i, err := it.instance()
			switch {
			case err != nil:
				return nil, err
			case seen[i.ID]:
				return nil, fmt.Errorf("%s is there twice", i.ID)
			case len(is) == maxInstances:
				return nil, fmt.Errorf("more than %d instances", maxInstances)
			}
			seen[i.ID] = true
			is = append(is, i)
		}
	}
}

// instance checks and translates.
func (it item) instance() (autoscale.Instance, error) {
	if it.ID == "" || len(it.ID) > maxID || strings.ContainsFunc(it.ID, odd) {
		return autoscale.Instance{}, fmt.Errorf("id %.*q: want 1 to %d printable characters without blanks", maxID, it.ID, maxID)
	}
	if time.Time(it.Launched).IsZero() {
		return autoscale.Instance{}, fmt.Errorf("%s: launched is missing: want epoch seconds, or a time as RFC 3339", it.ID)
	}
	p, ok := phase(it.State)
	if !ok {
		return autoscale.Instance{}, fmt.Errorf("%s: state %.40q: want pending, running, stopping, stopped or terminated", it.ID, it.State)
	}
	return autoscale.Instance{
		ID: it.ID, Type: it.Type, Zone: it.Zone, PrivateDNS: it.Hostname, PrivateIP: it.IP,
		Launched: time.Time(it.Launched), Phase: p, Tags: it.Tags,
	}, nil
}

// odd says which characters no ID has: it is shown on pages and in terminals.
func odd(r rune) bool {
	return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar
}

// printable keeps control characters from terminals and log files.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return '?'
	}
	return r
}
