package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"rondo/alerts/fleet/join"
)

// tokenCmd lets agents join a running server.
type tokenCmd struct {
	Create   tokenCreateCmd   `cmd:"" help:"Make a token, and show the line to paste."`
	UserData tokenUserDataCmd `cmd:"" help:"Make a token, and print user data for cloud-init that installs the agent."`
	List     tokenListCmd     `cmd:"" help:"List the tokens."`
	Keys     tokenKeysCmd     `cmd:"" help:"List the agents that joined."`
	Revoke   tokenRevokeCmd   `cmd:"" help:"End a token, or the key of one host."`
}

// tokenFlags say what a new token is to be.
type tokenFlags struct {
	Group  string `help:"Group that the hosts will belong to." required:"" placeholder:"NAME"`
	Count  int    `help:"How many hosts may join with it." default:"1"`
	For    span   `help:"How long it can be used (default 1h)." default:"1h" placeholder:"TIME"`
	Static bool   `help:"For hosts outside EC2: they prove nothing but that they have the token."`
}

// A newToken is the answer to its making. The text of the token is told once.
type newToken struct {
	join.Token
	Text     string `json:"text"`
	Install  string `json:"install"` // the line to paste, or why there is none
	UserData string `json:"user_data,omitempty"`
}

func (f tokenFlags) create(ctx context.Context, c clientFlags) (t newToken, err error) {
	q := url.Values{"group": {f.Group}, "count": {strconv.Itoa(f.Count)}, "for": {time.Duration(f.For).String()}, "static": {strconv.FormatBool(f.Static)}, "by": {os.Getenv("USER")}}
	return t, c.post(ctx, "/api/agents/tokens", q, &t)
}

type tokenCreateCmd struct {
	clientFlags
	tokenFlags
}

func (tokenCreateCmd) Help() string {
	return `Examples:
  rondo token create --group=web --count=12 --for=1h
  rondo token create --group=office --count=3 --for=24h --static

An instance in EC2 trades the token for a key of its own, and proves with its
signed identity document, or by its ID, tag and private address, who it is. The
token is shown once: only its hash is stored.`
}

func (c tokenCreateCmd) Run(ctx context.Context, out io.Writer) error {
	t, err := c.create(ctx, c.clientFlags)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return json.NewEncoder(out).Encode(t)
	}
	_, err = fmt.Fprintf(out, "%s\n\nfor %s in group %s, until %s; on each:\n\n  %s\n",
		t.Text, plural(t.Count, "host"), t.Group, t.Until.Local().Format(time.DateTime), t.Install)
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

type tokenUserDataCmd struct {
	clientFlags
	tokenFlags
}

func (tokenUserDataCmd) Help() string {
	return `Examples:
  rondo token user-data --group=web --count=12 --for=24h`
}

func (c tokenUserDataCmd) Run(ctx context.Context, out io.Writer) error {
	t, err := c.create(ctx, c.clientFlags)
	if err != nil {
		return err
	}
	if t.UserData == "" {
		return fmt.Errorf("token %s is made, but there is no user data: %s", t.ID, t.Install)
	}
	_, err = io.WriteString(out, t.UserData)
	return err
}

type tokenListCmd struct{ clientFlags }

func (tokenListCmd) Help() string {
	return `Examples:
  rondo token list`
}

func (c tokenListCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/agents/tokens", nil)
	}
	var all []join.Token
	if err := c.get(ctx, "/api/agents/tokens", nil, &all); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TOKEN\tGROUP\tJOINED\tSTATE\tUNTIL\tKIND\tBY")
	for _, t := range all {
		kind := "instances"
		if t.Static {
			kind = "static"
		}
		fmt.Fprintf(w, "%s\t%s\t%d of %d\t%s\t%s\t%s\t%s\n", t.ID, t.Group, t.Used, t.Count, t.State(time.Now()), t.Until.Local().Format(time.DateTime), kind, t.By)
	}
	return w.Flush()
}

type tokenKeysCmd struct{ clientFlags }

func (tokenKeysCmd) Help() string {
	return `Examples:
  rondo token keys
  rondo token keys -o json`
}

func (c tokenKeysCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/agents/keys", nil)
	}
	var all []keyView
	if err := c.get(ctx, "/api/agents/keys", nil, &all); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tHOST\tGROUP\tJOINED\tSEEN\tFROM\tTOKEN\tPROFILE")
	for _, k := range all {
		seen := "-"
		if !k.Seen.IsZero() {
			seen = k.Seen.Local().Format(time.DateTime)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Host, k.Group, k.Joined.Local().Format(time.DateTime), seen, k.Peer, k.Token, cmp.Or(k.words(), "-"))
	}
	return w.Flush()
}

type tokenRevokeCmd struct {
	clientFlags
	Name string `arg:"" help:"A token, or the instance or host whose key is to end."`
}

func (tokenRevokeCmd) Help() string {
	return `Examples:
  rondo token revoke k3f9x2ab
  rondo token revoke web-7

Hosts that have joined with a token keep their keys when it is revoked. A host
whose key is revoked needs another token to join again.`
}

func (c tokenRevokeCmd) Run(ctx context.Context, out io.Writer) error {
	var said struct{ Revoked string }
	if err := c.post(ctx, "/api/agents/revoke", url.Values{"name": {c.Name}, "by": {os.Getenv("USER")}}, &said); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s: revoked\n", said.Revoked)
	return err
}

func (s *server) tokenList(*http.Request, url.Values) (any, error) { return s.join.Tokens(), nil }

func (s *server) tokenCreate(r *http.Request, q url.Values) (any, error) {
	count, err := strconv.Atoi(q.Get("count"))
	if err != nil {
		return nil, fmt.Errorf("count %q: want a number", q.Get("count"))
	}
	life, err := time.ParseDuration(q.Get("for"))
	if err != nil {
		return nil, fmt.Errorf("for %q: want a time such as 1h", q.Get("for"))
	}
	spec := join.Spec{Group: q.Get("group"), Count: count, For: life, Static: q.Get("static") == "true", By: asker(r, q.Get("by"))}
	text, t, err := s.join.Create(r.Context(), spec)
	if err != nil {
		return nil, err
	}
	n := newToken{Token: t, Text: text}
	s.install.tell(&n)
	return n, nil
}

func (s *server) tokenRevoke(r *http.Request, q url.Values) (any, error) {
	what, err := s.join.Revoke(r.Context(), q.Get("name"), asker(r, q.Get("by")))
	return map[string]string{"revoked": what}, err
}
