package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rondo/syslogd/out"
)

// Waits after a failure.
const (
	firstPause = 500 * time.Millisecond
	maxPause   = 30 * time.Second
	maxRetry   = 5 * time.Minute // of what an answer may ask for
)

// A Destination delivers over HTTP. It implements out.Destination.
type Destination struct {
	cfg    Config
	log    *slog.Logger
	format format
	first  time.Duration // the first wait after a failure

	mu      sync.Mutex // guards all below, and the waits of targets
	targets []*target
	turn    int // of balance: the target that is next

	requests, failures, bytes atomic.Uint64
}

// A target is one of the addresses.
type target struct {
	url   string
	name  string // for the log: without what may be secret
	pause time.Duration
	rests time.Time // until when it is passed over if there is another one
	asked time.Time // until when it wants to be left alone
}

// New makes the destination of a configuration. It opens nothing.
func New(cfg Config, log *slog.Logger) (*Destination, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	cfg = cfg.withDefaults()
	format, err := newFormat(&cfg, log)
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	d := &Destination{cfg: cfg, log: log, format: format, first: firstPause}
	for _, text := range cfg.URL {
		u, err := url.Parse(text)
		if err != nil {
			return nil, errors.New("push: url cannot be read")
		}
		if u.Path == "" || u.Path == "/" {
			u.Path = format.path()
		}
		d.targets = append(d.targets, &target{url: u.String(), name: u.Scheme + "://" + u.Host + u.Path})
	}
	return d, nil
}

// Open implements out.Destination. Where the other side asked for a pause, it
// waits for the end of that.
func (d *Destination) Open(ctx context.Context) (out.Session, error) {
	if err := sleep(ctx, time.Until(d.ready())); err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	transport, err := d.transport()
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	return newSession(ctx, d, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}), nil
}

// ready is when a target may be asked again.
func (d *Destination) ready() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := d.targets[0].asked
	for _, t := range d.targets {
		if t.asked.Before(first) {
			first = t.asked
		}
	}
	return first
}

func (d *Destination) transport() (*http.Transport, error) {
	secure, err := d.cfg.TLS.Config()
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		TLSClientConfig: secure, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: parallel, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
	}
	if d.cfg.Proxy != "" {
		proxy, err := url.Parse(d.cfg.Proxy)
		if err != nil {
			return nil, errors.New("proxy cannot be read")
		}
		t.Proxy = http.ProxyURL(proxy)
	}
	return t, nil
}

// worked ends the waits of a target.
func (d *Destination) worked(t *target) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t.pause, t.rests, t.asked = 0, time.Time{}, time.Time{}
}

// order is in which order the targets are tried now. Those that rest come
// last, those that asked to be left alone not at all.
func (d *Destination) order(now time.Time) (list []*target) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := 0
	if d.cfg.Mode == Balance {
		first = d.turn
		d.turn = (d.turn + 1) % len(d.targets)
	}
	var resting []*target
	for i := range d.targets {
		switch t := d.targets[(first+i)%len(d.targets)]; {
		case t.asked.After(now):
		case t.rests.After(now):
			resting = append(resting, t)
		default:
			list = append(list, t)
		}
	}
	return append(list, resting...)
}

// fails notes that a target did, and how long it asked to be left alone.
func (d *Destination) fails(t *target, now time.Time, after time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failures.Add(1)
	t.pause = min(max(2*t.pause, d.first), maxPause)
	t.rests = now.Add(t.pause)
	if after > 0 {
		t.asked = now.Add(min(after, maxRetry))
	}
}

// Counters implements out.Counter:
//
//	requests          that were answered, with whatever
//	request_failures  no answer, or one that means later or a wrong configuration
//	request_bytes     of bodies, compressed
func (d *Destination) Counters() map[string]uint64 {
	return map[string]uint64{
		"requests": d.requests.Load(), "request_failures": d.failures.Load(), "request_bytes": d.bytes.Load(),
	}
}

// conceal takes the secrets out of a text that is to be logged: an answer may
// repeat what it was sent.
func (d *Destination) conceal(text string) string {
	secrets := []string{string(d.cfg.Basic.Password), string(d.cfg.Bearer)}
	for _, v := range d.cfg.Headers {
		secrets = append(secrets, string(v))
	}
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, out.Secret(s).String())
		}
	}
	return text
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
