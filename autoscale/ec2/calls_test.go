package ec2

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"rondo/autoscale"
)

// TestCalls: what was called is counted with the class of its failure; what was
// not, since ctx has ended, is not.
func TestCalls(t *testing.T) {
	c := Calls{Pace: rate.NewLimiter(1, 3)}
	fail := &smithy.GenericAPIError{Code: "UnauthorizedOperation", Message: "request 7: no"}
	for _, want := range []error{nil, fail, context.Canceled} {
		ctx, cancel := context.WithCancel(t.Context())
		if errors.Is(want, context.Canceled) {
			cancel()
		}
		err := c.Do(ctx, "Describe", func(context.Context) error { return want })
		cancel()
		if (err == nil) != (want == nil) {
			t.Errorf("%v became %v", want, err)
		}
	}
	if d := cmp.Diff(map[string]uint64{"Describe": 2, "Describe_failed_" + string(autoscale.Denied): 1}, c.Stats()); d != "" {
		t.Error(d)
	}
	if got := Brief(Classify(fail)) + Brief(nil); got != string(autoscale.Denied)+": UnauthorizedOperation" {
		t.Error(got)
	}
}
