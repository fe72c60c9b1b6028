package syslogd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"

	"rondo/syslogd/filter"
	"rondo/syslogd/stage"
	"rondo/syslogd/syslog"
)

// Config is the section syslogd of the configuration. The short keys make a
// listener each, of their name; the list is for more than one of a kind.
type Config struct {
	UDP       string           `yaml:"udp"`  // address; empty: off
	TCP       string           `yaml:"tcp"`  // address; empty: off
	Unix      string           `yaml:"unix"` // path of a datagram socket, such as /dev/log; empty: off
	TLS       TLSListener      `yaml:"tls"`  // off without a certificate
	Listeners []ListenerConfig `yaml:"listeners"`
	// Options are those of the listeners that do not have their own.
	Options `yaml:",inline"`
	Strict  bool `yaml:"strict"` // refuse what is not RFC 5424 or RFC 3164 to the letter; a listener may say otherwise

	// Discard drops matching messages before they are stored or relayed.
	Discard *filter.Filter `yaml:"discard"`
	// Stages are what all other messages go through, in this order, before
	// anything is written.
	Stages []stage.Config `yaml:"stages"`
	Relays []RelayConfig  `yaml:"relays"`
}

// A Network is a range of addresses: "10.0.0.0/8", or a single address.
type Network struct{ netip.Prefix }

// UnmarshalText reads a network as it stands in a configuration.
func (n *Network) UnmarshalText(b []byte) error {
	if a, err := netip.ParseAddr(string(b)); err == nil {
		n.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(string(b))
	if err != nil {
		return fmt.Errorf("network %q: want an address, or a network such as 10.0.0.0/8", b)
	}
	n.Prefix = p
	return nil
}

// RelayConfig is the short form of a route to one destination, a syslog server.
type RelayConfig struct {
	Name       string         `yaml:"name"`        // names its queue; letters, digits, "-" and "_"
	To         string         `yaml:"to"`          // TCP address of another syslog server
	Filter     *filter.Filter `yaml:"filter"`      // which messages; none: all
	Framing    Framing        `yaml:"framing"`     // octet-counting; or newline, where line ends inside a message become #012
	Format     WireFormat     `yaml:"format"`      // rfc5424, rfc3164 or raw, which is as received
	QueueBytes int64          `yaml:"queue_bytes"` // on disk; beyond it the oldest are dropped. 1 GiB
}

// WireFormat is how a relay writes messages.
type WireFormat string

// The formats of a relay.
const (
	WireRFC5424 WireFormat = "rfc5424"
	WireRFC3164 WireFormat = "rfc3164"
	WireRaw     WireFormat = "raw"
)

const defaultTLS = "127.0.0.1:6514"

// DefaultConfig listens on loopback and relays nothing.
func DefaultConfig() Config {
	return Config{
		UDP: "127.0.0.1:5514", TCP: "127.0.0.1:5514",
		Options: Options{
			MaxMessage: syslog.DefaultMaxMessage, MaxConnections: 1000, MaxPerPeer: 250, IdleTimeout: 24 * time.Hour,
			ReceiveBuffer: 64 << 20, Sockets: min(runtime.NumCPU(), defaultSockets), TimeZone: "Local",
		},
	}
}

const minQueueBytes = 1 << 20

// Validate says what is wrong, each with its key.
func (c *Config) Validate() error {
	errs := []error{c.Options.validate(), c.validateListeners(), stage.Validate(c.Stages)}
	names := map[string]bool{}
	for i := range c.Relays {
		r := &c.Relays[i]
		if err := r.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("relays: %d: %w", i+1, err))
		}
		if names[r.Name] {
			errs = append(errs, fmt.Errorf("relays: %d: name: %q is there twice", i+1, r.Name))
		}
		names[r.Name] = true
	}
	return errors.Join(errs...)
}

// Validate says what is wrong, each with its key.
func (r *RelayConfig) Validate() error {
	var errs []error
	errs = append(errs, CheckName(r.Name))
	if host, port, err := net.SplitHostPort(r.To); err != nil || host == "" || port == "" {
		errs = append(errs, fmt.Errorf("to: %q is not host:port", r.To))
	}
	switch r.Framing {
	case "", FramingOctets, FramingNewline:
	default:
		errs = append(errs, fmt.Errorf("framing: %q is neither %s nor %s", r.Framing, FramingOctets, FramingNewline))
	}
	switch r.Format {
	case "", WireRFC5424, WireRFC3164, WireRaw:
	default:
		errs = append(errs, fmt.Errorf("format: %q is none of %s, %s, %s", r.Format, WireRFC5424, WireRFC3164, WireRaw))
	}
	if r.QueueBytes != 0 && r.QueueBytes < minQueueBytes {
		errs = append(errs, fmt.Errorf("queue_bytes: %d is less than %d", r.QueueBytes, minQueueBytes))
	}
	return errors.Join(errs...)
}

// CheckName says whether s can name something of the configuration.
func CheckName(s string) error {
	if !isName(s) {
		return fmt.Errorf("name: %q is not made of letters, digits, - and _", s)
	}
	return nil
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
