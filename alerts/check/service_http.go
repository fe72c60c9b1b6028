package check

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
)

// The paths of the service.
const (
	PassivePath = "/api/alerts/passive"
	RunPath     = "/api/alerts/run"
)

// maxBody bounds a passive result, in bytes; maxAhead is how far the clock of
// its sender may be ahead of ours.
const (
	maxBody  = plugin.MaxOutput + 4<<10
	maxAhead = 5 * time.Minute
)

// Submitter takes the readings that results become; alerts.Engine is one.
type Submitter interface {
	Submit(ctx context.Context, rule string, readings ...alerts.Reading) error
}

// A PassiveResult is what is sent for a passive check, as JSON or as a form.
type PassiveResult struct {
	Check  string        `json:"check"`
	Host   string        `json:"host"`
	Status alerts.Status `json:"status"`                // ok, warning, critical, unknown
	Code   *int          `json:"return_code,omitempty"` // or this, as a plugin exits
	Output string        `json:"output"`                // as a plugin prints it
	At     time.Time     `json:"at,omitzero"`           // when it was made; default: now
}

// Passive answers POST /api/alerts/passive with a [PassiveResult]. A result
// that is answered 200 is in the states on disk. Who asks is trusted with results of
// the host (by rondo's own token, or as its agent), or holds the token of the
// check; so it is mounted where nothing else is asked for.
func (s *Service) Passive(to Submitter, trusted func(r *http.Request, host string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := s.passive(to, trusted, w, r)
		if err == nil {
			answer(w, http.StatusOK, map[string]string{"status": status.String()})
			return
		}
		e, ok := errors.AsType[*refusal](err)
		if !ok {
			e = &refusal{http.StatusInternalServerError, refusedFailed, err}
		}
		s.refused[e.reason].Add(1)
		answer(w, e.code, map[string]string{"error": e.err.Error()})
	})
}

// The reasons for refusing a passive result, as they are counted.
const (
	refusedMalformed  = "malformed"
	refusedToken      = "token"
	refusedNetwork    = "network"
	refusedUndeclared = "undeclared" // no such check, or the host is none of it
	refusedFuture     = "future"
	refusedOlder      = "older"
	refusedFailed     = "failed" // the state could not be stored
)

// A refusal is why a passive result is not taken.
type refusal struct {
	code   int
	reason string
	err    error
}

func (e *refusal) Error() string { return e.err.Error() }

func (s *Service) passive(to Submitter, trusted func(r *http.Request, host string) bool, w http.ResponseWriter, r *http.Request) (alerts.Status, error) {
	now := time.Now()
	p, err := readPassive(w, r)
	if err != nil {
		return 0, &refusal{http.StatusBadRequest, refusedMalformed, err}
	}
	found, _ := s.rule(p.Check)
	rule, declared := found.Rule.(*passiveRule)
	mine := trusted(r, p.Host)
	if !mine && !(declared && holds(r, string(rule.config.Token))) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="rondo"`)
		return 0, &refusal{http.StatusUnauthorized, refusedToken, errors.New("results need the token of their check, or rondo's: Authorization: Bearer <token>")}
	}
	if !declared {
		return 0, &refusal{http.StatusNotFound, refusedUndeclared, fmt.Errorf("no passive check is named %q: declare it under alerts: passive", p.Check)}
	}
	if from, err := netip.ParseAddrPort(r.RemoteAddr); len(rule.config.From) > 0 && (err == nil || !mine) && !rule.config.from(from.Addr()) {
		return 0, &refusal{http.StatusForbidden, refusedNetwork, fmt.Errorf("results of %s are not taken from %s", p.Check, r.RemoteAddr)}
	}
	target, ok := rule.targets.find(rule.hosts, p.Host)
	if !ok {
		return 0, &refusal{http.StatusNotFound, refusedUndeclared, fmt.Errorf("host %q is none of check %q: see its targets and groups", p.Host, p.Check)}
	}
	if p.At.IsZero() {
		p.At = now
	}
	if p.At.After(now.Add(maxAhead)) {
		return 0, &refusal{http.StatusBadRequest, refusedFuture, fmt.Errorf("at %v lies in the future", p.At)}
	}
	if err := rule.take(p.Host, p.At, now); err != nil {
		return 0, &refusal{http.StatusConflict, refusedOlder, err}
	}
	f := finding{rule.targeted(target), p.result()}
	if err := to.Submit(r.Context(), p.Check, f.reading(p.At)); err != nil {
		return 0, err
	}
	s.store(r.Context(), p.Check, appendPerf(nil, p.Check, f.Labels, f.Perf, p.At))
	return f.Status, nil
}

// result reads the output as that of a plugin.
func (p PassiveResult) result() plugin.Result {
	return plugin.Result{Status: p.Status, Output: plugin.Parse(p.Output)}
}

// readPassive reads a result, as JSON or as a form.
func readPassive(w http.ResponseWriter, r *http.Request) (p PassiveResult, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	// A header that cannot be parsed is that of no JSON.
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == "application/json" {
		var body struct {
			PassiveResult
			Status *alerts.Status `json:"status"`
		}
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&body); err != nil {
			return p, fmt.Errorf("body: %w", err)
		}
		p = body.PassiveResult
		return p, p.judge(body.Status)
	}
	if err := r.ParseForm(); err != nil {
		return p, fmt.Errorf("form: %w", err)
	}
	get := r.PostForm.Get
	p.Check, p.Host, p.Output = get("check"), get("host"), get("output")
	if at := get("at"); at != "" {
		if p.At, err = time.Parse(time.RFC3339, at); err != nil {
			return p, fmt.Errorf("at: %w", err)
		}
	}
	if code := get("return_code"); code != "" {
		n, err := strconv.Atoi(code)
		if err != nil {
			return p, fmt.Errorf("return_code: %w", err)
		}
		p.Code = &n
	}
	if text := get("status"); text != "" {
		status := new(alerts.Status)
		if err := status.UnmarshalText([]byte(strings.ToLower(text))); err != nil {
			return p, err
		}
		return p, p.judge(status)
	}
	return p, p.judge(nil)
}

// judge makes one status of the two ways to give it.
func (p *PassiveResult) judge(status *alerts.Status) error {
	switch {
	case (status == nil) == (p.Code == nil):
		return errors.New("want status or return_code, and not both")
	case status != nil:
		p.Status = *status
		return nil
	}
	var known bool
	if p.Status, known = plugin.StatusOf(*p.Code); !known {
		return fmt.Errorf("return_code %d: want 0 to 3", *p.Code)
	}
	return nil
}

// holds says whether a request comes with a token, in a time that does not
// tell how much of it is right. No token is held by nobody.
func holds(r *http.Request, token string) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return ok && token != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// A Trial is what a check finds now, and how that is judged. It changes
// nothing.
type Trial struct {
	Labels map[string]string `json:"labels"`
	Status alerts.Status     `json:"status"`
	Text   string            `json:"text"`
	Long   string            `json:"long,omitempty"`
	Perf   []string          `json:"perf,omitempty"` // as plugins print it
	Bad    int               `json:"bad,omitempty"`  // words among Perf that are no values
}

// Run answers POST /api/alerts/run?check=NAME with what a check of the
// configuration finds now: a list of [Trial]. States and series stay as they
// are.
func (s *Service) Run() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.FormValue("check")
		found, ok := s.rule(name)
		if !ok {
			answer(w, http.StatusNotFound, map[string]string{"error": fmt.Sprintf("no check is named %q%s", name, s.hint(name))})
			return
		}
		trials, err := try(r.Context(), found, time.Now())
		if err != nil {
			answer(w, http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
			return
		}
		answer(w, http.StatusOK, trials)
	})
}

// try makes a check without telling the engine.
func try(ctx context.Context, r alerts.Supervised, now time.Time) ([]Trial, error) {
	out := []Trial{}
	switch rule := r.Rule.(type) {
	case *passiveRule:
		return nil, errors.New("its results are sent to us: there is nothing to run")
	case *activeRule:
		found, err := rule.find(ctx)
		for _, f := range found {
			t := Trial{Labels: alerts.MapOf(f.Labels), Status: f.Status, Text: f.Text, Long: f.Long, Bad: f.Bad}
			for _, p := range f.Perf {
				t.Perf = append(t.Perf, p.String())
			}
			out = append(out, t)
		}
		return out, err
	}
	readings, err := r.Rule.Check(ctx, now)
	p := r.Policy
	p.For, p.MissingFor, p.MaxAttempts = 0, 0, 1 // as if it had gone on for long enough
	for _, rd := range readings {
		s, _ := alerts.Step(p, alerts.State{}, rd, now)
		out = append(out, Trial{Labels: alerts.MapOf(rd.Labels), Status: s.Status, Text: rd.Text})
	}
	return out, err
}

func answer(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		code, b = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n')) // the client is gone: nobody to tell
}
