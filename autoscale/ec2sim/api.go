package ec2sim

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of one request.
const (
	maxRequest = 1 << 20  // bytes; user data of 16 KiB in base64 and 1,000 IDs fit well
	maxBatch   = 1000     // IDs or filters' values
	maxName    = 255      // bytes of a parameter's name
	maxValue   = 22 << 10 // bytes of its value: user data, the largest, in base64
)

// An apiError is what AWS answers instead of a result.
type apiError struct{ code, message string }

func (e *apiError) Error() string { return e.code + ": " + e.message }

func apiErrorf(code, format string, args ...any) *apiError {
	return &apiError{code, fmt.Sprintf(format, args...)}
}

// ServeHTTP answers AWS's protocols on / and the emulator's own paths under
// /_sim/.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_sim/") {
		s.admin().ServeHTTP(w, r)
		return
	}
	s.api(w, r)
}

func (s *Sim) api(w http.ResponseWriter, r *http.Request) {
	a := answer{w: w, id: newRequestID()}
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	c, err := s.read(r)
	a.request = c
	if err != nil {
		a.refuse(err)
		return
	}
	do, ok := c.service.actions[c.action]
	if !ok {
		a.refuse(apiErrorf("InvalidAction", "The action %s is not valid for this web service.", c.action))
		return
	}
	c.params.fault, _ = s.strike(c.action, c.dry())
	if a.before(r, c.params.fault) {
		return
	}
	if err := s.admit(c, time.Now()); err != nil {
		a.refuse(err)
		return
	}
	done, err := do(s, c.params, time.Now())
	s.opt.Log.Debug("call", "service", c.service.name, "action", c.action, "request", a.id, "fault", c.params.fault.Effect, "err", err)
	if err != nil {
		a.refuse(err)
		return
	}
	a.result(r, done, c.params.fault)
}

// admit refuses what is asked with keys of the past, or too often; and a dry
// run, which has seen all that could go wrong with it by now.
func (s *Sim) admit(r request, now time.Time) *apiError {
	if err := s.session(r, now); err != nil {
		return err
	}
	if err := s.throttle(r, now); err != nil {
		return err
	}
	if r.dry() {
		return apiErrorf("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	return nil
}

// dry says whether a request only asks whether it might be made.
func (r request) dry() bool { return r.service.name == "ec2" && r.params.get("DryRun") == "true" }

// An answer is on its way to a client.
type answer struct {
	request
	w  http.ResponseWriter
	id string // of the request
}

// before does what a fault does in the action's place, and says whether that
// was all.
func (a answer) before(r *http.Request, fault Fault) bool {
	switch fault.Effect {
	case EffectError:
		a.refuse(apiErrorf(fault.Code, "fault on demand"))
		return true
	case EffectDeny:
		a.refuse(apiErrorf(a.service.denied, "You are not authorized to perform this operation. User: %s is not authorized to perform: %s:%s because no identity-based policy allows the action.", userARN, a.service.name, a.action))
		return true
	case EffectSkew:
		return a.expired(r, time.Now().Add(time.Duration(fault.Delay)))
	case EffectReset:
		reset(a.w)
		return true
	case EffectSlow:
		select {
		case <-r.Context().Done():
			return true
		case <-time.After(time.Duration(fault.Delay)):
		}
	}
	return false
}

// maxSkew is how far a request's date may be from the server's.
const maxSkew = 5 * time.Minute

// expired refuses a request whose date is far from now. The answer carries
// now, by which the SDKs set their clocks right.
func (a answer) expired(r *http.Request, now time.Time) bool {
	a.w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		signed = time.Now()
	}
	if now.Sub(signed).Abs() <= maxSkew {
		return false
	}
	a.refuse(apiErrorf("RequestExpired", "Request has expired. Timestamp date is %s.", signed.UTC().Format(time.RFC3339)))
	return true
}

// result writes a result, or what a fault makes of it.
func (a answer) result(r *http.Request, done any, fault Fault) {
	b, err := a.service.form.encode(a.service, a.action, a.id, done)
	if err != nil {
		a.refuse(apiErrorf("InternalError", "%v", err))
		return
	}
	switch fault.Effect {
	case EffectResetAfter:
		reset(a.w)
		return
	case EffectHTML:
		a.w.Header().Set("Content-Type", "text/html")
		a.w.WriteHeader(http.StatusBadGateway)
		_, _ = a.w.Write([]byte("<html><body><h1>502 Bad Gateway</h1></body></html>"))
		return
	case EffectTruncate:
		b = b[:len(b)/2]
	case EffectTrickle:
		a.trickle(r, b, time.Duration(fault.Delay))
		return
	}
	a.write(http.StatusOK, b)
}

// pieces is in how many of them an answer trickles.
const pieces = 10

// trickle sends an answer bit by bit.
func (a answer) trickle(r *http.Request, b []byte, delay time.Duration) {
	a.w.Header().Set("Content-Type", a.service.form.contentType())
	a.w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	for piece := range slices.Chunk(b, len(b)/pieces+1) {
		_, _ = a.w.Write(piece)
		_ = http.NewResponseController(a.w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(delay / pieces):
		}
	}
}

// refuse answers an error in the service's form.
func (a answer) refuse(e *apiError) {
	b, err := a.service.form.refuse(a.service, a.id, e)
	if err != nil {
		http.Error(a.w, e.Error(), http.StatusInternalServerError)
		return
	}
	a.write(statusOf(e.code), b)
}

func (a answer) write(status int, b []byte) {
	a.w.Header().Set("Content-Type", a.service.form.contentType())
	a.w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	a.w.Header().Set("X-Amzn-Requestid", a.id)
	a.w.WriteHeader(status)
	// A client who went away needs no answer.
	_, _ = a.w.Write(b)
}

// reset ends the connection with a TCP RST instead of an answer.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this connection cannot be reset: "+err.Error(), http.StatusInternalServerError)
		return
	}
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		// Closing without lingering is what sends RST rather than FIN.
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// newRequestID makes a UUID, as AWS's request IDs are.
func newRequestID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
