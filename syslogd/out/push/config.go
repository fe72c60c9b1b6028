package push

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"rondo/syslogd/macro"
	"rondo/syslogd/out"
	"rondo/syslogd/valid"
)

// Format is what the other side speaks.
type Format string

// The formats.
const (
	Loki          Format = "loki"          // push, in protocol buffers and Snappy
	LokiJSON      Format = "loki-json"     // push, in JSON
	Elasticsearch Format = "elasticsearch" // _bulk
	JSON          Format = "json"          // an object on each line
	JSONArray     Format = "json-array"    // a list of objects
)

// Mode says which of several addresses is used.
type Mode string

// The modes. In both of them an address that fails is passed over for a while.
const (
	Failover Mode = "failover" // the first that works
	Balance  Mode = "balance"  // in turn
)

// Compression is the Content-Encoding of requests.
type Compression string

// The compressions.
const (
	None Compression = "none"
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// Clock says which time of a message becomes its timestamp.
type Clock string

// The clocks.
const (
	MessageTime Clock = "message"  // its own, else that of its reception
	Reception   Clock = "received" // always that of its reception
)

// Config is a destination of the kind http.
type Config struct {
	Format Format `yaml:"format"`
	// URL are the addresses. Without a path they get that of the format:
	// /loki/api/v1/push, /_bulk.
	URL         []string      `yaml:"url"`
	Mode        Mode          `yaml:"mode"`        // failover
	Compression Compression   `yaml:"compression"` // none; gzip for elasticsearch
	Time        Clock         `yaml:"time"`        // message
	Batch       Batch         `yaml:"batch"`
	Timeout     time.Duration `yaml:"timeout"` // of one request; 30s

	// Of Loki:
	Labels     map[string]macro.Source `yaml:"labels"`      // of the stream: {host: "${HOST}", app: "${APP}", level: "${SEVERITY}"}
	Streams    int                     `yaml:"streams"`     // at most; 5000
	Line       macro.Source            `yaml:"line"`        // "${TEXT}"
	NoMetadata bool                    `yaml:"no_metadata"` // no structured metadata: before Loki 3
	Mixed      bool                    `yaml:"mixed"`       // several streams in one request; not for Loki itself, see the package comment
	// Of the others:
	Index  macro.Source            `yaml:"index"`  // of Elasticsearch: "rondo-${R_YEAR}.${R_MONTH}.${R_DAY}"
	Fields map[string]macro.Source `yaml:"fields"` // of an object, besides time and key, instead of the usual ones

	Basic          Basic                 `yaml:"basic"`
	Bearer         out.Secret            `yaml:"bearer"` // a token
	Headers        map[string]out.Secret `yaml:"headers"`
	AllowPlaintext bool                  `yaml:"allow_plaintext"` // secrets over http: to other machines
	TLS            out.TLS               `yaml:"tls"`
	Proxy          string                `yaml:"proxy"` // URL of one; none is used otherwise, whatever the environment says
}

// Batch says when a request is full.
type Batch struct {
	Messages int           `yaml:"messages"` // 2000
	Bytes    int           `yaml:"bytes"`    // before compression; 1 MiB. A single message may be longer
	Linger   time.Duration `yaml:"linger"`   // how long a message waits for others; 1s
}

// Basic is HTTP's basic authentication.
type Basic struct {
	User     string     `yaml:"user"`
	Password out.Secret `yaml:"password"`
}

// Bounds of a configuration.
const (
	maxMessages = 50_000
	maxBytes    = 64 << 20
	maxLinger   = time.Minute
	maxTimeout  = 10 * time.Minute
	maxStreams  = 1_000_000
	maxURLs     = 32
	maxLabels   = 30
	maxFields   = 200
)

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	c.Mode = cmp.Or(c.Mode, Failover)
	c.Time = cmp.Or(c.Time, MessageTime)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.Streams = cmp.Or(c.Streams, 5000)
	c.Line = cmp.Or(c.Line, "${TEXT}")
	c.Index = cmp.Or(c.Index, "rondo-${R_YEAR}.${R_MONTH}.${R_DAY}")
	c.Batch.Messages = cmp.Or(c.Batch.Messages, 2000)
	c.Batch.Bytes = cmp.Or(c.Batch.Bytes, 1<<20)
	c.Batch.Linger = cmp.Or(c.Batch.Linger, time.Second)
	if c.Compression == "" {
		c.Compression = None
		if c.Format == Elasticsearch {
			c.Compression = Gzip
		}
	}
	if len(c.Labels) == 0 {
		c.Labels = map[string]macro.Source{"host": "${HOST}", "app": "${APP}", "level": "${SEVERITY}"}
	}
	return c
}

// Validate says what is wrong, each with its key.
func (c *Config) Validate() error {
	errs := []error{
		valid.OneOf("format", c.Format, Loki, LokiJSON, Elasticsearch, JSON, JSONArray),
		valid.OneOf("mode", c.Mode, "", Failover, Balance),
		valid.OneOf("compression", c.Compression, "", None, Gzip, Zstd),
		valid.OneOf("time", c.Time, "", MessageTime, Reception),
	}
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Format == Loki && c.Compression != "" && c.Compression != None {
		fail("compression: %s is always compressed by Snappy", Loki)
	}
	within(fail, "batch: messages", c.Batch.Messages, maxMessages)
	within(fail, "batch: bytes", c.Batch.Bytes, maxBytes)
	within(fail, "batch: linger", c.Batch.Linger, maxLinger)
	within(fail, "timeout", c.Timeout, maxTimeout)
	within(fail, "streams", c.Streams, maxStreams)
	c.validateURLs(fail)
	c.validateHeaders(fail)
	c.validateTemplates(fail)
	if err := c.TLS.Validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

type failFunc func(format string, args ...any)

func within[T int | time.Duration](fail failFunc, key string, v, most T) {
	if v < 0 || v > most {
		fail("%s: %v: want at most %v", key, v, most)
	}
}

func (c *Config) validateURLs(fail failFunc) {
	if len(c.URL) == 0 || len(c.URL) > maxURLs {
		fail("url: want 1 to %d addresses", maxURLs)
	}
	for i, text := range c.URL {
		u, err := url.Parse(text)
		switch {
		case err != nil: // the error would print it, and secrets in it
			fail("url: %d cannot be read", i+1)
		case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			fail("url: %d: want http:// or https:// and a host", i+1)
		case u.User != nil:
			fail("url: %s: user and password belong under basic", u.Host)
		case u.Scheme == "http" && c.TLS.Given():
			fail("tls: %s is not https", u.Host)
		case u.Scheme == "http" && c.secrets() && !c.AllowPlaintext && !loopback(u.Hostname()):
			fail("url: %s: passwords and tokens would be seen by all on the way: want https, or allow_plaintext: true", u.Host)
		}
	}
	if c.Proxy == "" {
		return
	}
	if u, err := url.Parse(c.Proxy); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		fail("proxy: want http://, https:// or socks5:// and a host")
	}
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// secrets reports whether requests hold any.
func (c *Config) secrets() bool { return c.Basic.User != "" || c.Bearer != "" || len(c.Headers) > 0 }

func (c *Config) validateHeaders(fail failFunc) {
	if c.Basic.User != "" && c.Bearer != "" {
		fail("basic and bearer: want one of them")
	}
	if c.Basic.User == "" && c.Basic.Password != "" {
		fail("basic: user: want one")
	}
	if !sendable(string(c.Bearer)) {
		fail("bearer: cannot be sent")
	}
	for name, value := range c.Headers {
		if name == "" || strings.ContainsAny(name, " :\t\r\n") || !sendable(string(value)) {
			fail("headers: %q cannot be sent", name)
		}
	}
}

func sendable(value string) bool { return !strings.ContainsAny(value, "\r\n\x00") }

func (c *Config) validateTemplates(fail failFunc) {
	if len(c.Labels) > maxLabels {
		fail("labels: more than %d", maxLabels)
	}
	if len(c.Fields) > maxFields {
		fail("fields: more than %d", maxFields)
	}
	for name, t := range c.Labels {
		if labelName(name) != name {
			fail("labels: %q: want letters, digits and _, no digit first", name)
		}
		check(fail, "labels: "+name, t)
	}
	for name, t := range c.Fields {
		check(fail, "fields: "+name, t)
	}
	check(fail, "line", c.Line)
	check(fail, "index", c.Index)
	if strings.HasPrefix(string(c.Index), "$") {
		fail("index: want it to begin with a name of its own, such as logs-")
	}
}

func check(fail failFunc, key string, t macro.Source) {
	if _, err := macro.Parse(t, macro.Options{}); err != nil {
		fail("%s: %w", key, err)
	}
}
