package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/notify/post"
	"rondo/alerts/notify/text"
)

// Config is a webhook.
type Config struct {
	URL       notify.Secret `yaml:"url"`        // may hold a user and a password
	Secret    notify.Secret `yaml:"secret"`     // signs requests; default: they are not signed
	MaxAlerts int           `yaml:"max_alerts"` // in one message; default 0: all
	Reason    bool          `yaml:"reason"`     // add notification_reason, as Alertmanager does since 0.29
	HTTP      post.Config   `yaml:",inline"`
}

// Validate says what is wrong, each with its key.
func (c Config) Validate() error {
	errs := []error{post.CheckURL("url", c.URL), c.HTTP.Validate()}
	if c.MaxAlerts < 0 {
		errs = append(errs, fmt.Errorf("max_alerts %d: want 0 (all) or more", c.MaxAlerts))
	}
	return errors.Join(errs...)
}

// A Sender posts notices to a URL. It implements notify.Sender.
type Sender struct {
	config Config
	client *post.Client
}

// New makes the sender of a valid configuration. It reads the files that the
// configuration names.
func New(c Config) (*Sender, error) {
	client, err := post.New(c.HTTP)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return &Sender{c, client}, nil
}

// Send implements notify.Sender.
func (s *Sender) Send(ctx context.Context, n notify.Notice) error {
	body, err := s.config.body(n)
	if err != nil {
		return alerts.Permanent(fmt.Errorf("webhook: %w", err))
	}
	header := map[string]string{"Idempotency-Key": n.Key}
	if id := transition(n); id != "" {
		header["X-Rondo-Transition"] = id
	}
	if s.config.Secret != "" {
		Sign(header, s.config.Secret, time.Now(), body)
	}
	if _, err := s.client.Post(ctx, post.Request{URL: s.config.URL, Header: header, Body: body}); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	return nil
}

// transition is the hard change that a notice tells, "" where it tells several.
func transition(n notify.Notice) string {
	id := ""
	for i, a := range n.Alerts {
		if i > 0 && a.Transition != id {
			return ""
		}
		id = a.Transition
	}
	return id
}

// message is Alertmanager's webhook message, version 4, in its order.
type message struct {
	text.Data
	Version         string `json:"version"`
	GroupKey        string `json:"groupKey"`
	TruncatedAlerts uint64 `json:"truncatedAlerts"`
	Reason          string `json:"notification_reason,omitempty"`
}

// Body is a notice as Alertmanager would send it.
func Body(n notify.Notice) ([]byte, error) { return Config{}.body(n) }

func (c Config) body(n notify.Notice) ([]byte, error) {
	m := message{Data: text.Of(n), Version: "4", GroupKey: n.GroupKey, TruncatedAlerts: uint64(n.Truncated)}
	if c.MaxAlerts > 0 && len(m.Alerts) > c.MaxAlerts {
		m.TruncatedAlerts += uint64(len(m.Alerts) - c.MaxAlerts)
		m.Alerts = m.Alerts[:c.MaxAlerts]
	}
	if c.Reason {
		m.Reason = n.Reason
	}
	var b bytes.Buffer
	err := json.NewEncoder(&b).Encode(m) // with its line feed, as Alertmanager writes it
	return b.Bytes(), err
}

// The headers of a signature.
const (
	TimestampHeader = "X-Rondo-Timestamp"
	SignatureHeader = "X-Rondo-Signature"
)

// ErrSignature is returned for what is not signed by the secret, or too long
// ago.
var ErrSignature = errors.New("webhook: signature is not good")

// Verify is for receivers: it says whether a request was signed with the
// secret, at most maxAge before or after now.
func Verify(secret notify.Secret, h http.Header, body []byte, now time.Time, maxAge time.Duration) error {
	at, err := parseTimestamp(h.Get(TimestampHeader))
	if err != nil || now.Sub(at).Abs() > maxAge {
		return ErrSignature
	}
	if !equal(h.Get(SignatureHeader), signature(secret, h.Get(TimestampHeader), body)) {
		return ErrSignature
	}
	return nil
}
