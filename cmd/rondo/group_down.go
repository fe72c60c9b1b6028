package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// orderFlags are what an order for a group consists of.
type orderFlags struct {
	clientFlags
	Name string        `arg:"" help:"The group."`
	For  time.Duration `help:"For how long." required:"" placeholder:"DURATION"`
	reason
}

func (c orderFlags) send(ctx context.Context, out io.Writer, verb string) error {
	q := url.Values{"by": {c.Message}, "for": {c.For.String()}}
	body, err := c.do(ctx, http.MethodPost, groupPath(c.Name)+"/"+verb, q)
	if err != nil {
		return err
	}
	body.Close()
	fmt.Fprintf(out, "%s: %s for %v\n", c.Name, verb, c.For)
	return nil
}

type groupDownCmd struct{ orderFlags }

func (groupDownCmd) Help() string {
	return `Examples:
  rondo group down staging --for=14h -m "nobody tests tonight"
  rondo group up staging --for=2h        # an order takes the place of the one before

All instances of the group drain and are terminated, but for protected ones. It
is started again so early that instances serve when the time is over.`
}

func (c groupDownCmd) Run(ctx context.Context, out io.Writer) error { return c.send(ctx, out, "down") }

type groupUpCmd struct{ orderFlags }

func (groupUpCmd) Help() string {
	return `Examples:
  rondo group up staging --for=2h -m "a late test"
  rondo group explain staging

For so long the group is not shut down by its schedule (down, in the
configuration); then that holds again.`
}

func (c groupUpCmd) Run(ctx context.Context, out io.Writer) error { return c.send(ctx, out, "up") }
