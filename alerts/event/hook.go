package event

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"rondo/alerts/notify"
	"rondo/alerts/state"
)

// What deliveries may cost.
const (
	maxDelivery   = 4 << 20 // bytes; GitHub cuts at 25 MB, which only pushes of thousands of commits come near
	maxDeliveries = 4       // read at one time
	readDelivery  = 10 * time.Second
	awaitTurn     = 5 * time.Second // GitHub waits 10 s, and does not come again
	maxSeen       = 2000            // delivery IDs that are remembered
	seenFor       = 7 * 24 * time.Hour
	toldEvery     = time.Minute // how often refusals of a hook are logged
)

// hooks are the hooks of a configuration, by name.
type hooks struct {
	byName map[string]*hook
	turns  chan struct{}
}

// A hook is one with its limits.
type hook struct {
	Hook
	decode  decoder
	allowed *rate.Limiter
	told    *rate.Limiter
}

// A decoder makes an event of a delivery that has proved who sends it. None and
// no error means that this is no event: ping, a draft, another branch.
type decoder func(h Hook, header http.Header, body []byte) (*Event, error)

func newHooks(all []Hook) (*hooks, error) {
	hs := &hooks{byName: make(map[string]*hook, len(all)), turns: make(chan struct{}, maxDeliveries)}
	for _, h := range all {
		if h.Rate == 0 {
			h.Rate = hookRate
		}
		made := &hook{Hook: h, allowed: rate.NewLimiter(rate.Limit(h.Rate), hookBurst), told: rate.NewLimiter(rate.Every(toldEvery), 1)}
		switch h.Kind {
		case GitHub:
			made.decode = decodeGitHub
		case GitLab:
			made.decode = decodeGitLab
		default:
			g, err := newGeneric(h)
			if err != nil {
				return nil, fmt.Errorf("event: hook %q: %w", h.Name, err)
			}
			made.decode = g.decode
		}
		hs.byName[h.Name] = made
	}
	return hs, nil
}

// A delivery is one that was taken.
type delivery struct {
	key string // <hook>/<digest of its ID>
	at  time.Time
}

// deliveryOf is the delivery of a request, nil where it has no ID.
func (h Hook) deliveryOf(r *http.Request, now time.Time) *delivery {
	for _, name := range []string{"X-GitHub-Delivery", "Idempotency-Key", "X-Gitlab-Event-UUID", "X-Request-Id"} {
		if id := r.Header.Get(name); id != "" {
			sum := sha256.Sum256([]byte(name + "\x00" + id))
			return &delivery{h.Name + "/" + hex.EncodeToString(sum[:12]), now}
		}
	}
	return nil
}

// An Answer is what a sender is told.
type Answer struct {
	Outcome Outcome `json:"outcome"`
	ID      string  `json:"id,omitempty"`
	Why     string  `json:"why,omitempty"`
}

// The outcomes that only hooks know.
const (
	Ignored   Outcome = "ignored"   // no event in it
	Delivered Outcome = "delivered" // the same delivery was taken before
)

// A refusal is an error with what the sender is told.
type refusal struct {
	status int
	reason string // for the counters
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }

func refuse(status int, reason, text string, args ...any) error {
	return &refusal{status, reason, fmt.Errorf("event: "+text, args...)}
}

// Hooks answers POST /api/events/hook/{name}. It checks its callers itself.
func (s *Store) Hooks() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		h := s.hooks.Load().byName[name]
		a, err := s.deliver(w, r, h, time.Now())
		if err == nil {
			writeJSON(w, http.StatusOK, a)
			return
		}
		no, ok := errors.AsType[*refusal](err)
		if !ok {
			no = &refusal{statusOf(err), "", err} // Add has counted it
		}
		if no.reason != "" {
			s.stats.refuse("hook_" + no.reason)
		}
		if h != nil && h.told.Allow() {
			s.log.Warn("webhook refused; further ones within a minute are only counted", "hook", name, "peer", r.RemoteAddr, "err", no.err)
		}
		if no.status == http.StatusTooManyRequests || no.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "5")
		}
		writeError(w, no.status, no.err)
	})
}

func (s *Store) deliver(w http.ResponseWriter, r *http.Request, h *hook, now time.Time) (Answer, error) {
	if h == nil {
		return Answer{}, refuse(http.StatusNotFound, "unknown", "no hook of this name is configured")
	}
	stranger := refuse(http.StatusUnauthorized, "signature", "the %s of this delivery is missing or wrong: do sender and configuration have the same secret?", h.proof())
	if !h.signs(r.Header) && !h.proven(r.Header, nil) { // who is no sender of ours takes no place
		return Answer{}, stranger
	}
	body, err := s.readDelivery(w, r)
	if err != nil {
		return Answer{}, err
	}
	if !h.proven(r.Header, body) {
		return Answer{}, stranger
	}
	if !h.allowed.AllowN(now, 1) { // after the proof, so that nobody else uses it up
		return Answer{}, refuse(http.StatusTooManyRequests, "rate", "more than %g deliveries a second", h.Rate)
	}
	d := h.deliveryOf(r, now)
	if d != nil && s.delivered(d.key) {
		return Answer{Outcome: Delivered}, nil
	}
	e, err := h.decode(h.Hook, r.Header, body)
	if err != nil {
		return Answer{}, &refusal{http.StatusBadRequest, "body", fmt.Errorf("event: %w", err)}
	}
	if e == nil {
		return Answer{Outcome: Ignored, Why: "no deploy, release or push that is to be marked"}, nil
	}
	e.Source = "hook:" + h.Name
	h.label(e)
	done, what, err := s.add(r.Context(), *e, now, d)
	return Answer{Outcome: what, ID: done.ID}, err
}

// readDelivery reads a body, of which few are read at one time.
func (s *Store) readDelivery(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	turns := s.hooks.Load().turns
	wait := time.NewTimer(awaitTurn)
	defer wait.Stop()
	select {
	case turns <- struct{}{}:
		defer func() { <-turns }()
	case <-r.Context().Done():
		return nil, refuse(http.StatusServiceUnavailable, "busy", "the sender went away")
	case <-wait.C:
		return nil, refuse(http.StatusServiceUnavailable, "busy", "%d deliveries are being read, try again", maxDeliveries)
	}
	// A recorder in a test knows no deadline; a connection does.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readDelivery))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDelivery))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, refuse(http.StatusRequestEntityTooLarge, "size", "the body has more than %d bytes", maxDelivery)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "read", "body: %w", err)
	}
	return body, nil
}

// proof is how the sender proves who it is.
func (h Hook) proof() string {
	return map[string]string{GitHub: "X-Hub-Signature-256", GitLab: "X-Gitlab-Token", Generic: "Authorization: Bearer or X-Hub-Signature-256"}[h.Kind]
}

// signs says whether the proof is a signature of the body.
func (h Hook) signs(header http.Header) bool {
	return h.Kind != GitLab && header.Get("X-Hub-Signature-256") != ""
}

// proven says whether the sender knows the secret. Of a body that is signed it
// needs all.
func (h Hook) proven(header http.Header, body []byte) bool {
	switch h.Kind {
	case GitHub:
		return signed(h.Secret, header.Get("X-Hub-Signature-256"), body)
	case GitLab:
		return sameSecret(h.Secret, header.Get("X-Gitlab-Token"))
	}
	if sig := header.Get("X-Hub-Signature-256"); sig != "" {
		return signed(h.Secret, sig, body)
	}
	token, ok := strings.CutPrefix(header.Get("Authorization"), "Bearer ")
	return ok && sameSecret(h.Secret, token)
}

// signed checks sha256=<hex of the body's HMAC> in constant time.
func signed(secret notify.Secret, signature string, body []byte) bool {
	given, err := hex.DecodeString(strings.TrimPrefix(signature, "sha256="))
	if err != nil || !strings.HasPrefix(signature, "sha256=") {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(body) // a hash takes everything
	return hmac.Equal(given, mac.Sum(nil))
}

// sameSecret compares in a time that tells neither length nor content.
func sameSecret(secret notify.Secret, given string) bool {
	x, y := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// label puts what the configuration says on an event. The hook's own labels
// win: the sender does not decide whose graphs it marks.
func (h Hook) label(e *Event) {
	e.Tags = append(append([]string{}, h.Tags...), e.Tags...)
	if e.Labels == nil {
		e.Labels = map[string]string{}
	}
	for k, v := range h.labels() {
		e.Labels[k] = v
	}
	e.Title, e.Text = shorten(oneLine(e.Title), maxTitle), shorten(e.Text, maxText)
	e.Who = shorten(oneLine(e.Who), maxWho)
}

func (s *Store) delivered(key string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, d := range s.seen {
		if d.key == key {
			return true
		}
	}
	return false
}

// stale is how many of the remembered deliveries are too old or too many.
func (s *Store) stale(now time.Time) (n int) {
	for n < len(s.seen) && (now.Sub(s.seen[n].at) > seenFor || len(s.seen)-n >= maxSeen) {
		n++
	}
	return min(n, maxGone)
}

// noteChanges are the changes that remember a delivery, nil for none.
func (s *Store) noteChanges(d *delivery, now time.Time) (changes []state.Change) {
	if d == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, old := range s.seen[:s.stale(now)] {
		changes = append(changes, state.Delete(seenPrefix+old.key))
	}
	return append(changes, state.Put(seenPrefix+d.key, []byte(d.at.UTC().Format(time.RFC3339Nano))))
}

// remember does in memory what noteChanges does on disk. The caller holds mu.
func (s *Store) remember(d *delivery, now time.Time) {
	if d != nil {
		s.seen = append(s.seen[s.stale(now):], *d)
	}
}

// note remembers a delivery that brought nothing new.
func (s *Store) note(ctx context.Context, d *delivery, now time.Time) error {
	if d == nil {
		return nil
	}
	if err := s.disk.Write(ctx, s.noteChanges(d, now)...); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remember(d, now)
	return nil
}

func (s *Store) loadSeen(key string, value []byte) error {
	at, err := time.Parse(time.RFC3339Nano, string(value))
	if err != nil {
		return err
	}
	s.seen = append(s.seen, delivery{key, at})
	return nil
}

// unmarshal decodes JSON that a stranger wrote, once it is known who it is.
func unmarshal(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("body: want JSON (at GitHub: content type application/json): %w", err)
	}
	return nil
}
