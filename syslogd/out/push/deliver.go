package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

const (
	maxAnswer = 32 << 20 // bytes of an answer, which tells of each message
	maxQuoted = 300      // bytes of it in the log
	maxTries  = 5        // of some messages of a portion, before the session ends
	parallel  = 8        // requests of one portion
)

// verdict is what an answer says of messages.
type verdict uint8

const (
	delivered verdict = iota
	refused           // for good
	later
	misconfigured
)

func judge(status int) verdict {
	switch {
	case status/100 == 2:
		return delivered
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge, status == http.StatusUnprocessableEntity:
		return refused
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests, status/100 == 5:
		return later
	}
	return misconfigured
}

// An answer is that of one request, if it is not to come later.
type answer struct {
	verdict verdict // delivered or refused
	status  string
	body    []byte
}

// delivery is how a portion fares.
type delivery struct {
	*session
	p *portion

	refusing sync.Mutex // guards what follows
	refused  int
	why      string // of the first that is refused
}

// deliver posts a portion until each of its messages is delivered or refused.
func (s *session) deliver(ctx context.Context, p *portion) (refused int, err error) {
	d := &delivery{session: s, p: p}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, items := range s.d.format.split(p.items) {
		g.Go(func() error { return d.send(ctx, items) })
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	if d.refused > 0 {
		s.d.log.Warn("messages are refused for good", "count", d.refused, "of", len(p.items), "answer", d.why)
	}
	return d.refused, nil
}

// send posts some items. Where the whole is refused, it finds out which of
// them are at fault.
func (d *delivery) send(ctx context.Context, items []item) error {
	for try := 1; len(items) > 0; try++ {
		a, err := d.exchange(ctx, items)
		if err != nil {
			return err
		}
		if a.verdict == refused {
			return d.halve(ctx, items, a)
		}
		var retry error
		if items, retry, err = d.d.format.read(items, a.body, d.refuse); err != nil {
			return err
		}
		if retry != nil && try == maxTries {
			return retry
		}
		if retry != nil {
			if err := sleep(ctx, d.d.first<<(try-1)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *delivery) halve(ctx context.Context, items []item, a answer) error {
	if len(items) == 1 {
		d.refuse(a.status + ": " + string(a.body))
		return nil
	}
	half := len(items) / 2
	if err := d.send(ctx, items[:half]); err != nil {
		return err
	}
	return d.send(ctx, items[half:])
}

func (d *delivery) refuse(why string) {
	d.refusing.Lock()
	defer d.refusing.Unlock()
	if d.refused++; d.refused == 1 {
		d.why = d.d.quote(why)
	}
}

// quote is the beginning of a text from the other side, for the log.
func (d *Destination) quote(text string) string {
	text = strings.TrimSpace(d.conceal(text[:min(len(text), 100*maxQuoted)]))
	return strings.ToValidUTF8(text[:min(len(text), maxQuoted)], "")
}

// exchange posts items to the first target that takes or refuses them.
func (d *delivery) exchange(ctx context.Context, items []item) (answer, error) {
	body, err := compress(d.d.cfg.Compression, d.d.format.body(d.p, items))
	if err != nil {
		return answer{}, err
	}
	errs := []error{}
	for _, t := range d.d.order(time.Now()) {
		a, err := d.post(ctx, t, body, d.requestKey(items))
		if err == nil {
			d.d.worked(t)
			return a, nil
		}
		if ctx.Err() != nil {
			return answer{}, ctx.Err()
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return answer{}, errors.New("the other side asked for a pause")
	}
	return answer{}, errors.Join(errs...)
}

// requestKey is the same whenever the same items are sent.
func (d *delivery) requestKey(items []item) string {
	return fmt.Sprintf("%s-%d-%d", d.p.log, items[0].number, items[len(items)-1].number)
}

func (s *session) post(ctx context.Context, t *target, body []byte, key string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.d.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("the URL cannot be used")
	}
	s.header(req, key)
	s.d.bytes.Add(uint64(len(body)))
	resp, err := s.client.Do(req)
	if err != nil {
		s.d.fails(t, time.Now(), 0)
		return answer{}, fmt.Errorf("%s: %w", t.name, withoutURL(err))
	}
	defer resp.Body.Close()
	s.d.requests.Add(1)
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		s.d.fails(t, time.Now(), 0)
		return answer{}, fmt.Errorf("%s: reading the answer: %w", t.name, err)
	}
	a := answer{judge(resp.StatusCode), resp.Status, text}
	if a.verdict == delivered || a.verdict == refused {
		return a, nil
	}
	s.d.fails(t, time.Now(), retryAfter(resp.Header.Get("Retry-After"), time.Now()))
	err = fmt.Errorf("%s answers %s: %s", t.name, s.d.quote(resp.Status), s.d.quote(string(text)))
	if a.verdict == misconfigured {
		err = fmt.Errorf("wrong configuration: %w", err)
	}
	return answer{}, err
}

func (s *session) header(req *http.Request, key string) {
	cfg := &s.d.cfg
	req.Header.Set("User-Agent", "rondo")
	req.Header.Set("Content-Type", s.d.format.contentType())
	if cfg.Compression != None {
		req.Header.Set("Content-Encoding", string(cfg.Compression))
	}
	if cfg.Format == JSON || cfg.Format == JSONArray {
		// In small letters, so that net/http does not take the key for leave to
		// send a request again by itself.
		req.Header["idempotency-key"] = []string{key}
	}
	for name, value := range cfg.Headers {
		if http.CanonicalHeaderKey(name) == "Host" {
			req.Host = string(value)
		}
		req.Header.Set(name, string(value))
	}
	if cfg.Basic.User != "" {
		req.SetBasicAuth(cfg.Basic.User, string(cfg.Basic.Password))
	}
	if cfg.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+string(cfg.Bearer))
	}
}

// withoutURL takes away what net/http puts around an error: the URL, in which
// a secret may stand.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// retryAfter reads the header of that name: seconds, or a date (RFC 9110,
// 10.2.3). 0 where it is not there.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(value); err == nil && n > 0 {
		return min(time.Duration(n), maxRetry/time.Second) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

func compress(c Compression, body []byte) ([]byte, error) {
	switch c {
	case Gzip:
		var b bytes.Buffer
		w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
		if err != nil {
			return nil, err
		}
		if _, err = w.Write(body); err == nil {
			err = w.Close()
		}
		return b.Bytes(), err
	case Zstd:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return w.EncodeAll(body, nil), w.Close()
	}
	return body, nil
}
