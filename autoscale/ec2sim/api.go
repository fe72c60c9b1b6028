package ec2sim

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// version is the API version that the emulator speaks.
const version = "2016-11-15"

// Limits of one request.
const (
	maxRequest = 1 << 20 // bytes; user data of 16 KiB in base64 and 1,000 IDs fit well
	maxBatch   = 1000    // IDs or filters' values
)

// An apiError is what EC2 answers instead of a result.
type apiError struct{ code, message string }

func (e *apiError) Error() string { return e.code + ": " + e.message }

func apiErrorf(code, format string, args ...any) *apiError {
	return &apiError{code, fmt.Sprintf(format, args...)}
}

// An action reads its parameters and returns what to marshal.
type action func(s *Sim, p params, now time.Time) (result, *apiError)

// A result carries the request's ID as its first element.
type result interface{ stamp(request string) }

type meta struct {
	RequestID string `xml:"requestId"`
}

func (m *meta) stamp(request string) { m.RequestID = request }

// actions returns all that the emulator can do.
func actions() map[string]action {
	return map[string]action{
		"RunInstances":              (*Sim).runInstances,
		"TerminateInstances":        (*Sim).terminateInstances,
		"DescribeInstances":         (*Sim).describeInstances,
		"DescribeInstanceStatus":    (*Sim).describeInstanceStatus,
		"CreateTags":                (*Sim).createTags,
		"DescribeTags":              (*Sim).describeTags,
		"DescribeImages":            (*Sim).describeImages,
		"DescribeAvailabilityZones": (*Sim).describeZones,
		"DescribeRegions":           (*Sim).describeRegions,
	}
}

// ServeHTTP answers the EC2 query protocol on / and the emulator's own paths
// under /_sim/.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_sim/") {
		s.admin().ServeHTTP(w, r)
		return
	}
	s.api(w, r)
}

func (s *Sim) api(w http.ResponseWriter, r *http.Request) {
	request := newRequestID()
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	if err := r.ParseForm(); err != nil {
		writeError(w, request, apiErrorf("MalformedQueryString", "%v", err))
		return
	}
	p := params{r.Form}
	name := p.get("Action")
	do, ok := actions()[name]
	if !ok {
		writeError(w, request, apiErrorf("InvalidAction", "The action %s is not valid for this web service.", name))
		return
	}
	fault, _ := s.strike(name)
	switch fault.Effect {
	case EffectError:
		writeError(w, request, apiErrorf(fault.Code, "fault on demand"))
		return
	case EffectReset:
		reset(w)
		return
	case EffectSlow:
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Duration(fault.Delay)):
		}
	case EffectHide:
		p.Values.Set(hiddenParam, time.Duration(fault.Delay).String())
	}
	done, err := do(s, p, time.Now())
	s.opt.Log.Debug("call", "action", name, "request", request, "fault", fault.Effect, "err", err)
	if err != nil {
		writeError(w, request, err)
		return
	}
	answer(w, name, request, done, fault.Effect)
}

// answer writes a result, or what a fault makes of it.
func answer(w http.ResponseWriter, action, request string, r result, effect Effect) {
	b, err := marshal(action, request, r)
	if err != nil {
		writeError(w, request, apiErrorf("InternalError", "%v", err))
		return
	}
	switch effect {
	case EffectResetAfter:
		reset(w)
		return
	case EffectHTML:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html><body><h1>502 Bad Gateway</h1></body></html>"))
		return
	case EffectTruncate:
		b = b[:len(b)/2]
	}
	writeXML(w, http.StatusOK, request, b)
}

// marshal wraps a result as EC2 does: <ActionResponse> with the request's ID.
func marshal(action, request string, r result) ([]byte, error) {
	var b strings.Builder
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	start := xml.StartElement{Name: xml.Name{Space: "http://ec2.amazonaws.com/doc/" + version + "/", Local: action + "Response"}}
	r.stamp(request)
	if err := enc.EncodeElement(r, start); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}

// errorResponse is EC2's: not in the namespace, and RequestID in capitals.
type errorResponse struct {
	XMLName   xml.Name `xml:"Response"`
	Code      string   `xml:"Errors>Error>Code"`
	Message   string   `xml:"Errors>Error>Message"`
	RequestID string   `xml:"RequestID"`
}

func writeError(w http.ResponseWriter, request string, e *apiError) {
	b, err := xml.Marshal(errorResponse{Code: e.code, Message: e.message, RequestID: request})
	if err != nil {
		http.Error(w, e.Error(), http.StatusInternalServerError)
		return
	}
	writeXML(w, statusOf(e.code), request, append([]byte(xml.Header), b...))
}

func writeXML(w http.ResponseWriter, status int, request string, b []byte) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.Header().Set("X-Amzn-Requestid", request)
	w.WriteHeader(status)
	// A client who went away needs no answer.
	_, _ = w.Write(b)
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

// newRequestID makes a UUID, as EC2's request IDs are.
func newRequestID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// params are a request's parameters. Lists are numbered from 1:
// InstanceId.1, Filter.1.Name, Filter.1.Value.1.
type params struct{ url.Values }

func (p params) get(name string) string { return p.Values.Get(name) }

// list returns name.1, name.2 and so on.
func (p params) list(name string) (out []string) {
	for n := 1; n <= maxBatch; n++ {
		v, ok := p.Values[name+"."+strconv.Itoa(n)]
		if !ok {
			break
		}
		out = append(out, v[0])
	}
	return out
}

// number reads a whole number between low and high.
func (p params) number(name string, def, low, high int) (int, *apiError) {
	text := p.get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, apiErrorf("InvalidParameterValue", "Value ( %s ) for parameter %s is invalid. Expecting a number from %d to %d.", text, name, low, high)
	}
	return n, nil
}

// tags reads prefix.1.Key, prefix.1.Value and so on.
func (p params) tags(prefix string) (map[string]string, *apiError) {
	tags := make(map[string]string)
	for n := 1; n <= maxBatch; n++ {
		at := prefix + "." + strconv.Itoa(n)
		key, ok := p.Values[at+".Key"]
		if !ok {
			break
		}
		value := p.get(at + ".Value")
		if key[0] == "" || len(key[0]) > 127 || len(value) > 255 || strings.HasPrefix(key[0], "aws:") {
			return nil, apiErrorf("InvalidParameterValue", "Tag %q is not a valid tag.", key[0])
		}
		tags[key[0]] = value
	}
	if len(tags) > 50 {
		return nil, apiErrorf("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
	}
	return tags, nil
}
