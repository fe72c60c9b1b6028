package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/notify/post"
	"rondo/alerts/notify/text"
)

// Bounds of a message, in bytes; Slack counts characters.
const (
	maxTitle   = 300
	maxText    = 3000
	maxField   = 100
	defaultAPI = "https://slack.com/api/chat.postMessage"
)

// Config is a channel.
type Config struct {
	URL     notify.Secret `yaml:"url"`     // of an incoming webhook; with a token that of the API: https://slack.com/api/chat.postMessage
	Token   notify.Secret `yaml:"token"`   // of a bot; with a channel
	Channel string        `yaml:"channel"` // a webhook has one of its own

	Username  string `yaml:"username"`   // templates; default as the webhook or bot is set up
	IconEmoji string `yaml:"icon_emoji"` // :rotating_light:
	IconURL   string `yaml:"icon_url"`
	Title     string `yaml:"title"` // default "title"
	TitleLink string `yaml:"title_link"`
	Text      string `yaml:"text"`  // default "text"
	Color     string `yaml:"color"` // good, warning, danger or #rrggbb; default by the gravest alert

	HTTP post.Config `yaml:",inline"`
}

// Validate says what is wrong, each with its key.
func (c Config) Validate() error {
	errs := []error{c.HTTP.Validate()}
	switch {
	case c.URL == "" && c.Token == "":
		errs = append(errs, errors.New("url or token: want one"))
	case c.Token != "" && c.Channel == "":
		errs = append(errs, errors.New("channel is missing: a token needs one"))
	}
	if c.URL != "" {
		errs = append(errs, post.CheckURL("url", c.URL))
	}
	if c.Token != "" && c.HTTP.Bearer != "" {
		errs = append(errs, errors.New("token and bearer: want one of them"))
	}
	_, err := c.templates()
	return errors.Join(append(errs, err)...)
}

type templates struct{ username, emoji, icon, title, link, text, color *text.Template }

const (
	byStatus = `{{ if eq .Status "resolved" }}good{{ else }}{{ $c := "warning" }}{{ range .Alerts.Firing }}{{ if ne .Severity "warning" }}{{ $c = "danger" }}{{ end }}{{ end }}{{ $c }}{{ end }}`
	toAlerts = `{{ with .ExternalURL }}{{ . }}/alerts{{ end }}`
)

func (c Config) templates() (templates, error) {
	var s text.Set
	empty := `{{ "" }}`
	t := templates{
		username: s.Text("username", cmp.Or(c.Username, empty), ""),
		emoji:    s.Text("icon_emoji", cmp.Or(c.IconEmoji, empty), ""),
		icon:     s.Text("icon_url", cmp.Or(c.IconURL, empty), ""),
		title:    s.Text("title", c.Title, "title"),
		link:     s.Text("title_link", cmp.Or(c.TitleLink, toAlerts), ""),
		text:     s.Text("text", c.Text, "text"),
		color:    s.Text("color", cmp.Or(c.Color, byStatus), ""),
	}
	return t, s.Err()
}

// A Sender sends messages. It implements notify.Sender.
type Sender struct {
	config    Config
	templates templates
	client    *post.Client
}

// New makes the sender of a valid configuration.
func New(c Config) (*Sender, error) {
	if c.Token != "" {
		c.URL, c.HTTP.Bearer = cmp.Or(c.URL, defaultAPI), c.Token
	}
	client, err := post.New(c.HTTP)
	if err != nil {
		return nil, fmt.Errorf("slack: %w", err)
	}
	t, err := c.templates()
	if err != nil {
		return nil, fmt.Errorf("slack: %w", err)
	}
	return &Sender{c, t, client}, nil
}

// message is what both webhooks and chat.postMessage take.
type message struct {
	Channel     string       `json:"channel,omitempty"`
	Username    string       `json:"username,omitempty"`
	IconEmoji   string       `json:"icon_emoji,omitempty"`
	IconURL     string       `json:"icon_url,omitempty"`
	Text        string       `json:"text"`
	Attachments []attachment `json:"attachments,omitempty"`
	Metadata    *metadata    `json:"metadata,omitempty"`
}

type attachment struct {
	Color     string   `json:"color,omitempty"`
	Fallback  string   `json:"fallback"`
	TitleLink string   `json:"title_link,omitempty"`
	Title     string   `json:"title,omitempty"`
	Text      string   `json:"text"`
	MrkdwnIn  []string `json:"mrkdwn_in"`
	Timestamp int64    `json:"ts"`
}

type metadata struct {
	EventType    string            `json:"event_type"`
	EventPayload map[string]string `json:"event_payload"`
}

// Send implements notify.Sender.
func (s *Sender) Send(ctx context.Context, n notify.Notice) error {
	m, err := s.message(n)
	if err != nil {
		return alerts.Permanent(fmt.Errorf("slack: %w", err))
	}
	body, err := json.Marshal(m)
	if err != nil {
		return alerts.Permanent(fmt.Errorf("slack: %w", err))
	}
	answer, err := s.client.Post(ctx, post.Request{URL: s.config.URL, Body: body, Header: map[string]string{"Idempotency-Key": n.Key}})
	if err == nil && s.config.Token != "" {
		err = judge(answer)
	} else if word := strings.TrimSpace(string(answer)); err != nil && len(word) > 0 && len(word) < maxField {
		err = fmt.Errorf("%w: %s", err, word) // invalid_payload, channel_is_archived, ...
	}
	if err != nil {
		return fmt.Errorf("slack: %w", err)
	}
	return nil
}

// judge looks into the answer of the Web API, which is 200 whatever happened.
func judge(answer []byte) error {
	var a struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return errors.New("the answer is not that of Slack's API")
	}
	if a.OK {
		return nil
	}
	err := fmt.Errorf("refused: %q", text.Cut(a.Error, maxField))
	switch a.Error {
	case "ratelimited", "rate_limited", "internal_error", "fatal_error", "request_timeout", "service_unavailable":
		return err
	}
	return alerts.Permanent(err)
}

func (s *Sender) message(n notify.Notice) (message, error) {
	d := escaped(text.Of(n))
	var errs []error
	line := func(t *text.Template, most int) string {
		v, err := t.Line(d, most)
		errs = append(errs, err)
		return v
	}
	t := s.templates
	m := message{
		Channel: s.config.Channel, Username: line(t.username, maxField),
		IconEmoji: line(t.emoji, maxField), IconURL: line(t.icon, maxText), Text: line(t.title, maxTitle),
	}
	words, err := t.text.Execute(d, maxText)
	errs = append(errs, err)
	a := attachment{
		Color: line(t.color, maxField), Fallback: m.Text, Text: strings.TrimSpace(words),
		MrkdwnIn: []string{"text"}, Timestamp: n.At.Unix(),
	}
	if a.TitleLink = line(t.link, maxText); a.TitleLink != "" {
		a.Title = n.Alerts[0].Labels.Get(alerts.RuleLabel)
	}
	m.Attachments = []attachment{a}
	if s.config.Token != "" {
		m.Metadata = &metadata{"rondo_notice", map[string]string{"key": n.Key, "group": n.GroupKey}}
	}
	return m, errors.Join(errs...)
}

// escaped makes what people and machines wrote harmless in mrkdwn
// (https://api.slack.com/reference/surfaces/formatting#escaping).
func escaped(d text.Data) text.Data {
	r := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	kv := func(m text.KV) text.KV {
		out := make(text.KV, len(m))
		for k, v := range m {
			out[k] = r.Replace(v)
		}
		return out
	}
	d.RootCause = r.Replace(d.RootCause)
	d.GroupLabels, d.CommonLabels, d.CommonAnnotations = kv(d.GroupLabels), kv(d.CommonLabels), kv(d.CommonAnnotations)
	as := make(text.Alerts, len(d.Alerts))
	for i, a := range d.Alerts {
		a.Labels, a.Annotations = kv(a.Labels), kv(a.Annotations)
		a.Text, a.Expr = r.Replace(a.Text), r.Replace(a.Expr)
		as[i] = a
	}
	d.Alerts = as
	return d
}
