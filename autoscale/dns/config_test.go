package dns

import (
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	good := func() Item {
		return Item{Group: "web", Name: "web.example.com", Zone: "example.com", RFC2136: &Server{Server: "10.0.0.53", Key: "rondo", Secret: "c2l4dGVlbiBieXRlcw=="}}
	}
	f := func(edit func(*Item), want string) {
		t.Helper()
		it := good()
		edit(&it)
		err := Config{it}.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), "dns: 1: "+want)) {
			t.Errorf("got %v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "c2l4") {
			t.Errorf("the secret is told: %v", err)
		}
	}
	f(func(*Item) {}, "")
	f(func(it *Item) { it.Name, it.Zone = "WEB.Example.COM.", "example.com." }, "")
	f(func(it *Item) { it.RFC2136, it.Route53 = nil, &HostedZone{"Z2ABCDEF123456"} }, "")
	f(func(it *Item) { it.Each = "{host}.web.example.com" }, "")
	f(func(it *Item) { it.RFC2136 = &Server{Server: "127.0.0.1:5353"} }, "")
	f(func(it *Item) { it.Group = "" }, "group is missing")
	f(func(it *Item) { it.Name = "web.example.org" }, `name "web.example.org" is not in zone "example.com"`)
	f(func(it *Item) { it.Name = "webexample.com" }, "name")
	f(func(it *Item) { it.Name = "we b.example.com" }, "name")
	f(func(it *Item) { it.Name = strings.Repeat("a.", 120) + "example.com" }, "name")
	f(func(it *Item) { it.TTL = 500 * time.Millisecond }, "ttl 500ms")
	f(func(it *Item) { it.TTL = 25 * time.Hour }, "ttl")
	f(func(it *Item) { it.Records = "some" }, `records "some"`)
	f(func(it *Item) { it.Address = "elastic" }, "address")
	f(func(it *Item) { it.LongestTail = time.Hour }, "longest_tail")
	f(func(it *Item) { it.Each = "host.example.com" }, "each")
	f(func(it *Item) { it.Each = "{host}.example.org" }, "each")
	f(func(it *Item) { it.RFC2136 = nil }, "where is zone")
	f(func(it *Item) { it.Route53 = &HostedZone{"Z1"} }, "rfc2136 and route53")
	f(func(it *Item) { it.RFC2136, it.Route53 = nil, &HostedZone{"zone"} }, "route53: zone_id")
	f(func(it *Item) { it.RFC2136.Key = "" }, "rfc2136: key and secret go together")
	f(func(it *Item) { it.RFC2136.Key, it.RFC2136.Secret = "", "" }, "rfc2136: key is missing")
	f(func(it *Item) { it.RFC2136.Secret = "c2l4!" }, "rfc2136: secret")
	f(func(it *Item) { it.RFC2136.Algorithm = "md5" }, "rfc2136: algorithm")
	f(func(it *Item) { it.RFC2136.Server = "" }, "rfc2136: server")
	if err := (Config{good(), good()}).Validate(); err == nil || !strings.Contains(err.Error(), `dns: 2: name "web.example.com" is there twice`) {
		t.Errorf("twice: %v", err)
	}
}
