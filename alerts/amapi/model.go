package amapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"rondo/alerts"
	"rondo/alerts/state"
	"rondo/rrd"
)

// What follows are the schemas of Alertmanager's OpenAPI document, version 2.

type postableAlert struct {
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	Annotations  map[string]string `json:"annotations"`
	Labels       map[string]string `json:"labels"`
	GeneratorURL string            `json:"generatorURL"`
}

type gettableAlert struct {
	Annotations  map[string]string `json:"annotations"`
	EndsAt       time.Time         `json:"endsAt"`
	Fingerprint  string            `json:"fingerprint"`
	Receivers    []receiver        `json:"receivers"`
	StartsAt     time.Time         `json:"startsAt"`
	Status       alertStatus       `json:"status"`
	UpdatedAt    time.Time         `json:"updatedAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
	Labels       map[string]string `json:"labels"`
}

type receiver struct {
	Name string `json:"name"`
}

// The states of an alert.
const (
	active      = "active"
	suppressed  = "suppressed"
	unprocessed = "unprocessed" // a problem that is not hard yet
)

type alertStatus struct {
	InhibitedBy []string `json:"inhibitedBy"`
	SilencedBy  []string `json:"silencedBy"`
	State       string   `json:"state"`
}

type alertGroup struct {
	Alerts   []gettableAlert   `json:"alerts"`
	Labels   map[string]string `json:"labels"`
	Receiver receiver          `json:"receiver"`
}

type silence struct {
	ID        string         `json:"id"`
	Status    *silenceStatus `json:"status,omitempty"`
	UpdatedAt time.Time      `json:"updatedAt,omitzero"`
	Comment   string         `json:"comment"`
	CreatedBy string         `json:"createdBy"`
	EndsAt    time.Time      `json:"endsAt"`
	Matchers  []matcher      `json:"matchers"`
	StartsAt  time.Time      `json:"startsAt"`
}

type silenceStatus struct {
	State string `json:"state"` // active, pending or expired
}

type matcher struct {
	IsEqual *bool  `json:"isEqual,omitempty"` // true where nothing is said
	IsRegex bool   `json:"isRegex"`
	Name    string `json:"name"`
	Value   string `json:"value"`
}

type status200 struct {
	Cluster     cluster     `json:"cluster"`
	Config      config      `json:"config"`
	Uptime      time.Time   `json:"uptime"`
	VersionInfo versionInfo `json:"versionInfo"`
}

type cluster struct {
	Name   string   `json:"name,omitempty"`
	Peers  []string `json:"peers"`
	Status string   `json:"status"`
}

type config struct {
	Original string `json:"original"`
}

type versionInfo struct {
	Branch    string `json:"branch"`
	BuildDate string `json:"buildDate"`
	BuildUser string `json:"buildUser"`
	GoVersion string `json:"goVersion"`
	Revision  string `json:"revision"`
	Version   string `json:"version"`
}

// entry checks an alert, and fills in what it leaves out as Alertmanager does.
func (p postableAlert) entry(now time.Time) (entry, error) {
	e := entry{Labels: make(map[string]string), Annotations: p.Annotations, StartsAt: p.StartsAt, EndsAt: p.EndsAt, UpdatedAt: now, GeneratorURL: p.GeneratorURL}
	size := len(p.GeneratorURL)
	for k, v := range p.Labels {
		if size += len(k) + len(v); v != "" { // an empty label is none
			e.Labels[k] = v
		}
		if !labelName.MatchString(k) || !utf8.ValidString(v) {
			return e, fmt.Errorf("label %q is not valid", k)
		}
	}
	if len(e.Labels) == 0 {
		return e, errors.New("at least one label pair required")
	}
	if e.Labels[alerts.RuleLabel] == "" {
		return e, errors.New("label alertname is missing")
	}
	if size > maxLabelBytes {
		return e, fmt.Errorf("labels of %d bytes: at most %d", size, maxLabelBytes)
	}
	for k, v := range p.Annotations {
		if size += len(k) + len(v); !utf8.ValidString(k) || !utf8.ValidString(v) {
			return e, fmt.Errorf("annotation %q is not valid", k)
		}
	}
	if size > maxEntryBytes {
		return e, fmt.Errorf("an alert of %d bytes: at most %d", size, maxEntryBytes)
	}
	switch {
	case e.StartsAt.IsZero() && !e.EndsAt.IsZero() && e.EndsAt.Before(now):
		e.StartsAt = e.EndsAt
	case e.StartsAt.IsZero():
		e.StartsAt = now
	}
	if e.EndsAt.IsZero() {
		e.EndsAt = now.Add(resolveTimeout)
	}
	if e.EndsAt.Before(e.StartsAt) {
		return e, errors.New("start time must be before end time")
	}
	// As it is stored: an alert that no write takes would keep others of its portion out.
	if b, err := json.Marshal(e); err != nil || len(b) > state.MaxValue {
		return e, fmt.Errorf("an alert of %d bytes with its escapes: at most %d", len(b), state.MaxValue)
	}
	return e, nil
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// ours makes a matcher of ours.
func (m matcher) ours() (alerts.Matcher, error) {
	if !labelName.MatchString(m.Name) {
		return alerts.Matcher{}, fmt.Errorf("matcher: name %q is not valid", m.Name)
	}
	equal := m.IsEqual == nil || *m.IsEqual
	op := map[[2]bool]string{{true, false}: "=", {false, false}: "!=", {true, true}: "=~", {false, true}: "!~"}[[2]bool{equal, m.IsRegex}]
	return alerts.ParseMatcher(m.Name + op + strconv.Quote(m.Value))
}

func theirs(m alerts.Matcher) matcher {
	equal := m.Op == rrd.Equal || m.Op == rrd.Regexp
	return matcher{IsEqual: &equal, IsRegex: m.Op == rrd.Regexp || m.Op == rrd.NotRegexp, Name: m.Label, Value: m.Value}
}

func ofSilence(s alerts.Silence, now time.Time) silence {
	out := silence{
		ID: s.ID, Status: &silenceStatus{State: active}, UpdatedAt: s.Created.UTC(), Comment: s.Comment, CreatedBy: s.By,
		StartsAt: s.Created.UTC(), EndsAt: s.Until.UTC(), Matchers: []matcher{},
	}
	if !s.From.IsZero() {
		out.StartsAt = s.From.UTC()
	}
	if out.StartsAt.After(now) {
		out.Status.State = "pending"
	}
	for _, m := range s.Matchers {
		out.Matchers = append(out.Matchers, theirs(m))
	}
	return out
}

// ours checks a silence and makes it one of ours.
func (s silence) ours(now time.Time) (alerts.Silence, error) {
	out := alerts.Silence{Until: s.EndsAt, By: s.CreatedBy, Comment: s.Comment}
	if s.StartsAt.After(now) {
		out.From = s.StartsAt
	}
	if s.EndsAt.Before(s.StartsAt) {
		return out, errors.New("invalid silence: start time must be before end time")
	}
	something := false
	for _, m := range s.Matchers {
		mine, err := m.ours()
		if err != nil {
			return out, fmt.Errorf("invalid silence: %w", err)
		}
		something = something || !mine.Matches("", nil)
		out.Matchers = append(out.Matchers, mine)
	}
	if !something {
		return out, errors.New("invalid silence: at least one matcher must not match the empty string")
	}
	return out, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
