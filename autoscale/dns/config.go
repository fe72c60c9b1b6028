package dns

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"rondo/alerts/notify"
)

// Config is the names that follow groups.
type Config []Item

// Records say which of those in service a name has.
type Records string

// The choices of records.
const (
	All   Records = "all"   // the default
	First Records = "first" // one: the name of a group of one
)

// Address says which address of an instance stands in a name.
type Address string

// The choices of addresses.
const (
	Private Address = "private" // the default
	Public  Address = "public"
)

// An Item is a name that follows a group.
type Item struct {
	Group   string        `yaml:"group"`
	Name    string        `yaml:"name"` // web.example.com
	Zone    string        `yaml:"zone"` // example.com
	TTL     time.Duration `yaml:"ttl"`  // 1s to 1d; default 30s
	Records Records       `yaml:"records"`
	Address Address       `yaml:"address"`
	Each    string        `yaml:"each"`  // a name for every instance as well, such as {host}.example.com
	Adopt   bool          `yaml:"adopt"` // take over a name that others have written

	// Traffic is PromQL, one series for each host: its connections, sessions or
	// requests. From it is learnt how long clients keep an address that is gone.
	// Default: the group's retire.sessions.
	Traffic     string        `yaml:"traffic"`
	LongestTail time.Duration `yaml:"longest_tail"` // most that is waited beyond the TTL, and all of it until enough is learnt; 1s to 30m; default 1m

	RFC2136 *Server     `yaml:"rfc2136"` // where the zone is kept
	Route53 *HostedZone `yaml:"route53"` // or here
}

// A Server takes dynamic updates of a zone: its primary.
type Server struct {
	Server    string        `yaml:"server"`    // host:port; the port is 53 where it is missing
	Key       string        `yaml:"key"`       // name of the TSIG key; "": by address alone
	Algorithm string        `yaml:"algorithm"` // hmac-sha256 (default), hmac-sha224, hmac-sha384, hmac-sha512 or hmac-sha1
	Secret    notify.Secret `yaml:"secret"`    // in base64, as tsig-keygen prints it
	Timeout   time.Duration `yaml:"timeout"`   // of one exchange; default 5s
}

// A HostedZone is a zone of Route 53, in the account of autoscale.ec2.
type HostedZone struct {
	ZoneID string `yaml:"zone_id"`
}

// ledgerLabel stands before a name in the name of its ledger.
const ledgerLabel = "_rondo."

// placeholder of a host's name in Item.Each.
const placeholder = "{host}"

// withDefaults completes an item and writes its names as DNS compares them.
func (it Item) withDefaults() Item {
	it.Name, it.Zone, it.Each = plain(it.Name), plain(it.Zone), plain(it.Each)
	it.TTL = cmp.Or(it.TTL, 30*time.Second)
	it.Records = cmp.Or(it.Records, All)
	it.Address = cmp.Or(it.Address, Private)
	it.LongestTail = cmp.Or(it.LongestTail, time.Minute)
	if it.RFC2136 != nil {
		s := *it.RFC2136
		it.RFC2136 = new(s.withDefaults())
	}
	return it
}

func (s Server) withDefaults() Server {
	if _, _, err := net.SplitHostPort(s.Server); err != nil {
		s.Server = net.JoinHostPort(strings.Trim(s.Server, "[]"), "53")
	}
	s.Algorithm = strings.ToLower(cmp.Or(s.Algorithm, "hmac-sha256"))
	s.Timeout = cmp.Or(s.Timeout, 5*time.Second)
	return s
}

// Completed is the configuration with all that it leaves to defaults.
func (c Config) Completed() Config {
	out := make(Config, len(c))
	for i, it := range c {
		out[i] = it.withDefaults()
	}
	return out
}

// Groups names the groups that names follow.
func (c Config) Groups() (out []string) {
	for _, it := range c {
		out = append(out, it.Group)
	}
	return out
}

// plain is a name in lower case without the dot at its end.
func plain(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// ledger is the name of the record that says what is ours.
func (it Item) ledger() string { return ledgerLabel + it.Name }

// Validate says all that is wrong with the names.
func (c Config) Validate() error {
	var errs []error
	seen := make(map[string]bool)
	for i, it := range c {
		it = it.withDefaults()
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("dns: %d: "+format, append([]any{i + 1}, args...)...))
		}
		if seen[it.Name] {
			bad("name %q is there twice", it.Name)
		}
		seen[it.Name] = true
		it.validate(bad)
	}
	return errors.Join(errs...)
}

func (it Item) validate(bad func(string, ...any)) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			bad(format, args...)
		}
	}
	check(it.Group != "", "group is missing: whose members?")
	check(isName(it.Zone), "zone %q: want the name of a zone, such as example.com", it.Zone)
	check(isName(it.Name), "name %q: want a host name, such as web.example.com", it.Name)
	check(within(it.Name, it.Zone), "name %q is not in zone %q", it.Name, it.Zone)
	check(len(it.ledger()) <= maxName, "name %q is too long: %s before it must fit", it.Name, ledgerLabel)
	check(it.TTL >= time.Second && it.TTL <= 24*time.Hour && it.TTL%time.Second == 0, "ttl %v: want 1s to 24h, in whole seconds", it.TTL)
	check(it.Records == All || it.Records == First, "records %q: want all or first", it.Records)
	check(it.Address == Private || it.Address == Public, "address %q: want private or public", it.Address)
	check(it.LongestTail >= time.Second && it.LongestTail <= 30*time.Minute, "longest_tail %v: want 1s to 30m", it.LongestTail)
	if it.Each != "" {
		one := strings.Replace(it.Each, placeholder, "host", 1)
		check(strings.Count(it.Each, placeholder) == 1 && isName(one) && within(one, it.Zone) && one != it.Name,
			"each %q: want a name in zone %q with {host} in it once, such as {host}.%s", it.Each, it.Zone, it.Zone)
	}
	switch {
	case it.RFC2136 != nil && it.Route53 != nil:
		bad("rfc2136 and route53: want one of them")
	case it.RFC2136 != nil:
		it.RFC2136.validate(bad)
	case it.Route53 != nil:
		check(zoneID.MatchString(it.Route53.ZoneID), "route53: zone_id %q: want the ID of a hosted zone, such as Z2ABCDEF123456", it.Route53.ZoneID)
	default:
		bad("where is zone %q kept? want rfc2136 or route53", it.Zone)
	}
}

func (s Server) validate(bad func(string, ...any)) {
	host, port, err := net.SplitHostPort(s.Server)
	if err != nil || host == "" || port == "" {
		bad("rfc2136: server %q: want an address, such as 10.0.0.53:53", s.Server)
	}
	if (s.Key == "") != (s.Secret == "") {
		bad("rfc2136: key and secret go together")
	}
	if ip, err := netip.ParseAddr(host); s.Key == "" && (err != nil || !ip.IsLoopback()) {
		bad("rfc2136: key is missing: without one, only a server on this machine is taken for what it says to be")
	}
	if s.Key != "" && !isName(plain(s.Key)) {
		bad("rfc2136: key %q: want the name of a key", s.Key)
	}
	switch s.Algorithm {
	case "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512":
	default:
		bad("rfc2136: algorithm %q: want hmac-sha256, hmac-sha512, hmac-sha384, hmac-sha224 or hmac-sha1", s.Algorithm)
	}
	// The text of a bad secret stays out of the error.
	if b, err := base64.StdEncoding.DecodeString(string(s.Secret)); s.Secret != "" && (err != nil || len(b) < 8) {
		bad("rfc2136: secret: want at least 8 bytes in base64, as tsig-keygen prints them")
	}
	if s.Timeout < 100*time.Millisecond || s.Timeout > time.Minute {
		bad("rfc2136: timeout %v: want 100ms to 1m", s.Timeout)
	}
}

var (
	// A label of a host's name (RFC 1123, section 2.1); as a first one _ will do too.
	hostName = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	zoneID   = regexp.MustCompile(`^Z[A-Z0-9]{1,31}$`)
)

// maxName is the most that a name has in text (RFC 1035, section 2.3.4).
const maxName = 253

func isName(name string) bool { return len(name) <= maxName && hostName.MatchString(name) }

func within(name, zone string) bool { return name == zone || strings.HasSuffix(name, "."+zone) }
