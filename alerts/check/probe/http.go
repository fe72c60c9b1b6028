package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
	"rondo/alerts/notify"
)

// HTTP is a probe that makes one request.
type HTTP struct {
	URL     string                   `yaml:"url"`     // may hold {host}, {address}, {label}
	Method  string                   `yaml:"method"`  // default GET
	Headers map[string]notify.Secret `yaml:"headers"` // of the request
	Host    string                   `yaml:"host"`    // Host header, and the name that the certificate must be for; default: of the URL
	Body    string                   `yaml:"body"`    // of the request

	Status      []int             `yaml:"status"` // that are good; default: below 400, where 4xx is a warning
	Contains    string            `yaml:"contains"`
	Matches     string            `yaml:"matches"`      // regular expression
	NotContains string            `yaml:"not_contains"` // what must not stand in the body
	NotMatches  string            `yaml:"not_matches"`
	Expect      map[string]string `yaml:"expect_headers"` // what must stand in headers of the answer
	Redirects   string            `yaml:"redirects"`      // none (default), same (host) or any: which are followed, 5 at most
	MaxBody     int               `yaml:"max_body"`       // bytes that are read; more is critical; default 1 MiB
	Trust       Trust             `yaml:",inline"`
	Latency     Latency           `yaml:",inline"`
}

// Bounds of an HTTP probe.
const (
	maxRedirects   = 5
	defaultMaxBody = 1 << 20
	mostMaxBody    = 64 << 20
)

// Validate says what is wrong with the configuration.
func (p HTTP) Validate() error {
	errs := []error{p.Latency.validate()}
	sample := plugin.Target{Host: "host", Address: "192.0.2.1"}
	u, err := url.Parse(sample.Expand(p.URL)[0])
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		err = errors.New("want http:// or https:// and a host")
	}
	if err != nil {
		errs = append(errs, fmt.Errorf("url: %w", err))
	}
	for _, e := range []string{p.Matches, p.NotMatches} {
		if _, err := regexp.Compile(e); err != nil {
			errs = append(errs, err)
		}
	}
	for _, s := range p.Status {
		if s < 100 || s > 599 {
			errs = append(errs, fmt.Errorf("status %d: want 100 to 599", s))
		}
	}
	if !slices.Contains([]string{"", "none", "same", "any"}, p.Redirects) {
		errs = append(errs, fmt.Errorf("redirects %q: want none, same or any", p.Redirects))
	}
	if p.MaxBody < 0 || p.MaxBody > mostMaxBody {
		errs = append(errs, fmt.Errorf("max_body %d: want at most %d", p.MaxBody, mostMaxBody))
	}
	return errors.Join(errs...)
}

// Build makes the probe of a valid configuration.
func (p HTTP) Build() (Prober, error) {
	conf, err := p.Trust.Config(p.Host)
	if err != nil {
		return nil, err
	}
	if p.MaxBody == 0 {
		p.MaxBody = defaultMaxBody
	}
	h := &httpProbe{HTTP: p, client: &http.Client{
		// A connection of its own for each request: that it can be made is
		// part of what is checked.
		Transport:     &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: p.redirect,
	}}
	if h.matches, err = compile(p.Matches); err != nil {
		return nil, err
	}
	h.notMatches, err = compile(p.NotMatches)
	return h, err
}

func compile(expr string) (*regexp.Regexp, error) {
	if expr == "" {
		return nil, nil //nolint:nilnil // none is wanted
	}
	return regexp.Compile(expr)
}

// redirect implements http.Client's CheckRedirect.
func (p HTTP) redirect(next *http.Request, via []*http.Request) error {
	switch {
	case p.Redirects == "same" && next.URL.Host != via[0].URL.Host, p.Redirects == "" || p.Redirects == "none":
		return http.ErrUseLastResponse
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if next.URL.Host != via[0].URL.Host {
		for name := range p.Headers { // they may be secrets, which are for the first host
			next.Header.Del(name)
		}
	}
	return nil
}

type httpProbe struct {
	HTTP
	client              *http.Client
	matches, notMatches *regexp.Regexp
}

// Probe implements Prober.
func (p *httpProbe) Probe(ctx context.Context, t plugin.Target) plugin.Result {
	if at := t.At(); strings.Contains(at, ":") {
		t.Address = "[" + strings.Trim(at, "[]") + "]" // as a URL has addresses of version 6
	}
	to := t.Expand(p.URL)[0]
	req, err := http.NewRequestWithContext(ctx, strings.ToUpper(p.Method), to, strings.NewReader(p.Body))
	if err != nil {
		return plugin.Say(alerts.Unknown, "HTTP: %v", err)
	}
	what := "HTTP " + req.URL.Redacted()
	req.Header.Set("User-Agent", "rondo")
	for name, v := range p.Headers {
		req.Header.Set(name, string(v))
	}
	req.Host = p.Host
	began := time.Now()
	resp, err := p.client.Do(req)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // the URL is in what
		}
		return failed(ctx, what, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(p.MaxBody)+1))
	if err != nil {
		return failed(ctx, what, fmt.Errorf("%s, and then: %w", resp.Status, err))
	}
	took := time.Since(began)
	status, wrong := p.judge(resp, body)
	out := plugin.Say(worst(status, p.Latency.judge(took)), "%s: %s, %d bytes in %.4f s", what, resp.Status, len(body), took.Seconds())
	if wrong != "" {
		out.Text += ", " + wrong
	}
	out.Perf = []plugin.Perf{p.Latency.perf(took), {Label: "size", Value: float64(len(body)), Unit: "B", Min: new(0.0)}}
	return out
}

// judge compares an answer with what is wanted.
func (p *httpProbe) judge(resp *http.Response, body []byte) (alerts.Status, string) {
	for name, want := range p.Expect {
		if got := resp.Header.Get(name); !strings.Contains(got, want) {
			return alerts.Critical, fmt.Sprintf("header %s is %.100q, want %q in it", name, got, want)
		}
	}
	text := string(body)
	switch {
	case len(p.Status) > 0 && !slices.Contains(p.Status, resp.StatusCode):
		return alerts.Critical, fmt.Sprintf("want status %v", p.Status)
	case len(p.Status) == 0 && resp.StatusCode >= 500:
		return alerts.Critical, "the server failed"
	case len(p.Status) == 0 && resp.StatusCode >= 400:
		return alerts.Warning, "it was refused"
	case len(body) > p.MaxBody:
		return alerts.Critical, fmt.Sprintf("the body is longer than %d bytes", p.MaxBody)
	case !strings.Contains(text, p.Contains):
		return alerts.Critical, fmt.Sprintf("%q is not in the body", p.Contains)
	case p.NotContains != "" && strings.Contains(text, p.NotContains):
		return alerts.Critical, fmt.Sprintf("%q is in the body", p.NotContains)
	case p.matches != nil && !p.matches.MatchString(text):
		return alerts.Critical, fmt.Sprintf("the body does not match %q", p.Matches)
	case p.notMatches != nil && p.notMatches.MatchString(text):
		return alerts.Critical, fmt.Sprintf("the body matches %q", p.NotMatches)
	}
	return alerts.OK, ""
}
