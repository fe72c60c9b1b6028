package mail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/notify/post"
	"rondo/alerts/notify/text"
)

// How a connection is encrypted.
const (
	StartTLS = "starttls" // required
	Implicit = "implicit" // from the first byte, as on port 465
	None     = "none"
)

// Bounds of mails.
const (
	defaultTimeout = 30 * time.Second
	maxTimeout     = 5 * time.Minute
	maxRecipients  = 100
	maxSubject     = 250
	maxText        = 256 << 10
	maxGraph       = 2 << 20
	graphTimeout   = 5 * time.Second
)

// Config is a mail server and who gets mails.
type Config struct {
	Server   string            `yaml:"server"` // host:port
	From     string            `yaml:"from"`
	To       []string          `yaml:"to"`
	TLS      string            `yaml:"tls"` // starttls, implicit or none; default starttls
	Trust    post.TLS          `yaml:"trust"`
	User     string            `yaml:"user"`
	Password notify.Secret     `yaml:"password"`
	Hello    string            `yaml:"hello"`    // our name; default localhost
	Subject  string            `yaml:"subject"`  // template; default "title"
	Text     string            `yaml:"text"`     // template; default "text"
	HTML     string            `yaml:"html"`     // template; default "html"
	Headers  map[string]string `yaml:"headers"`  // templates; not those that are made here
	NoGraph  bool              `yaml:"no_graph"` // without a picture
	Timeout  time.Duration     `yaml:"timeout"`  // of one try; default 30s
}

// A Grapher draws the graph of an expression as a PNG of at most some hundred
// kilobytes; nil where there is nothing to draw.
type Grapher interface {
	Graph(ctx context.Context, g Graph) ([]byte, error)
}

// Graph is what is to be drawn.
type Graph struct {
	Title    string
	Expr     string // what the rule checks
	From, To time.Time
	Mark     time.Time // when the problem began
}

// Validate says what is wrong, each with its key.
func (c Config) Validate() error {
	errs := []error{c.Trust.Validate()}
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if host, port, err := net.SplitHostPort(c.Server); err != nil || host == "" || port == "" {
		fail("server: %q: want host:port", c.Server)
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		fail("from: %w", err)
	}
	if len(c.To) == 0 || len(c.To) > maxRecipients {
		fail("to: want 1 to %d addresses", maxRecipients)
	}
	for _, to := range c.To {
		if _, err := mail.ParseAddress(to); err != nil {
			fail("to: %q: %w", to, err)
		}
	}
	if !slices.Contains([]string{"", StartTLS, Implicit, None}, c.TLS) {
		fail("tls: %q: want starttls, implicit or none", c.TLS)
	}
	if (c.User == "") != (c.Password == "") {
		fail("user and password go together")
	}
	if host, _, _ := net.SplitHostPort(c.Server); c.User != "" && c.TLS == None && !loopback(host) {
		fail("password: would be seen by all on the way: want tls: starttls or implicit")
	}
	if strings.ContainsAny(c.Hello, " \r\n") {
		fail("hello: %q: want a host name", c.Hello)
	}
	if c.Timeout < 0 || c.Timeout > maxTimeout {
		fail("timeout %v: want at most %v", c.Timeout, maxTimeout)
	}
	for name := range c.Headers {
		if err := ownHeader(name); err != nil {
			errs = append(errs, err)
		}
	}
	_, err := c.templates()
	return errors.Join(append(errs, err)...)
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

type templates struct {
	subject, text, html *text.Template
	headers             map[string]*text.Template
}

func (c Config) templates() (templates, error) {
	var s text.Set
	t := templates{
		subject: s.Text("subject", c.Subject, "title"),
		text:    s.Text("text", c.Text, "text"),
		html:    s.HTML("html", c.HTML),
		headers: make(map[string]*text.Template),
	}
	for name, source := range c.Headers {
		t.headers[name] = s.Text("headers: "+name, cmp.Or(source, `{{ "" }}`), "")
	}
	return t, s.Err()
}

// A Sender sends mails. It implements notify.Sender.
type Sender struct {
	config    Config
	from      *mail.Address
	to        []*mail.Address
	templates templates
	grapher   Grapher
	log       *slog.Logger
}

// New makes the sender of a valid configuration. grapher draws what is
// attached; nil: nothing is.
func New(c Config, grapher Grapher, log *slog.Logger) (*Sender, error) {
	c.TLS, c.Hello = cmp.Or(c.TLS, StartTLS), cmp.Or(c.Hello, "localhost")
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Sender{config: c, grapher: grapher, log: log.With("component", "mail", "server", c.Server)}
	if c.NoGraph {
		s.grapher = nil
	}
	var err error
	if s.from, err = mail.ParseAddress(c.From); err != nil {
		return nil, fmt.Errorf("mail: from: %w", err)
	}
	for _, to := range c.To {
		a, err := mail.ParseAddress(to)
		if err != nil {
			return nil, fmt.Errorf("mail: to: %w", err)
		}
		s.to = append(s.to, a)
	}
	if _, err := c.Trust.Config(); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	if s.templates, err = c.templates(); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return s, nil
}

// Send implements notify.Sender.
func (s *Sender) Send(ctx context.Context, n notify.Notice) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	body, err := s.message(n, s.graph(ctx, n))
	if err != nil {
		return alerts.Permanent(fmt.Errorf("mail: %w", err))
	}
	if err := s.deliver(ctx, body); err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	return nil
}

// graph draws the first alert's expression: two hours that end with what is
// told, or what the problem lasted. Whatever goes wrong, the mail goes out.
func (s *Sender) graph(ctx context.Context, n notify.Notice) []byte {
	a := n.Alerts[0]
	if s.grapher == nil || a.Expr == "" {
		return nil
	}
	const before = 2 * time.Hour
	from := n.At.Add(-before)
	if begun := a.Starts.Add(-before / 4); begun.Before(from) && n.At.Sub(begun) < 7*24*time.Hour {
		from = begun
	}
	ctx, cancel := context.WithTimeout(ctx, graphTimeout)
	defer cancel()
	png, err := s.grapher.Graph(ctx, Graph{Title: a.Expr, Expr: a.Expr, From: from, To: n.At, Mark: a.Starts})
	if err == nil && len(png) > maxGraph {
		png, err = nil, fmt.Errorf("picture of %d bytes: too large", len(png))
	}
	if err != nil {
		s.log.Warn("mail goes without its graph", "err", err)
		return nil
	}
	return png
}
