package fanout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Webhook tells somebody else of each host: it posts a command's input. A
// redirect is not followed, so that what is said goes where the configuration
// says and nowhere else.
type Webhook struct {
	url    string
	token  string
	client *http.Client
}

// NewWebhook makes a runner that posts to a URL. The token, which may be empty,
// goes along as bearer token.
func NewWebhook(to, token string) *Webhook {
	return &Webhook{url: to, token: token, client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Run implements [Runner].
func (w *Webhook) Run(ctx context.Context, h Host, c Command) Result {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(c.Input))
	if err != nil {
		return Failed(h, withoutURL(err))
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "rondo")
	if c.Key != "" {
		r.Header.Set("Idempotency-Key", c.Key)
	}
	if w.token != "" {
		r.Header.Set("Authorization", "Bearer "+w.token)
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return Failed(h, withoutURL(err))
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, MaxOutput+1))
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		err = fmt.Errorf("it answers %s", answer.Status)
	}
	if err != nil {
		f := Failed(h, withoutURL(err))
		f.Output, f.Cut = Head(string(text))
		return f
	}
	return Exited(h, 0, string(text))
}

// withoutURL leaves out the URL, in which a secret may stand.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
