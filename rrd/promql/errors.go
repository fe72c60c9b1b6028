package promql

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/promql"
)

// A Kind is why a query failed, in the words of Prometheus' API.
type Kind string

// The kinds of failure and their HTTP status.
const (
	BadData   Kind = "bad_data"  // 400: the query itself is wrong
	Execution Kind = "execution" // 422: it cannot be evaluated, or is beyond a limit
	Canceled  Kind = "canceled"  // 499: who asked has gone
	Timeout   Kind = "timeout"   // 503: it took, or waited, too long
	Internal  Kind = "internal"  // 500: the store failed
)

// Status is the HTTP status that Prometheus gives to this kind.
func (k Kind) Status() int {
	switch k {
	case BadData:
		return 400
	case Execution:
		return 422
	case Canceled:
		return 499
	case Timeout:
		return 503
	}
	return 500
}

// An Error is a query that failed.
type Error struct {
	Kind Kind
	Err  error
}

func (e *Error) Error() string { return "promql: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// badQuery reports a query that cannot be parsed, as Prometheus words it.
func badQuery(err error) error {
	return &Error{BadData, fmt.Errorf("invalid parameter %q: %w", "query", err)}
}

// storeError reports a failed read. The end of the context is no failure of
// the store.
func storeError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return contextError(err, "reading the archives")
	}
	return &Error{Internal, fmt.Errorf("reading the archives: %w", err)}
}

// contextError words the end of a context as the engine does.
func contextError(err error, where string) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Timeout, promql.ErrQueryTimeout(where)}
	}
	return &Error{Canceled, promql.ErrQueryCanceled(where)}
}

// engineError sorts the engine's errors into kinds.
func engineError(err error) error {
	var (
		canceled promql.ErrQueryCanceled
		timeout  promql.ErrQueryTimeout
	)
	switch {
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded):
		return &Error{Timeout, err}
	case errors.As(err, &canceled), errors.Is(err, context.Canceled):
		return &Error{Canceled, err}
	}
	return &Error{Execution, err}
}
