package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"rondo/collectors/agent"
	"rondo/collectors/agent/imds"
)

// metadataService is version 2 of EC2's: without a token it says nothing.
func metadataService(t *testing.T) *imds.Client {
	t.Helper()
	answers := map[string]string{
		"/latest/dynamic/instance-identity/document": `{"instanceId": "i-0abc", "instanceType": "m7g.large", "availabilityZone": "eu-central-1a"}`,
		"/latest/dynamic/instance-identity/rsa2048":  "MIAG",
		"/latest/meta-data/tags/instance":            "Name\nrondo:group",
		"/latest/meta-data/tags/instance/Name":       "web-7",
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.URL.Path]
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
			_, _ = w.Write([]byte("secret"))
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "secret":
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "rondo:group"):
			_, _ = w.Write([]byte("web"))
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = w.Write([]byte(text))
		}
	}))
	t.Cleanup(srv.Close)
	return imds.New(srv.URL)
}

// TestAgentIdentity: an instance is known by its id, and its tag is its group;
// elsewhere the machine's name is the id. What the configuration says wins.
func TestAgentIdentity(t *testing.T) {
	f := func(metadata *imds.Client, change func(*agentConfig), want agent.Identity) {
		t.Helper()
		c := defaultAgentConfig()
		c.Host = "web7"
		change(c)
		got, err := c.identity(t.Context(), metadata, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	tags := map[string]string{"Name": "web-7", "rondo:group": "web"}
	instance := agent.Identity{ID: "i-0abc", Host: "web7", Group: "web", Instance: "i-0abc", Type: "m7g.large", Zone: "eu-central-1a", Tags: tags}
	f(metadataService(t), func(*agentConfig) {}, instance)
	instance.Group, instance.Tags = "db", map[string]string{"rack": "7"}
	f(metadataService(t), func(c *agentConfig) { c.Group, c.Tags = "db", instance.Tags }, instance)
	f(nil, func(*agentConfig) {}, agent.Identity{ID: "web7", Host: "web7"})
	f(imds.New("http://127.0.0.1:1"), func(*agentConfig) {}, agent.Identity{ID: "web7", Host: "web7"})
}

// TestForgetProgram: the program goes on without its pages.
func TestForgetProgram(t *testing.T) {
	for range 3 {
		if err := forgetProgram(); err != nil {
			t.Fatal(err)
		}
	}
}
