package autoscale

import (
	"errors"
	"fmt"
)

// Failure is what a failed call to the cloud leaves behind.
type Failure string

// The failures. After all but Unclear it is certain that nothing was done.
const (
	Throttled Failure = "throttled" // asked too often: later
	NoRoom    Failure = "capacity"  // the cloud or the account's quota has no more of it
	Denied    Failure = "auth"      // credentials or permissions
	Unclear   Failure = "unclear"   // no answer that says whether it was done
	Permanent Failure = "permanent" // the request itself is wrong
)

// A CallError is a failed call to the cloud, classified.
type CallError struct {
	Failure   Failure
	Code      string // the API's error code, or ""
	RequestID string
	Refused   []Refusal // of NoRoom, where several pools were asked
	Err       error
}

func (e *CallError) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("%s: %v", e.Failure, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", e.Failure, e.Code, e.Err)
}

func (e *CallError) Unwrap() error { return e.Err }

// failureOf classifies err: what is not known is unclear.
func failureOf(err error) Failure {
	if ce, ok := errors.AsType[*CallError](err); ok {
		return ce.Failure
	}
	return Unclear
}
