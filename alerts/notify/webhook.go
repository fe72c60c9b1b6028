package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"rondo/alerts"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

// Webhook is the configuration of a webhook.
type Webhook struct {
	Name    string            `yaml:"name"`
	URL     Secret            `yaml:"url"` // may hold a user and a password
	Headers map[string]Secret `yaml:"headers"`
	Timeout time.Duration     `yaml:"timeout"` // of one try; default 10s
	Match   []alerts.Matcher  `yaml:"match"`   // only transitions that meet all; default every one
}

func (w Webhook) validate() error {
	var errs []error
	u, err := url.Parse(string(w.URL))
	switch {
	case err != nil: // the error would print the URL
		errs = append(errs, errors.New("url cannot be read"))
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		errs = append(errs, errors.New("url: want http:// or https:// and a host"))
	}
	if w.Timeout < 0 || w.Timeout > time.Minute {
		errs = append(errs, fmt.Errorf("timeout %v: want at most 1m", w.Timeout))
	}
	for name, value := range w.Headers {
		if name == "" || strings.ContainsAny(name, " :\r\n") || strings.ContainsAny(string(value), "\r\n") {
			errs = append(errs, fmt.Errorf("header %q cannot be sent", name))
		}
	}
	return errors.Join(errs...)
}

// A Hook posts transitions to a URL.
type Hook struct {
	config   Webhook
	external string
	client   *http.Client
}

// NewWebhook makes the action of a valid configuration. external is the URL of
// our web pages, or "".
func NewWebhook(w Webhook, external string) *Hook {
	if w.Timeout == 0 {
		w.Timeout = 10 * time.Second
	}
	return &Hook{w, strings.TrimSuffix(external, "/"), &http.Client{
		Timeout:       w.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Act implements alerts.Action.
func (h *Hook) Act(ctx context.Context, t alerts.Transition) error {
	body, err := json.Marshal(h.message(t))
	if err != nil {
		return alerts.Permanent(fmt.Errorf("notify: webhook %s: %w", h.config.Name, err))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, string(h.config.URL), bytes.NewReader(body))
	if err != nil {
		return alerts.Permanent(fmt.Errorf("notify: webhook %s: url cannot be used", h.config.Name))
	}
	for name, value := range h.config.Headers {
		req.Header.Set(name, string(value))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "rondo")
	req.Header.Set("Idempotency-Key", t.ID)
	req.Header.Set("X-Rondo-Transition", t.ID)
	resp, err := h.client.Do(req)
	if err != nil {
		return fmt.Errorf("notify: webhook %s: %w", h.config.Name, withoutURL(err))
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection can be used again
	return h.judge(resp)
}

// judge says whether an answer is success, worth another try, or final.
func (h *Hook) judge(resp *http.Response) error {
	code := resp.StatusCode
	if code/100 == 2 {
		return nil
	}
	err := fmt.Errorf("notify: webhook %s: %s answers %s", h.config.Name, resp.Request.URL.Host, resp.Status)
	if code/100 == 5 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code == http.StatusTooEarly {
		return err
	}
	return alerts.Permanent(err)
}

// withoutURL takes away what net/http puts around an error: the URL, in which
// a secret may stand.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// message is Alertmanager's webhook message, version 4, in its order.
type message struct {
	Receiver          string            `json:"receiver"`
	Status            string            `json:"status"`
	Alerts            []alert           `json:"alerts"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   uint64            `json:"truncatedAlerts"`
}

type alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"` // the zero time while firing
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

const (
	firing   = "firing"
	resolved = "resolved"
)

func (h *Hook) message(t alerts.Transition) message {
	m := message{Receiver: h.config.Name, Status: resolved, ExternalURL: h.external, Version: "4"}
	if t.To != alerts.OK {
		m.Status = firing
		m.Alerts = append(m.Alerts, h.alert(t, t.To, firing))
	}
	if t.From != alerts.OK {
		m.Alerts = append(m.Alerts, h.alert(t, t.From, resolved))
	}
	m.CommonLabels, m.CommonAnnotations = common(m.Alerts)
	m.GroupLabels = make(map[string]string)
	for _, l := range t.Labels {
		m.GroupLabels[l.Name] = l.Value
	}
	delete(m.GroupLabels, "severity")
	m.GroupLabels[alerts.RuleLabel] = t.Rule
	m.GroupKey = groupKey(m.GroupLabels)
	return m
}

func (h *Hook) alert(t alerts.Transition, severity alerts.Status, status string) alert {
	labels := labelsOf(t, severity)
	a := alert{
		Status: status, Labels: make(map[string]string), Annotations: map[string]string{"summary": t.Text},
		StartsAt: t.Since.UTC(), Fingerprint: fmt.Sprintf("%016x", alerts.Fingerprint(labels)),
	}
	for _, l := range labels {
		a.Labels[l.Name] = l.Value
	}
	for k, v := range t.Annotations {
		a.Annotations[k] = v
	}
	if status == resolved {
		a.EndsAt = t.At.UTC()
	}
	if h.external != "" {
		a.GeneratorURL = h.external + "/alerts?rule=" + url.QueryEscape(t.Rule)
	}
	return a
}

// common are the labels and annotations that all alerts have alike.
func common(as []alert) (labels, annotations map[string]string) {
	labels, annotations = make(map[string]string), make(map[string]string)
	for i, a := range as {
		intersect(labels, a.Labels, i == 0)
		intersect(annotations, a.Annotations, i == 0)
	}
	return labels, annotations
}

func intersect(into, with map[string]string, first bool) {
	if first {
		for k, v := range with {
			into[k] = v
		}
	}
	for k, v := range into {
		if with[k] != v {
			delete(into, k)
		}
	}
}

// groupKey is Alertmanager's for a group under the root route.
func groupKey(labels map[string]string) string {
	var parts []string
	for _, l := range alerts.NewLabels(labels) {
		parts = append(parts, fmt.Sprintf("%s=%q", l.Name, l.Value))
	}
	return "{}:{" + strings.Join(parts, ", ") + "}"
}
