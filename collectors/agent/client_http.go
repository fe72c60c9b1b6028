package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// NewTransport makes a transport that holds one connection and little memory.
func NewTransport() *http.Transport {
	dial := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial.DialContext,
		MaxConnsPerHost: 2, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
		TLSHandshakeTimeout: 10 * time.Second, DisableCompression: true, WriteBufferSize: 16 << 10,
	}
}

// A statusError is an answer that is no success.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("agent: the server answers %d: %s", e.status, e.text)
}

// Is tells apart what is done about an answer.
func (e *statusError) Is(target error) bool {
	return target == errAgain && e.status == statusAgain || target == ErrOverlap && e.status == statusOverlap
}

// refused reports whether the server does not want us, or what we send, so that
// to come again soon is in vain. Nothing is thrown away for that: a server that
// is put right takes it.
func (e *statusError) refused() bool {
	return e.status >= 400 && e.status < 500 || e.status == http.StatusInsufficientStorage
}

// post sends a request and returns the answer's body.
func (c *Client) post(ctx context.Context, path string, body []byte) ([]byte, error) {
	key, err := c.o.Key()
	if err != nil {
		return nil, fmt.Errorf("agent: key: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.o.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set(idHeader, c.o.Identity.ID)
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return b, nil
	}
	e := &statusError{status: answer.StatusCode}
	var said refusal
	if err := json.Unmarshal(b, &said); err == nil {
		e.text = said.Error
	}
	return nil, e
}
