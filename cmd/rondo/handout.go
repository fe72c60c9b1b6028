package main

import (
	"cmp"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"rondo/alerts/fleet/join"
	"rondo/collectors/agent"
)

// The request with which an agent asks for its profile, what it says of the one
// it has, and what answers to its other requests announce.
const (
	profilePath   = "/agent/v1/config"
	profileHeader = "Rondo-Profile"       // the version of the agent's profile, "none" without one
	problemHeader = "Rondo-Profile-Error" // why the agent does not take what it was given
	maxProblem    = 300
)

// A handout gives agents their profiles and notes which each has.
type handout struct {
	auth     agent.Authorizer
	profiles func() []profileConfig // as they stand now

	mu   sync.Mutex
	last map[string]handed // by the agent's ID
}

// handed is how an agent stands to its profile.
type handed struct {
	Profile string    `json:"profile,omitempty"`       // its name; empty: none fits
	Want    string    `json:"profile_version"`         // what it was told
	Has     string    `json:"profile_in_use"`          // what it says it works by
	Problem string    `json:"profile_error,omitempty"` // why it has not what it was told
	Asked   time.Time `json:"profile_asked,omitzero"`
}

// maxHanded bounds the agents that are remembered; with more, any goes.
const maxHanded = 20_000

// words say how the agent stands, for people.
func (h handed) words() string {
	switch {
	case h.Asked.IsZero():
		return ""
	case h.Problem != "":
		return h.Profile + " refused: " + h.Problem
	case h.Profile == "":
		return "none"
	case h.Has != h.Want:
		return h.Profile + " " + h.Want + " on its way"
	}
	return h.Profile + " " + h.Want
}

// ServeHTTP answers GET /agent/v1/config: the profile in JSON with its version
// as ETag, 304 where the agent has it, 204 where there is none for it. It
// checks the keys of its callers: what an agent is given goes by what its key
// says, not by what it says itself.
func (h *handout) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, err := h.caller(r)
	switch {
	case errors.Is(err, agent.ErrRefused):
		http.Error(w, "the key is not known", http.StatusUnauthorized)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	p := h.find(who.Host, who.Group)
	has := strings.Trim(r.Header.Get("If-None-Match"), `"`)
	problem := r.Header.Get(problemHeader)
	h.note(who.ID, handed{Profile: p.Name, Want: p.version, Has: has[:min(len(has), profileVersion)], Problem: problem[:min(len(problem), maxProblem)], Asked: time.Now()})
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case p.version == "":
		w.WriteHeader(http.StatusNoContent)
	case has == p.version:
		w.WriteHeader(http.StatusNotModified)
	default:
		w.Header().Set("ETag", `"`+p.version+`"`)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(p.text) // the agent is gone: it asks again
	}
}

// caller says whose key a request shows.
func (h *handout) caller(r *http.Request) (agent.Identity, error) {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // not valid: a key bound to an address is refused
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return h.auth.Authorize(r.Context(), key, peer.Addr().Unmap())
}

// announce adds to the answers of next which profile the agent should have.
func (h *handout) announce(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who, err := h.caller(r); err == nil {
			w.Header().Set(profileHeader, cmp.Or(h.find(who.Host, who.Group).version, "none"))
		}
		next.ServeHTTP(w, r)
	})
}

// find returns the first profile that fits; one without a version if none does.
func (h *handout) find(host, group string) profileConfig {
	for _, p := range h.profiles() {
		if p.fits(host, group) {
			return p
		}
	}
	return profileConfig{}
}

func (h *handout) note(id string, what handed) {
	if id == "" { // the key of many
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.last[id]; !known && len(h.last) >= maxHanded {
		for some := range h.last {
			delete(h.last, some)
			break
		}
	}
	h.last[id] = what
}

// of is how an agent stands.
func (h *handout) of(id string) handed {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last[id]
}

// A keyView is an agent that joined, with its profile.
type keyView struct {
	join.Key
	handed
}

func (s *server) keyList(*http.Request, url.Values) (any, error) {
	all := []keyView{}
	for _, k := range s.join.Keys() {
		all = append(all, keyView{k, s.handout.of(k.ID)})
	}
	return all, nil
}
