package post

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
)

// Bounds of a request.
const (
	// MaxAnswer is how much is read of an answer, in bytes.
	MaxAnswer      = 64 << 10
	defaultTimeout = 10 * time.Second
	maxTimeout     = time.Minute
	// maxLater bounds what a receiver may ask for by Retry-After.
	maxLater = time.Hour
)

// A Config is what HTTP senders have alike.
type Config struct {
	Timeout time.Duration            `yaml:"timeout"` // of one try; default 10s
	Headers map[string]notify.Secret `yaml:"headers"`
	Basic   Basic                    `yaml:"basic"`
	Bearer  notify.Secret            `yaml:"bearer"` // a token
	TLS     TLS                      `yaml:"tls"`
	Proxy   string                   `yaml:"proxy"` // URL of one; default: what HTTP_PROXY and HTTPS_PROXY say
}

// Basic is HTTP's basic authentication.
type Basic struct {
	User     string        `yaml:"user"`
	Password notify.Secret `yaml:"password"`
}

// Validate says what is wrong, each with its key.
func (c Config) Validate() error {
	errs := []error{c.TLS.Validate()}
	if c.Timeout < 0 || c.Timeout > maxTimeout {
		errs = append(errs, fmt.Errorf("timeout %v: want at most %v", c.Timeout, maxTimeout))
	}
	for name, value := range c.Headers {
		if name == "" || strings.ContainsAny(name, " :\t\r\n") || !sendable(value) {
			errs = append(errs, fmt.Errorf("header %q cannot be sent", name))
		}
	}
	if c.Bearer != "" && c.Basic != (Basic{}) {
		errs = append(errs, errors.New("basic and bearer: want one of them"))
	}
	if c.Basic.User == "" && c.Basic.Password != "" {
		errs = append(errs, errors.New("basic: user is missing"))
	}
	if !sendable(c.Bearer) {
		errs = append(errs, errors.New("bearer: cannot be sent"))
	}
	if c.Proxy != "" {
		if u, err := url.Parse(c.Proxy); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
			errs = append(errs, errors.New("proxy: want http://, https:// or socks5:// and a host"))
		}
	}
	return errors.Join(errs...)
}

func sendable(value notify.Secret) bool { return !strings.ContainsAny(string(value), "\r\n\x00") }

// CheckURL says what is wrong with an address, without printing it.
func CheckURL(key string, address notify.Secret) error {
	u, err := url.Parse(string(address))
	switch {
	case err != nil: // the error would print the URL
		return fmt.Errorf("%s cannot be read: want http:// or https:// and a host", key)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%s: want http:// or https:// and a host", key)
	}
	return nil
}

// A Client posts to addresses. It is safe for concurrent use.
type Client struct {
	config Config
	http   *http.Client
}

// New makes a client of a valid configuration.
func New(c Config) (*Client, error) {
	conf, err := c.TLS.Config()
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true,
		IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 2, MaxResponseHeaderBytes: MaxAnswer,
	}
	if c.Proxy != "" {
		u, err := url.Parse(c.Proxy)
		if err != nil {
			return nil, errors.New("proxy cannot be read")
		}
		t.Proxy = http.ProxyURL(u)
	}
	return &Client{c, &http.Client{
		Transport:     t,
		Timeout:       cmp.Or(c.Timeout, defaultTimeout),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// A Request is one body for one address.
type Request struct {
	URL    notify.Secret
	Header map[string]string // these win over the configuration's
	Body   []byte
}

// Post sends a request of type application/json and returns the beginning of
// what was answered, also beside an error that the answer is the reason of.
func (c *Client) Post(ctx context.Context, r Request) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, string(r.URL), bytes.NewReader(r.Body))
	if err != nil {
		return nil, alerts.Permanent(errors.New("url cannot be used"))
	}
	for name, value := range c.config.Headers {
		req.Header.Set(name, string(value))
	}
	if c.config.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+string(c.config.Bearer))
	}
	if c.config.Basic.User != "" {
		req.SetBasicAuth(c.config.Basic.User, string(c.config.Basic.Password))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "rondo")
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer)) // what the status says counts, even if the rest is cut off
	return answer, judge(resp, time.Now())
}

// judge says whether an answer is success, worth another try, or final.
func judge(resp *http.Response, now time.Time) error {
	code := resp.StatusCode
	if code/100 == 2 {
		return nil
	}
	err := fmt.Errorf("%s answers %s", resp.Request.URL.Host, resp.Status)
	switch {
	case code/100 != 5 && code != http.StatusTooManyRequests && code != http.StatusRequestTimeout && code != http.StatusTooEarly:
		return alerts.Permanent(err)
	case resp.Header.Get("Retry-After") != "":
		if after := retryAfter(resp.Header.Get("Retry-After"), now); after > 0 {
			return &notify.LaterError{After: after, Err: err}
		}
	}
	return err
}

// retryAfter reads the header: seconds, or a date (RFC 9110, 10.2.3). 0 means
// that it says nothing.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxLater)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxLater)
	}
	return 0
}

// withoutURL takes away what net/http puts around an error: the URL, in which
// a secret may stand.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
