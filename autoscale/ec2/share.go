package ec2

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"rondo/autoscale"
)

// SDK returns the SDK's configuration for clients of the same account and
// region: where to call, with which keys, and how reads are retried. It makes no
// call.
func SDK(ctx context.Context, c Config) (aws.Config, error) {
	if err := c.Validate(); err != nil {
		return aws.Config{}, err
	}
	conf, err := load(ctx, c)
	if err != nil {
		return conf, err
	}
	if conf.Region == "" {
		return conf, errors.New("ec2: no region: set region, or AWS_REGION")
	}
	if c.Endpoint != "" {
		conf.BaseEndpoint = aws.String(c.Endpoint)
	}
	if c.Transport != nil {
		conf.HTTPClient = &http.Client{Transport: c.Transport}
	}
	return conf, nil
}

// ByID describes instances whoever they belong to. One that EC2 does not know,
// or not yet, is left out.
func (c *Cloud) ByID(ctx context.Context, ids []string) (out []autoscale.Instance, err error) {
	for some := range slices.Chunk(ids, batch) {
		is, err := c.describe(ctx, filter("instance-id", some...))
		if err != nil {
			return nil, err
		}
		out = append(out, is...)
	}
	return out, nil
}

// Dried is nil where the answer to a dry run says that the action is allowed.
func Dried(err error) error { return dried(err) }

// Required is what one question came to: what is denied comes with the statement
// of IAM that allows it.
func Required(action, text string, err error) autoscale.Requirement {
	r := autoscale.Requirement{Name: action, State: autoscale.Granted, Text: text}
	if err == nil {
		return r
	}
	r.State, r.Text = autoscale.Unsure, err.Error()+", "+text
	switch ce, ok := errors.AsType[*autoscale.CallError](err); {
	case ok && ce.Failure == autoscale.Denied:
		r.State, r.Policy = autoscale.Refused, autoscale.Allow(action, "*")
	case ok && ce.Failure == autoscale.Permanent:
		r.State = autoscale.Missing
	}
	return r
}

// Classify says what a failed call to any of AWS's services left behind: an
// *autoscale.CallError.
func Classify(err error) error { return classify(err) }
