package agent

import (
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
)

// lossyTransport loses answers, and may lead to another server afterwards.
type lossyTransport struct {
	to         http.RoundTripper
	loseAnswer atomic.Bool
	afterLoss  func()
	url        atomic.Pointer[string]
}

func (l *lossyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if other := l.url.Load(); other != nil {
		u, err := url.Parse(*other)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.URL.Host, r.Host = u.Host, u.Host
	}
	answer, err := l.to.RoundTrip(r)
	if err != nil || !l.loseAnswer.CompareAndSwap(true, false) {
		return answer, err
	}
	answer.Body.Close()
	if l.afterLoss != nil {
		l.afterLoss()
	}
	return nil, errors.New("the connection is reset")
}

var errTest = errors.New("the store fails")
