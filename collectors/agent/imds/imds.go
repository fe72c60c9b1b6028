// Package imds asks EC2's instance metadata service who this machine is. It
// speaks version 2 only: version 1 needs no token, and a program that can be
// made to fetch a URL would read it.
//
//	PUT /latest/api/token                             a token for some minutes
//	GET /latest/dynamic/instance-identity/document    JSON
//	GET /latest/dynamic/instance-identity/rsa2048     the same, signed
//	GET /latest/meta-data/tags/instance[/KEY]         where the instance allows it
//
// See the EC2 User Guide, "Use the Instance Metadata Service".
package imds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Endpoint is where the service answers on every instance.
const Endpoint = "http://169.254.169.254"

const (
	patience  = 2 * time.Second // a machine outside EC2 may have nobody there who says no
	tokenLife = "60"            // seconds; one is asked for each time
	maxAnswer = 64 << 10
	maxTags   = 50
)

// ErrNone says that there is no such service: this is no instance.
var ErrNone = errors.New("imds: no instance metadata service answers")

// errAbsent is an answer of 404: the instance has no such thing.
var errAbsent = errors.New("imds: not there")

// A Client asks one service.
type Client struct {
	endpoint string
	http     *http.Client
}

// New makes a client of the service at an endpoint; "" is [Endpoint]. It goes
// through no proxy and follows no redirect.
func New(endpoint string) *Client {
	if endpoint == "" {
		endpoint = Endpoint
	}
	dial := net.Dialer{Timeout: patience}
	return &Client{strings.TrimSuffix(endpoint, "/"), &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{DialContext: dial.DialContext, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// An Instance is what the service says of this machine.
type Instance struct {
	ID        string `json:"instanceId"`
	Type      string `json:"instanceType"`
	Zone      string `json:"availabilityZone"`
	Region    string `json:"region"`
	Account   string `json:"accountId"`
	Image     string `json:"imageId"`
	PrivateIP string `json:"privateIp"`

	Tags map[string]string `json:"-"` // empty where the instance does not show them
	// Signed is the document with EC2's signature (rsa2048), in base64.
	Signed string `json:"-"`
}

// Instance asks who this machine is. The error is ErrNone where nobody answers.
func (c *Client) Instance(ctx context.Context) (Instance, error) {
	token, err := c.do(ctx, http.MethodPut, "/latest/api/token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", tokenLife)
	if err != nil {
		return Instance{}, fmt.Errorf("%w (%w)", ErrNone, err)
	}
	get := func(path string) (string, error) {
		return c.do(ctx, http.MethodGet, "/latest/"+path, "X-Aws-Ec2-Metadata-Token", token)
	}
	var i Instance
	document, err := get("dynamic/instance-identity/document")
	if err != nil {
		return i, err
	}
	if err := json.Unmarshal([]byte(document), &i); err != nil {
		return i, fmt.Errorf("imds: document: %w", err)
	}
	if i.Signed, err = get("dynamic/instance-identity/rsa2048"); err != nil && !errors.Is(err, errAbsent) {
		return i, err
	}
	i.Tags, err = tags(get)
	return i, err
}

// tags reads the instance's tags; that they are not shown is no error.
func tags(get func(string) (string, error)) (map[string]string, error) {
	const path = "meta-data/tags/instance"
	list, err := get(path)
	if errors.Is(err, errAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for name := range strings.Lines(list) {
		name = strings.TrimSuffix(name, "\n")
		if name == "" || len(all) == maxTags {
			continue
		}
		if all[name], err = get(path + "/" + url.PathEscape(name)); err != nil && !errors.Is(err, errAbsent) {
			return nil, err
		}
	}
	return all, nil
}

// do sends one request with one header and returns the answer's text.
func (c *Client) do(ctx context.Context, method, path, header, value string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, nil)
	if err != nil {
		return "", fmt.Errorf("imds: %w", err)
	}
	r.Header.Set(header, value)
	answer, err := c.http.Do(r)
	if err != nil {
		return "", fmt.Errorf("imds: %w", err)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return "", fmt.Errorf("%w: %s", errAbsent, path)
	default:
		return "", fmt.Errorf("imds: %s: %s", path, answer.Status)
	}
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = errors.New("the answer is too long")
	}
	if err != nil {
		return "", fmt.Errorf("imds: %s: %w", path, err)
	}
	return string(b), nil
}
