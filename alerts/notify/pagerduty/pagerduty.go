package pagerduty

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/notify/post"
	"rondo/alerts/notify/text"
)

// Bounds of an event.
const (
	maxSummary = 1024
	maxField   = 255
	maxDetails = 100 << 10 // of one detail
	maxEvent   = 500_000   // PagerDuty takes 512 KB
	maxAnswer  = 200       // bytes of an answer that an error says
	defaultURL = "https://events.pagerduty.com/v2/enqueue"
)

// Acknowledged is the reason of a notice that acknowledges.
const Acknowledged = "acknowledged"

// Config is a service of PagerDuty.
type Config struct {
	RoutingKey notify.Secret     `yaml:"routing_key"` // of the service's integration "Events API v2"
	URL        notify.Secret     `yaml:"url"`         // default https://events.pagerduty.com/v2/enqueue; EU: https://events.eu.pagerduty.com/v2/enqueue
	Per        string            `yaml:"per"`         // an incident for each group or alert; default group
	Client     string            `yaml:"client"`      // default rondo
	Summary    string            `yaml:"summary"`     // template; default "title"
	Severity   string            `yaml:"severity"`    // template: critical, error, warning or info; default by the gravest alert
	Source     string            `yaml:"source"`      // template; default the label host or instance
	Class      string            `yaml:"class"`       // templates without a default
	Component  string            `yaml:"component"`
	Group      string            `yaml:"group"`
	Details    map[string]string `yaml:"details"` // templates; default firing, resolved and counts
	HTTP       post.Config       `yaml:",inline"`
}

// Validate says what is wrong, each with its key.
func (c Config) Validate() error {
	errs := []error{c.HTTP.Validate(), post.CheckURL("url", cmp.Or(c.URL, defaultURL))}
	if c.RoutingKey == "" {
		errs = append(errs, errors.New("routing_key is missing"))
	}
	if c.Per != "" && c.Per != "group" && c.Per != "alert" {
		errs = append(errs, fmt.Errorf("per: %q: want group or alert", c.Per))
	}
	_, err := c.templates()
	return errors.Join(append(errs, err)...)
}

type templates struct {
	summary, severity, source, class, component, group *text.Template
	details                                            map[string]*text.Template
}

// usually are the details where none are configured.
func usually() map[string]string {
	return map[string]string{
		"firing":       `{{ with .Alerts.Firing }}{{ template "text" $ }}{{ end }}`,
		"num_firing":   `{{ .Alerts.Firing | len }}`,
		"num_resolved": `{{ .Alerts.Resolved | len }}`,
	}
}

const (
	bySeverity = `{{ $s := "warning" }}{{ range .Alerts }}{{ if ne .Severity "warning" }}{{ $s = "critical" }}{{ end }}{{ end }}{{ $s }}`
	byHost     = `{{ with index .Alerts 0 }}{{ or .Labels.host .Labels.instance .Labels.alertname }}{{ end }}`
)

func (c Config) templates() (templates, error) {
	var s text.Set
	empty := `{{ "" }}`
	t := templates{
		summary:   s.Text("summary", c.Summary, "title"),
		severity:  s.Text("severity", cmp.Or(c.Severity, bySeverity), ""),
		source:    s.Text("source", cmp.Or(c.Source, byHost), ""),
		class:     s.Text("class", cmp.Or(c.Class, empty), ""),
		component: s.Text("component", cmp.Or(c.Component, empty), ""),
		group:     s.Text("group", cmp.Or(c.Group, empty), ""),
		details:   make(map[string]*text.Template),
	}
	details := c.Details
	if details == nil {
		details = usually()
	}
	for _, k := range slices.Sorted(maps.Keys(details)) {
		t.details[k] = s.Text("details: "+k, cmp.Or(details[k], empty), "")
	}
	return t, s.Err()
}

// A Sender sends events. It implements notify.Sender.
type Sender struct {
	config    Config
	templates templates
	client    *post.Client
}

// New makes the sender of a valid configuration.
func New(c Config) (*Sender, error) {
	c.URL, c.Client = cmp.Or(c.URL, defaultURL), cmp.Or(c.Client, "rondo")
	client, err := post.New(c.HTTP)
	if err != nil {
		return nil, fmt.Errorf("pagerduty: %w", err)
	}
	t, err := c.templates()
	if err != nil {
		return nil, fmt.Errorf("pagerduty: %w", err)
	}
	return &Sender{c, t, client}, nil
}

// event is the body of a request, in the API's words.
type event struct {
	RoutingKey string   `json:"routing_key"`
	DedupKey   string   `json:"dedup_key"`
	Action     string   `json:"event_action"`
	Payload    *payload `json:"payload,omitempty"`
	Links      []link   `json:"links,omitempty"`
	Client     string   `json:"client,omitempty"`
	ClientURL  string   `json:"client_url,omitempty"`
}

type payload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity"`
	Timestamp time.Time         `json:"timestamp"`
	Class     string            `json:"class,omitempty"`
	Component string            `json:"component,omitempty"`
	Group     string            `json:"group,omitempty"`
	Details   map[string]string `json:"custom_details,omitempty"`
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// Send implements notify.Sender. Several events of one notice are sent in
// order; where one fails, all of them are sent again, which changes nothing
// in the incidents that are there. One that is refused for good does not keep
// the others from being sent.
func (s *Sender) Send(ctx context.Context, n notify.Notice) error {
	var refused []error
	for _, part := range s.split(n) {
		e, err := s.event(part.n, part.key)
		if err != nil {
			err = alerts.Permanent(err)
		} else {
			err = s.post(ctx, e, n.Key)
		}
		if err != nil && !alerts.IsPermanent(err) {
			return fmt.Errorf("pagerduty: %w", err)
		}
		if err != nil {
			refused = append(refused, err)
		}
	}
	if len(refused) > 0 {
		return alerts.Permanent(fmt.Errorf("pagerduty: %w", errors.Join(refused...)))
	}
	return nil
}

type incident struct {
	n   notify.Notice
	key string
}

// split makes an incident of each alert where that is wanted.
func (s *Sender) split(n notify.Notice) []incident {
	if s.config.Per != "alert" {
		return []incident{{n, dedupKey(n.GroupKey)}}
	}
	var out []incident
	for i, a := range n.Alerts {
		one := n
		one.Alerts, one.Truncated, one.RootCause = n.Alerts[i:i+1], 0, ""
		out = append(out, incident{one, dedupKey(n.GroupKey, a.Fingerprint)})
	}
	return out
}

func dedupKey(parts ...string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(parts, "\x00"))))
}

func (s *Sender) event(n notify.Notice, key string) (event, error) {
	e := event{RoutingKey: string(s.config.RoutingKey), DedupKey: key, Action: "resolve"}
	switch {
	case n.Reason == Acknowledged:
		e.Action = "acknowledge"
		return e, nil
	case !n.Firing():
		return e, nil // PagerDuty looks at nothing else then
	}
	e.Action, e.Client, e.ClientURL = "trigger", s.config.Client, n.ExternalURL
	for _, a := range n.Alerts {
		if a.GeneratorURL != "" && len(e.Links) < 10 {
			e.Links = append(e.Links, link{a.GeneratorURL, a.Labels.Get(alerts.RuleLabel)})
		}
	}
	var err error
	e.Payload, err = s.payload(n)
	return e, err
}

func (s *Sender) payload(n notify.Notice) (*payload, error) {
	d := text.Of(n)
	p := &payload{Timestamp: n.Alerts[0].Starts.UTC(), Details: make(map[string]string)}
	var errs []error
	line := func(t *text.Template, most int) string {
		v, err := t.Line(d, most)
		errs = append(errs, err)
		return v
	}
	t := s.templates
	p.Summary = cmp.Or(line(t.summary, maxSummary), "an alert")
	p.Source, p.Severity = cmp.Or(line(t.source, maxField), "rondo"), severity(line(t.severity, maxField))
	p.Class, p.Component, p.Group = line(t.class, maxField), line(t.component, maxField), line(t.group, maxField)
	for k, t := range t.details {
		v, err := t.Execute(d, maxDetails)
		errs = append(errs, err)
		if v = strings.TrimSpace(v); v != "" {
			p.Details[k] = v
		}
	}
	return p, errors.Join(errs...)
}

// severity is one of the four that PagerDuty knows: what a template writes
// may be anything, and would be refused.
func severity(word string) string {
	switch w := strings.ToLower(word); w {
	case "critical", "error", "warning", "info":
		return w
	}
	return "error"
}

func (s *Sender) post(ctx context.Context, e event, key string) error {
	body, err := json.Marshal(e)
	if err == nil && len(body) > maxEvent {
		e.Payload.Details = map[string]string{"left_out": "the details are too long for PagerDuty"}
		body, err = json.Marshal(e)
	}
	if err != nil {
		return alerts.Permanent(err)
	}
	answer, err := s.client.Post(ctx, post.Request{
		URL: s.config.URL, Body: body, Header: map[string]string{"Idempotency-Key": key},
	})
	if err == nil || len(answer) == 0 {
		return err
	}
	// What it answers says which field it does not like; %w keeps the kind of the error.
	said := strings.ReplaceAll(string(answer), string(s.config.RoutingKey), s.config.RoutingKey.String())
	return fmt.Errorf("%w: %s", err, text.Cut(strings.Join(strings.Fields(said), " "), maxAnswer))
}
