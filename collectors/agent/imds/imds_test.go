package imds

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const document = `{
  "accountId" : "123456789012",
  "availabilityZone" : "eu-west-1a",
  "billingProducts" : null,
  "imageId" : "ami-0fa9e1f64142cde17",
  "instanceId" : "i-0123456789abcdef0",
  "instanceType" : "m7g.large",
  "pendingTime" : "2026-11-21T09:00:00Z",
  "privateIp" : "10.0.0.209",
  "region" : "eu-west-1",
  "version" : "2017-09-30"
}`

// service is the metadata service, as far as it is asked.
func service(t *testing.T, answers map[string]string) *Client {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") == "" {
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, "TOKEN==")
	})
	mux.HandleFunc("GET /latest/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-aws-ec2-metadata-token") != "TOKEN==" {
			http.Error(w, "", http.StatusUnauthorized)
			return
		}
		text, ok := answers[strings.TrimPrefix(r.URL.EscapedPath(), "/latest/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, text)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return New(srv.URL + "/")
}

func TestInstance(t *testing.T) {
	c := service(t, map[string]string{
		"dynamic/instance-identity/document":           document,
		"dynamic/instance-identity/rsa2048":            "MIAG",
		"meta-data/tags/instance":                      "Name\nrondo:group\ncost/centre",
		"meta-data/tags/instance/Name":                 "web-1",
		"meta-data/tags/instance/rondo:group":          "web",
		"meta-data/tags/instance/cost%2Fcentre":        "7",
		"meta-data/tags/instance/cost/centre/unasked/": "",
	})
	got, err := c.Instance(t.Context())
	want := Instance{
		ID: "i-0123456789abcdef0", Type: "m7g.large", Zone: "eu-west-1a", Region: "eu-west-1", Account: "123456789012",
		Image: "ami-0fa9e1f64142cde17", PrivateIP: "10.0.0.209", Signed: "MIAG",
		Tags: map[string]string{"Name": "web-1", "rondo:group": "web", "cost/centre": "7"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	c = service(t, map[string]string{"dynamic/instance-identity/document": document})
	if got, err := c.Instance(t.Context()); err != nil || got.Tags != nil || got.Signed != "" || got.ID != want.ID {
		t.Errorf("without tags and signature: %+v, %v", got, err)
	}
	if _, err := service(t, map[string]string{"dynamic/instance-identity/document": "<html>"}).Instance(t.Context()); err == nil {
		t.Error("a document that is none")
	}
	if _, err := service(t, map[string]string{"dynamic/instance-identity/document": strings.Repeat(" ", maxAnswer+1)}).Instance(t.Context()); err == nil {
		t.Error("a document without end")
	}
}

func TestNone(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	if _, err := New(srv.URL).Instance(t.Context()); !errors.Is(err, ErrNone) {
		t.Error("a server that is none:", err)
	}
	srv.Close()
	if _, err := New(srv.URL).Instance(t.Context()); !errors.Is(err, ErrNone) {
		t.Error("nobody there:", err)
	}
	elsewhere := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound))
	defer elsewhere.Close()
	if _, err := New(elsewhere.URL).Instance(t.Context()); !errors.Is(err, ErrNone) {
		t.Error("a redirect:", err)
	}
}
