package forward

import (
	"errors"
	"fmt"
	"net"
	"time"

	"rondo/syslogd/out"
	"rondo/syslogd/valid"
)

// Config names other syslog servers, and how they are talked to.
type Config struct {
	To      []string `yaml:"to"`      // host:port of the servers, the best one first
	Proto   Proto    `yaml:"proto"`   // tcp, tls, udp, relp or relp-tls; tcp
	Format  Format   `yaml:"format"`  // rfc5424, rfc3164, or raw: as received; rfc5424
	Framing Framing  `yaml:"framing"` // of tcp and tls: octet-counting; or newline, where line ends and NULs inside a message become #012 and #000
	// Origin adds structured data: the address of the first sender, when it was
	// received from there, and the message's key; see the package comment.
	Origin bool `yaml:"origin"`

	Mode     Mode          `yaml:"mode"`     // of several servers: failover or balance; failover
	Failback time.Duration `yaml:"failback"` // how often servers that failed are tried again while others work; 1 minute

	TLS    out.TLS `yaml:"tls"`
	Window int     `yaml:"window"` // of relp: messages on the way to a server, unanswered; 1024

	MaxMessage int `yaml:"max_message"` // of udp: bytes of a datagram; longer messages are cut, and counted. 8192
	Rate       int `yaml:"rate"`        // of udp: datagrams a second; 20000
}

// Proto is how messages are carried.
type Proto string

// The protocols.
const (
	TCP     Proto = "tcp"
	TLS     Proto = "tls" // RFC 5425
	UDP     Proto = "udp"
	RELP    Proto = "relp"
	RELPTLS Proto = "relp-tls"
)

func (p Proto) isTLS() bool { return p == TLS || p == RELPTLS }

// Format is how messages are written.
type Format string

// The formats.
const (
	RFC5424 Format = "rfc5424"
	RFC3164 Format = "rfc3164"
	Raw     Format = "raw"
)

// Framing is how the messages of a stream are told apart (RFC 6587).
type Framing string

// The framings.
const (
	Octets  Framing = "octet-counting"
	Newline Framing = "newline"
)

// Mode is what several servers are for.
type Mode string

// The modes.
const (
	Failover Mode = "failover" // the first server that works gets everything
	Balance  Mode = "balance"  // all that work get a part; one source's go to one server
)

const (
	maxServers  = 64
	maxWindow   = 1 << 20
	minDatagram = 480   // that everybody must take (RFC 5426, 3.2)
	maxDatagram = 65507 // that IPv4 has room for
)

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	setDefault(&c.Proto, TCP)
	setDefault(&c.Format, RFC5424)
	setDefault(&c.Framing, Octets)
	setDefault(&c.Mode, Failover)
	setDefault(&c.Failback, time.Minute)
	setDefault(&c.Window, 1024)
	setDefault(&c.MaxMessage, 8192)
	setDefault(&c.Rate, 20_000)
	return c
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Validate says what is wrong, each with its key. It reads no file.
func (c *Config) Validate() error {
	d := c.withDefaults()
	errs := []error{
		d.validateTo(),
		valid.OneOf("proto", d.Proto, TCP, TLS, UDP, RELP, RELPTLS),
		valid.OneOf("format", d.Format, RFC5424, RFC3164, Raw),
		valid.OneOf("framing", d.Framing, Octets, Newline),
		valid.OneOf("mode", d.Mode, Failover, Balance),
		within("window", d.Window, 1, maxWindow),
		within("max_message", d.MaxMessage, minDatagram, maxDatagram),
		within("rate", d.Rate, 1, 10_000_000),
		d.TLS.Validate(),
	}
	if d.Failback < time.Second {
		errs = append(errs, fmt.Errorf("failback: %v is less than a second", d.Failback))
	}
	if d.TLS.Given() && !d.Proto.isTLS() {
		errs = append(errs, fmt.Errorf("tls: proto: %s is not secured; want %s or %s", d.Proto, TLS, RELPTLS))
	}
	if d.Origin && d.Format != RFC5424 {
		errs = append(errs, fmt.Errorf("origin: format %s has no structured data", d.Format))
	}
	return errors.Join(errs...)
}

func (c *Config) validateTo() error {
	if len(c.To) == 0 || len(c.To) > maxServers {
		return fmt.Errorf("to: want 1 to %d servers", maxServers)
	}
	for _, to := range c.To {
		if host, port, err := net.SplitHostPort(to); err != nil || host == "" || port == "" {
			return fmt.Errorf("to: %q is not host:port", to)
		}
	}
	return nil
}

func within(key string, v, least, most int) error {
	if v < least || v > most {
		return fmt.Errorf("%s: %d is not within %d and %d", key, v, least, most)
	}
	return nil
}
