package redirect

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"rondo/autoscale"
)

func TestConfig(t *testing.T) {
	change := func(f func(*Config)) Config {
		c := site()
		f(&c)
		return c
	}
	good := map[string]Config{
		"default":   DefaultConfig(),
		"site":      site(),
		"allowed":   change(func(c *Config) { c.Listen, c.Allow = ":80", []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} }),
		"tls":       change(func(c *Config) { c.Listen, c.TLS = ":443", TLS{"a", "b"} }),
		"by a tag":  change(func(c *Config) { c.Groups[0].URL = "http://127.0.0.1:{tag.port}/x" }),
		"two sites": change(func(c *Config) { c.Groups = append(c.Groups, Group{Group: "api", URL: "http://{id}", Path: "/api"}) }),
	}
	for name, c := range good {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for want, c := range map[string]Config{
		"redirect: listen: \":80\" takes plaintext":          change(func(c *Config) { c.Listen = ":80" }),
		"redirect: agent_check: listen: \"x\": want":         change(func(c *Config) { c.AgentCheck.Listen = "x" }),
		"cert and key belong together":                       change(func(c *Config) { c.TLS.Cert = "a" }),
		"secret: 4 characters are too few":                   change(func(c *Config) { c.Secret = "abcd" }),
		"max_conns 1 or more":                                change(func(c *Config) { c.Limits.MaxConns = 0 }),
		"redirect: groups: 2: group: \"web\" stands here":    change(func(c *Config) { c.Groups = append(c.Groups, Group{Group: "web"}) }),
		"there is no redirector":                             change(func(c *Config) { c.Listen = "" }),
		"both at /;":                                         change(func(c *Config) { c.Groups = append(c.Groups, Group{Group: "api", URL: "http://{id}"}) }),
		"groups: 1: url: \"ftp://host\": want http or https": change(func(c *Config) { c.Groups[0].URL = "ftp://{host}" }),
		"no more than scheme":                                change(func(c *Config) { c.Groups[0].URL = "http://{host}/?a" }),
		"a { without its }":                                  change(func(c *Config) { c.Groups[0].URL = "http://{host" }),
		"a } without its {":                                  change(func(c *Config) { c.Groups[0].URL = "http://host}" }),
		"status: 301: want 307, or 302":                      change(func(c *Config) { c.Groups[0].Status = 301 }),
		"longest: 1h0m0s: want session (2h0m0s)":             change(func(c *Config) { c.Groups[0].Session, c.Groups[0].Longest = 2*time.Hour, time.Hour }),
		"path: \"x\": want one that begins with /":           change(func(c *Config) { c.Groups[0].Path = "x" }),
		"hosts: \"http://www\": want a name":                 change(func(c *Config) { c.Groups[0].Hosts = []string{"http://www"} }),
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestTemplate: what an instance's tags and names say leads nowhere else.
func TestTemplate(t *testing.T) {
	i := autoscale.Instance{ID: "i-1", PrivateIP: "fd00::1", Tags: map[string]string{"port": "8080", "evil": "80@evil.example/", "dots": "a..b"}}
	for text, want := range map[string]string{
		"http://{private_ip}:{tag.port}/x": "http://[fd00::1]:8080/x",
		"http://{host}":                    "http://i-1",
		"{id}.{group}":                     "i-1.web",
		"http://h:{tag.evil}":              "its tag.evil \"80@evil.example/\" has no place in an address",
		"http://{public_ip}":               "it has no public_ip",
		"http://{tag.none}":                "it has no tag.none",
	} {
		tmpl, err := ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tmpl.Expand("web", i)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
