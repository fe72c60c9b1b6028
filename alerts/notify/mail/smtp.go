package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"

	"rondo/alerts"
)

// deliver hands a mail to the server. A mail or recipient that it refuses for
// good (5xx) is permanent, all else is tried again: a server that is not set up
// well, or a password that it does not take, may be mended before the alert is
// too old.
func (s *Sender) deliver(ctx context.Context, body []byte) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.config.Server)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // whatever we wait for
	defer stop()
	c, err := s.begin(conn)
	if err == nil {
		err = judge(s.transaction(c, body))
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s: %w", s.config.Server, context.Cause(ctx))
	}
	return err
}

// begin speaks until mails can be sent.
func (s *Sender) begin(conn net.Conn) (*smtp.Client, error) {
	host, _, _ := net.SplitHostPort(s.config.Server)
	conf, err := s.config.Trust.Config()
	if err != nil {
		return nil, err
	}
	conf.ServerName = cmp.Or(conf.ServerName, host)
	if s.config.TLS == Implicit {
		conn = tls.Client(conn, conf)
	}
	c, err := smtp.NewClient(conn, host)
	if err == nil {
		err = s.greet(c, conf)
	}
	return c, err
}

func (s *Sender) greet(c *smtp.Client, conf *tls.Config) error {
	if err := c.Hello(s.config.Hello); err != nil {
		return err
	}
	if s.config.TLS == StartTLS {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return fmt.Errorf("%s offers no STARTTLS: want tls: implicit or none", s.config.Server)
		}
		if err := c.StartTLS(conf); err != nil {
			return fmt.Errorf("STARTTLS: %w", err)
		}
	}
	if s.config.User == "" {
		return nil
	}
	_, offered := c.Extension("AUTH")
	return c.Auth(&login{user: s.config.User, password: string(s.config.Password), offered: strings.Fields(strings.ToUpper(offered))})
}

// transaction sends the mail to all recipients that the server takes; one that
// it refuses for good does not keep it from the others, but is told.
func (s *Sender) transaction(c *smtp.Client, body []byte) error {
	if err := c.Mail(s.from.Address); err != nil {
		return err
	}
	var refused []error
	for _, to := range s.to {
		err := c.Rcpt(to.Address)
		if err != nil && !final(err) {
			return err // all of them later: who has had it knows its Message-ID
		}
		if err != nil {
			refused = append(refused, fmt.Errorf("%s: %w", to.Address, err))
		}
	}
	if len(refused) == len(s.to) {
		return alerts.Permanent(errors.Join(refused...))
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the mail is the server's from here on
	if len(refused) > 0 {
		return alerts.Permanent(errors.Join(refused...))
	}
	return nil
}

// final says whether a server will never take it (RFC 5321, 4.2.1).
func final(err error) bool {
	e, ok := errors.AsType[*textproto.Error](err)
	return ok && e.Code/100 == 5
}

func judge(err error) error {
	if err != nil && final(err) && !alerts.IsPermanent(err) {
		return alerts.Permanent(err)
	}
	return err
}

// login authenticates by PLAIN (RFC 4616) or LOGIN, and by neither where the
// password would be seen.
type login struct {
	user, password string
	offered        []string
	plain          bool
}

// Start implements smtp.Auth.
func (l *login) Start(server *smtp.ServerInfo) (proto string, first []byte, err error) {
	if !server.TLS && !loopback(server.Name) {
		return "", nil, errors.New("no password is sent without TLS")
	}
	switch {
	case slices.Contains(l.offered, "PLAIN"):
		l.plain = true
		return "PLAIN", []byte("\x00" + l.user + "\x00" + l.password), nil
	case slices.Contains(l.offered, "LOGIN"):
		return "LOGIN", nil, nil
	}
	return "", nil, fmt.Errorf("the server offers none of PLAIN and LOGIN, but %q", strings.Join(l.offered, " "))
}

// Next implements smtp.Auth.
func (l *login) Next(asked []byte, more bool) ([]byte, error) {
	switch {
	case !more:
		return nil, nil
	case l.plain:
		return nil, errors.New("the server asks for more than PLAIN has")
	case strings.HasPrefix(strings.ToLower(string(asked)), "user"):
		return []byte(l.user), nil
	case strings.HasPrefix(strings.ToLower(string(asked)), "pass"):
		return []byte(l.password), nil
	}
	return nil, errors.New("the server asks for neither user nor password")
}
