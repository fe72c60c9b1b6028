package join

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
)

// Path is where agents trade their tokens.
const Path = "/agent/v1/join"

// maxRequest bounds a request's body: token, names and document.
const maxRequest = 32 << 10

// Handler answers POST /agent/v1/join with a key. It checks its callers
// itself. Refusals are 403, 429 where the rate is the reason, and 503 where
// asking again may help; the body is JSON with reason and error.
func (a *Authority) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req Request
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&req); err != nil {
			a.counts.add("refused_malformed")
			reply(w, http.StatusBadRequest, map[string]string{"reason": "malformed", "error": "join: " + err.Error()})
			return
		}
		answer, err := a.Redeem(r.Context(), req, peerOf(r))
		if err != nil {
			a.refusal(w, err)
			return
		}
		reply(w, http.StatusOK, answer)
	})
}

// peerOf is the address that asks; not valid over a unix socket.
func peerOf(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

func (a *Authority) refusal(w http.ResponseWriter, err error) {
	no, ok := errors.AsType[*Refusal](err)
	if !ok { // the store's words are ours alone
		w.Header().Set("Retry-After", "30")
		reply(w, http.StatusServiceUnavailable, map[string]string{"reason": "store", "error": "join: the key could not be stored"})
		return
	}
	status := http.StatusForbidden
	switch no.Reason {
	case "rate":
		status = http.StatusTooManyRequests
	case "cloud_failed":
		status = http.StatusServiceUnavailable
	}
	if status != http.StatusForbidden {
		w.Header().Set("Retry-After", "30")
	}
	reply(w, status, map[string]string{"reason": no.Reason, "error": no.Error()})
}

func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client is gone: nobody to tell
}
