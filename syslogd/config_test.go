package syslogd

import (
	"strings"
	"testing"
)

func TestConfigValidate(t *testing.T) {
	if c := DefaultConfig(); c.Validate() != nil {
		t.Error(c.Validate())
	}
	fail := func(want string, change func(*Config)) {
		t.Helper()
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	fail("udp: 0.0.0.0:514 can be reached from elsewhere; say who may send, such as allow:", func(c *Config) { c.UDP = "0.0.0.0:514" })
	fail("tcp: :514", func(c *Config) { c.TCP = ":514" })
	fail(`tcp: "514": want an address and a port`, func(c *Config) { c.TCP = "514" })
	fail(`udp: "127.0.0.1:99999": want an address and a port`, func(c *Config) { c.UDP = "127.0.0.1:99999" })
	fail(`listeners: "b": listen: "127.0.0.1:5514" is "udp"'s already`, func(c *Config) {
		c.Listeners = []ListenerConfig{{Name: "b", Proto: UDP, Listen: "127.0.0.1:5514"}}
	})
	fail("tls: cert: ", func(c *Config) { c.TLS.Listen, c.TLS.Key = defaultTLS, "k.pem" })
	fail("max_message", func(c *Config) { c.MaxMessage = 10 })
	fail("max_connections", func(c *Config) { c.MaxConnections = 0 })
	fail("time_zone", func(c *Config) { c.TimeZone = "Mars" })
	fail("idle_timeout", func(c *Config) { c.IdleTimeout = 0 })
	fail("sockets", func(c *Config) { c.Sockets = 0 })
	fail("tls: key: ", func(c *Config) { c.TLS.Cert = "c.pem" })
	fail("tls: cert: ", func(c *Config) { c.TLS.Key = "k.pem" })
	fail("relays: 1: name", func(c *Config) { c.Relays = []RelayConfig{{Name: "../x", To: "h:1"}} })
	fail("to: ", func(c *Config) { c.Relays = []RelayConfig{{Name: "x"}} })
	fail("twice", func(c *Config) { c.Relays = []RelayConfig{{Name: "x", To: "h:1"}, {Name: "x", To: "h:1"}} })
	fail("framing", func(c *Config) { c.Relays = []RelayConfig{{Name: "x", To: "h:1", Framing: "?"}} })
	fail("format", func(c *Config) { c.Relays = []RelayConfig{{Name: "x", To: "h:1", Format: "?"}} })
	fail("queue_bytes", func(c *Config) { c.Relays = []RelayConfig{{Name: "x", To: "h:1", QueueBytes: 1}} })
	c := DefaultConfig()
	c.TLS.Listen = defaultTLS // and no certificate
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "tls: cert: ") {
		t.Errorf("an address for TLS without a certificate: %v", err)
	}
	c = DefaultConfig()
	c.UDP, c.Allow = "0.0.0.0:514", networks(t, "10.0.0.0/8")
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// Each listener of the list is checked with its own options, and its errors
// name it and the key.
func TestListenersValidate(t *testing.T) {
	pem := TLSConfig{Cert: "c.pem", Key: "k.pem"}
	withCA := TLSConfig{Cert: "c.pem", Key: "k.pem", ClientCA: "ca.pem"}
	local := "127.0.0.1:7000"
	for _, c := range []struct {
		want string // "" is good
		l    ListenerConfig
	}{
		{"", ListenerConfig{Name: "b", Proto: UDP, Listen: "localhost:7000"}},
		{"", ListenerConfig{Name: "b", Proto: UnixStream, Listen: "/run/x", Mode: "0600"}},
		{"", ListenerConfig{Name: "b", Proto: TLS, Listen: ":6514", TLS: withCA}},
		{"", ListenerConfig{Name: "b", Proto: RELPTLS, Listen: ":2514", TLS: TLSConfig{Cert: "c.pem", Key: "k.pem", Fingerprints: make([]Fingerprint, 1)}}},
		{"", ListenerConfig{Name: "b", Proto: TLS, Listen: ":6514", TLS: pem, Options: Options{Allow: networks(t, "10.0.0.0/8")}}},
		{`listeners: "b": listen: :6514 can be reached from elsewhere; ask for client certificates, such as tls: {client_ca:`, ListenerConfig{Name: "b", Proto: TLS, Listen: ":6514", TLS: pem}},
		{`listeners: "b": listen: 10.0.0.5:514 can be reached from elsewhere; say who may send, such as allow: [`, ListenerConfig{Name: "b", Proto: RELP, Listen: "10.0.0.5:514"}},
		{`listeners: "b": tls: cert: `, ListenerConfig{Name: "b", Proto: TLS, Listen: local, TLS: TLSConfig{Key: "k.pem"}}},
		{`listeners: "b": tls: min_version: "1.0" `, ListenerConfig{Name: "b", Proto: TLS, Listen: local, TLS: TLSConfig{Cert: "c.pem", Key: "k.pem", MinVersion: "1.0"}}},
		{`listeners: "b": tls: tcp does not use it`, ListenerConfig{Name: "b", Proto: TCP, Listen: local, TLS: pem}},
		{`listeners: "b": proto: "http" is none of udp, tcp, tls, unix,`, ListenerConfig{Name: "b", Proto: "http", Listen: local}},
		{`listeners: "b": format: "xml" is none of`, ListenerConfig{Name: "b", Proto: TCP, Listen: local, Format: "xml"}},
		{`listeners: "b": framing: "lf" is none of`, ListenerConfig{Name: "b", Proto: TCP, Listen: local, Framing: "lf"}},
		{`listeners: "b": framing: udp needs none`, ListenerConfig{Name: "b", Proto: UDP, Listen: local, Framing: FramingNUL}},
		{`listeners: "b": framing: relp has its own`, ListenerConfig{Name: "b", Proto: RELP, Listen: local, Framing: FramingNUL}},
		{`listeners: "b": format: relp carries syslog only`, ListenerConfig{Name: "b", Proto: RELP, Listen: local, Format: FormatGELF}},
		{`listeners: "b": format: journal is for streams`, ListenerConfig{Name: "b", Proto: UDP, Listen: local, Format: FormatJournal}},
		{`listeners: "b": framing: gelf has its own`, ListenerConfig{Name: "b", Proto: TCP, Listen: local, Format: FormatGELF, Framing: FramingNUL}},
		{`listeners: "b": strict: there is nothing`, ListenerConfig{Name: "b", Proto: TCP, Listen: local, Format: FormatGELF, Strict: new(true)}},
		{`listeners: "b": listen: want the path`, ListenerConfig{Name: "b", Proto: Unix}},
		{`listeners: "b": mode: "rw" is not octal`, ListenerConfig{Name: "b", Proto: Unix, Listen: "/run/x", Mode: "rw"}},
		{`listeners: "b": max_message: 3 is not between`, ListenerConfig{Name: "b", Proto: TCP, Listen: local, Options: Options{MaxMessage: 3}}},
		{`listeners: 1: name: "tcp" is there twice`, ListenerConfig{Proto: TCP, Listen: local}},
		{`listeners: "a b": name: "a b" is not made of`, ListenerConfig{Name: "a b", Proto: TCP, Listen: local}},
	} {
		cfg := DefaultConfig()
		cfg.Listeners = []ListenerConfig{c.l}
		err := cfg.Validate()
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// A listener has its own options, and those of the section where it has none.
func TestListenerOptions(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Strict, cfg.TimeZone = true, "Europe/Berlin"
	cfg.Listeners = []ListenerConfig{
		{Name: "own", Proto: TCP, Strict: new(false), Options: Options{TimeZone: "UTC", MaxMessage: 1000}},
		{Name: "bare", Proto: TCP},
	}
	all := cfg.listeners()
	if len(all) != 4 || all[0].Name != "udp" || all[1].Name != "tcp" {
		t.Fatalf("%+v", all)
	}
	own, bare := all[2], all[3]
	if *own.Strict || own.TimeZone != "UTC" || own.MaxMessage != 1000 || own.IdleTimeout != cfg.IdleTimeout {
		t.Errorf("%+v", own)
	}
	if !*bare.Strict || bare.TimeZone != "Europe/Berlin" || bare.MaxMessage != cfg.MaxMessage {
		t.Errorf("%+v", bare)
	}
}
