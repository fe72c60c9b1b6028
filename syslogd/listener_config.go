package syslogd

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd/valid"
)

// ListenerConfig is one way in.
type ListenerConfig struct {
	// Name names the listener in logs and counters: letters, digits, "-" and
	// "_". Without one it is named after its protocol.
	Name    string    `yaml:"name"`
	Proto   Proto     `yaml:"proto"`
	Listen  string    `yaml:"listen"`  // host:port, or the path of a unix socket
	Format  Format    `yaml:"format"`  // of messages; syslog
	Framing Framing   `yaml:"framing"` // of streams; auto
	Strict  *bool     `yaml:"strict"`
	Mode    string    `yaml:"mode"` // permissions of a unix socket; "0666", as /dev/log has
	TLS     TLSConfig `yaml:"tls"`
	Options `yaml:",inline"`
}

// TLSListener is the short key tls.
type TLSListener struct {
	Listen    string `yaml:"listen"` // 127.0.0.1:6514 where there is a certificate
	TLSConfig `yaml:",inline"`
}

// Options are common to the section and its listeners: what a listener leaves
// out, or has as zero, is as in the section.
type Options struct {
	// Allow are the networks that may send. Loopback always may. Addresses
	// that are not loopback need it, but for TLS with client certificates.
	Allow []Network `yaml:"allow"`

	MaxMessage     int           `yaml:"max_message"`              // bytes; what is longer is cut
	MaxConnections int           `yaml:"max_connections"`          // of a listener
	MaxPerPeer     int           `yaml:"max_connections_per_peer"` // the same from one address
	IdleTimeout    time.Duration `yaml:"idle_timeout"`             // of a connection; dead peers are found sooner
	ReceiveBuffer  int           `yaml:"receive_buffer"`           // bytes asked of the kernel for each UDP socket
	Sockets        int           `yaml:"sockets"`                  // of a UDP listener, which share its port
	TimeZone       string        `yaml:"time_zone"`                // of times without one, such as Europe/Berlin
	SenderRate     int           `yaml:"sender_rate"`              // messages a second from one address; 0: no limit
	SenderBurst    int           `yaml:"sender_burst"`             // messages at once beyond the rate; as many as the rate
}

// Proto is the transport of a listener.
type Proto string

// The transports.
const (
	UDP        Proto = "udp"         // RFC 5426
	TCP        Proto = "tcp"         // RFC 6587
	TLS        Proto = "tls"         // RFC 5425
	Unix       Proto = "unix"        // datagrams, as /dev/log
	UnixStream Proto = "unix-stream" // framed as TCP is
	RELP       Proto = "relp"        // acknowledged; see package relp
	RELPTLS    Proto = "relp-tls"
)

// network is that of the address, as package net calls it.
func (p Proto) network() string {
	switch p {
	case Unix, UnixStream:
		return "unix"
	case UDP:
		return "udp"
	}
	return "tcp"
}

func protos() []Proto { return []Proto{UDP, TCP, TLS, Unix, UnixStream, RELP, RELPTLS} }

func (p Proto) isTLS() bool    { return p == TLS || p == RELPTLS }
func (p Proto) isRELP() bool   { return p == RELP || p == RELPTLS }
func (p Proto) isUnix() bool   { return p == Unix || p == UnixStream }
func (p Proto) isPacket() bool { return p == UDP || p == Unix }

// Format is what a listener's messages are written in.
type Format string

// The formats of a listener.
const (
	FormatSyslog  Format = "syslog"  // RFC 5424, RFC 3164 and their relatives
	FormatGELF    Format = "gelf"    // Graylog's: datagrams, perhaps in chunks, and streams with NUL
	FormatJournal Format = "journal" // systemd's export format; streams
)

func formats() []Format { return []Format{FormatSyslog, FormatGELF, FormatJournal} }

// Framing is how the messages of a stream are told apart. Relays know octet
// counting and line ends.
type Framing string

// The framings.
const (
	FramingAuto    Framing = "auto"           // octet counting or line ends, for each message
	FramingOctets  Framing = "octet-counting" // RFC 6587, 3.4.1
	FramingNewline Framing = "newline"        // nothing but LF ends a message
	FramingNUL     Framing = "nul"            // nothing but NUL ends a message
)

func framings() []Framing {
	return []Framing{FramingAuto, FramingOctets, FramingNewline, FramingNUL}
}

const (
	minMaxMessage = 480     // RFC 5424, 6.1: all receivers must take as much
	maxMaxMessage = 8 << 20 // which the log store's chunks have room for
	maxSockets    = 64
	devLogMode    = "0666"
)

// listeners are the short keys and the list, with all options filled in.
func (c *Config) listeners() []ListenerConfig {
	var all []ListenerConfig
	short := func(p Proto, listen string, t TLSConfig) {
		if listen != "" {
			all = append(all, ListenerConfig{Proto: p, Listen: listen, TLS: t})
		}
	}
	short(UDP, c.UDP, TLSConfig{})
	short(TCP, c.TCP, TLSConfig{})
	if c.TLS.TLSConfig.given() || c.TLS.Listen != "" { // an address without a certificate is a mistake
		short(TLS, cmp.Or(c.TLS.Listen, defaultTLS), c.TLS.TLSConfig)
	}
	short(Unix, c.Unix, TLSConfig{})
	all = append(all, c.Listeners...)
	for i := range all {
		all[i] = all[i].withDefaults(c)
	}
	return all
}

func (l ListenerConfig) withDefaults(c *Config) ListenerConfig {
	l.Options = l.Options.or(c.Options)
	if l.Name == "" {
		l.Name = string(l.Proto)
	}
	if l.Format == "" {
		l.Format = FormatSyslog
	}
	if l.Framing == "" {
		l.Framing = FramingAuto
	}
	if l.Mode == "" {
		l.Mode = devLogMode
	}
	if l.Strict == nil {
		l.Strict = new(c.Strict && l.Format == FormatSyslog)
	}
	return l
}

// or fills in what is missing.
func (o Options) or(d Options) Options {
	if len(o.Allow) == 0 {
		o.Allow = d.Allow
	}
	for _, f := range []struct {
		v *int
		d int
	}{
		{&o.MaxMessage, d.MaxMessage}, {&o.MaxConnections, d.MaxConnections}, {&o.MaxPerPeer, d.MaxPerPeer},
		{&o.ReceiveBuffer, d.ReceiveBuffer}, {&o.Sockets, d.Sockets},
		{&o.SenderRate, d.SenderRate}, {&o.SenderBurst, d.SenderBurst},
	} {
		if *f.v == 0 {
			*f.v = f.d
		}
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = d.IdleTimeout
	}
	if o.TimeZone == "" {
		o.TimeZone = d.TimeZone
	}
	return o
}

func (o *Options) validate() error {
	var errs []error
	if o.MaxMessage < minMaxMessage || o.MaxMessage > maxMaxMessage {
		errs = append(errs, fmt.Errorf("max_message: %d is not between %d and %d", o.MaxMessage, minMaxMessage, maxMaxMessage))
	}
	if o.MaxConnections < 1 {
		errs = append(errs, fmt.Errorf("max_connections: %d is less than 1", o.MaxConnections))
	}
	if o.MaxPerPeer < 1 {
		errs = append(errs, fmt.Errorf("max_connections_per_peer: %d is less than 1", o.MaxPerPeer))
	}
	if o.IdleTimeout <= 0 {
		errs = append(errs, fmt.Errorf("idle_timeout: %v is not positive", o.IdleTimeout))
	}
	if o.ReceiveBuffer < 0 {
		errs = append(errs, fmt.Errorf("receive_buffer: %d is less than 0", o.ReceiveBuffer))
	}
	if o.Sockets < 1 || o.Sockets > maxSockets {
		errs = append(errs, fmt.Errorf("sockets: %d is not between 1 and %d", o.Sockets, maxSockets))
	}
	if o.SenderRate < 0 || o.SenderBurst < 0 {
		errs = append(errs, fmt.Errorf("sender_rate, sender_burst: %d, %d: less than 0", o.SenderRate, o.SenderBurst))
	}
	if _, err := time.LoadLocation(o.TimeZone); err != nil {
		errs = append(errs, fmt.Errorf("time_zone: %w", err))
	}
	return errors.Join(errs...)
}

// validateListeners checks the short keys and the list. What the section's
// options have wrong is not told again for each listener.
func (c *Config) validateListeners() error {
	var errs []error
	names, places := map[string]bool{}, map[string]string{}
	add := func(where string, err error) {
		for _, e := range valid.Errors(err) {
			errs = append(errs, fmt.Errorf("%s%w", where, e))
		}
	}
	for i, l := range c.listeners() {
		where := "" // a short key: the error begins with it
		if n := i - (len(c.listeners()) - len(c.Listeners)); n >= 0 {
			where = fmt.Sprintf("listeners: %s: ", itemName(c.Listeners[n].Name, n))
			options := c.Listeners[n].Options.or(DefaultConfig().Options)
			add(where, options.validate())
		}
		add(where, l.validate(where == ""))
		if names[l.Name] {
			errs = append(errs, fmt.Errorf("%sname: %q is there twice; each listener needs its own", where, l.Name))
		}
		names[l.Name] = true
		at := l.Proto.network() + " " + l.Listen
		if other, taken := places[at]; taken && !strings.HasSuffix(l.Listen, ":0") {
			errs = append(errs, fmt.Errorf("%slisten: %q is %q's already", where, l.Listen, other))
		}
		places[at] = l.Name
	}
	return errors.Join(errs...)
}

func itemName(name string, i int) string {
	if name == "" {
		return strconv.Itoa(i + 1)
	}
	return strconv.Quote(name)
}

// validate checks everything but the options. Of a short key, the key of the
// address is that of the listener.
func (l *ListenerConfig) validate(short bool) error {
	errs := []error{
		valid.OneOf("proto", l.Proto, protos()...), valid.OneOf("format", l.Format, formats()...), valid.OneOf("framing", l.Framing, framings()...),
	}
	if !isName(l.Name) {
		errs = append(errs, fmt.Errorf("name: %q is not made of letters, digits, - and _", l.Name))
	}
	errs = append(errs, l.validateFormat())
	if l.Proto.isPacket() && l.Framing != FramingAuto {
		errs = append(errs, fmt.Errorf("framing: %s needs none: each datagram is a message", l.Proto))
	}
	if l.Proto.isRELP() && l.Framing != FramingAuto {
		errs = append(errs, fmt.Errorf("framing: %s has its own", l.Proto))
	}
	key := "listen"
	if short {
		key = l.Name
	}
	errs = append(errs, l.validateTLS(), l.validateListen(key))
	return errors.Join(errs...)
}

// validateFormat checks what goes with the format.
func (l *ListenerConfig) validateFormat() error {
	switch {
	case l.Format == FormatSyslog:
	case l.Proto.isRELP():
		return fmt.Errorf("format: %s carries syslog only", l.Proto)
	case l.Format == FormatJournal && l.Proto.isPacket():
		return fmt.Errorf("format: %s is for streams, not for %s", l.Format, l.Proto)
	case l.Framing != FramingAuto:
		return fmt.Errorf("framing: %s has its own", l.Format)
	case *l.Strict:
		return fmt.Errorf("strict: there is nothing that %s is held to", l.Format)
	}
	return nil
}

func (l *ListenerConfig) validateTLS() error {
	if !l.Proto.isTLS() {
		if l.TLS.given() {
			return fmt.Errorf("tls: %s does not use it; proto: tls does", l.Proto)
		}
		return nil
	}
	return l.TLS.validate()
}

// validateListen checks the address, and lets a listener be reached from
// elsewhere only if it is said who may send.
func (l *ListenerConfig) validateListen(key string) error {
	if l.Proto.isUnix() {
		if l.Listen == "" {
			return fmt.Errorf("%s: want the path of a socket", key)
		}
		if _, err := l.mode(); err != nil {
			return fmt.Errorf("mode: %q is not octal permissions such as \"0660\"", l.Mode)
		}
		return nil
	}
	host, port, err := net.SplitHostPort(l.Listen)
	if err == nil {
		_, err = net.LookupPort(l.Proto.network(), port)
	}
	if err != nil {
		return fmt.Errorf("%s: %q: want an address and a port, such as 127.0.0.1:5514: %w", key, l.Listen, err)
	}
	if a, err := netip.ParseAddr(host); host == "localhost" || err == nil && a.Unmap().IsLoopback() {
		return nil
	}
	switch {
	case len(l.Allow) > 0, l.Proto.isTLS() && l.TLS.asksClients():
		return nil
	case l.Proto.isTLS():
		return fmt.Errorf("%s: %s can be reached from elsewhere; ask for client certificates, such as tls: {client_ca: /etc/rondo/ca.pem}, or say who may send, such as allow: [10.0.0.0/8]", key, l.Listen)
	}
	return fmt.Errorf("%s: %s can be reached from elsewhere; say who may send, such as allow: [10.0.0.0/8]", key, l.Listen)
}

func (l *ListenerConfig) mode() (uint32, error) {
	m, err := strconv.ParseUint(l.Mode, 8, 9)
	return uint32(m), err
}
