package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"maps"
	"net/netip"
	"time"

	"rondo/rrd"
)

// An Identity says which machine an agent runs on. Empty fields are not known.
type Identity struct {
	ID       string            `json:"id"`   // names the agent for ever: letters, digits, and -_.
	Host     string            `json:"host"` // the label host of its series
	Group    string            `json:"group,omitempty"`
	Instance string            `json:"instance,omitempty"` // EC2's id
	Type     string            `json:"type,omitempty"`
	Zone     string            `json:"zone,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
}

const (
	maxField = 255
	maxTags  = 50
)

// validate refuses what is too long or no name.
func (i *Identity) validate() error {
	if !isName(i.ID) {
		return errors.New("agent: the id is not made of letters, digits, -, _ and .")
	}
	if i.Host == "" {
		return errors.New("agent: no host")
	}
	for _, s := range []string{i.Host, i.Group, i.Instance, i.Type, i.Zone} {
		if len(s) > maxField {
			return errors.New("agent: a name is too long")
		}
	}
	if len(i.Tags) > maxTags {
		return errors.New("agent: too many tags")
	}
	for k, v := range i.Tags {
		if len(k) > maxField || len(v) > 2*maxField {
			return errors.New("agent: a tag is too long")
		}
	}
	_, err := i.label(rrd.Key("probe"))
	return err
}

// ErrRefused is the error of an Authorizer for a key that nobody has, or that
// has ended.
var ErrRefused = errors.New("agent: the key is not known")

// An Authorizer knows the keys of agents.
type Authorizer interface {
	// Authorize says whose key it is. Of the Identity those fields are set that
	// the key is bound to; they win over what the agent says of itself, and
	// with an ID no other agent may use the key. ErrRefused tells an agent to
	// ask for another key; any other error, to come again.
	Authorize(ctx context.Context, key string, peer netip.Addr) (Identity, error)
}

// A StaticToken is the Authorizer of hosts that all have the same key. Empty, it
// refuses everybody.
type StaticToken string

// Authorize implements Authorizer.
func (t StaticToken) Authorize(_ context.Context, key string, _ netip.Addr) (Identity, error) {
	want, got := sha256.Sum256([]byte(t)), sha256.Sum256([]byte(key))
	if t == "" || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return Identity{}, ErrRefused
	}
	return Identity{}, nil
}

// bind is what an agent says of itself, but for what its key says. Whose key has
// no instance is none: it must not stand for one in the fleet.
func (i Identity) bind(key Identity) (Identity, error) {
	if key.ID != "" && key.ID != i.ID {
		return i, errors.New("agent: the key belongs to another agent")
	}
	i.Host, i.Group, i.Instance = cmp.Or(key.Host, i.Host), cmp.Or(key.Group, i.Group), cmp.Or(key.Instance, i.Instance)
	if key.ID != "" {
		i.Instance = key.Instance
	}
	i.Type, i.Zone = cmp.Or(key.Type, i.Type), cmp.Or(key.Zone, i.Zone)
	if len(key.Tags) > 0 {
		tags := maps.Clone(key.Tags)
		for k, v := range i.Tags {
			if _, bound := tags[k]; !bound {
				tags[k] = v
			}
		}
		i.Tags = tags
	}
	return i, i.validate()
}

// label is a series of the agent: its own labels host, group and instance are
// those of its identity, whatever it calls them.
func (i *Identity) label(k rrd.Key) (rrd.Key, error) {
	if err := k.Validate(); err != nil {
		return "", err
	}
	own := []rrd.Label{{Name: "host", Value: i.Host}, {Name: "group", Value: i.Group}, {Name: "instance", Value: i.Instance}}
	labels := own
	for _, l := range k.Labels() {
		switch l.Name {
		case "host", "group", "instance", rrd.NameLabel:
		default:
			labels = append(labels, l)
		}
	}
	return rrd.NewKey(k.Name(), labels...)
}

// A Status is what an agent tells of itself with every push, and at least each
// heartbeat.
type Status struct {
	Version     string            `json:"version"`
	Started     time.Time         `json:"started"`
	Lag         uint64            `json:"lag_bytes"`             // read or waiting, and not yet stored by the server
	SpoolBytes  uint64            `json:"spool_bytes,omitempty"` // on disk
	Dropped     map[string]uint64 `json:"dropped,omitempty"`     // messages, by reason, since it was started
	Sent        uint64            `json:"sent"`                  // messages that were stored, since then
	MemoryBytes uint64            `json:"memory_bytes,omitempty"`
}

// Lost is how many messages were dropped, for any reason.
func (s *Status) Lost() (n uint64) {
	for _, v := range s.Dropped {
		n += v
	}
	return n
}
