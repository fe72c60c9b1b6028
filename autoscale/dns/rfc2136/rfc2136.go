package rfc2136

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	mdns "github.com/miekg/dns"

	"rondo/autoscale/dns"
)

// A Zone is one zone at its primary. It is a [dns.Provider], and safe for
// concurrent use.
type Zone struct {
	zone      string // fully qualified, as all names on the wire
	server    string
	key       string // fully qualified; "": none
	algorithm string
	secrets   map[string]string
	timeout   time.Duration
}

// New makes what keeps a zone at a server, from a valid and completed
// configuration.
func New(zone string, s dns.Server) *Zone {
	z := &Zone{zone: mdns.Fqdn(zone), server: s.Server, algorithm: mdns.Fqdn(s.Algorithm), timeout: s.Timeout}
	if s.Key != "" {
		z.key = mdns.CanonicalName(s.Key)
		z.secrets = map[string]string{z.key: string(s.Secret)}
	}
	return z
}

// udpSize is what an answer over UDP may have (EDNS0); a longer one is asked for
// over TCP. It fits into an Ethernet frame whatever the path.
const udpSize = 1232

// Addresses implements [dns.Provider].
func (z *Zone) Addresses(ctx context.Context, names []string) (map[string]dns.Set, error) {
	out := make(map[string]dns.Set)
	for _, name := range names {
		set, err := z.addresses(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(set.Addrs) > 0 || set.Other != "" {
			out[name] = set
		}
	}
	return out, nil
}

func (z *Zone) addresses(ctx context.Context, name string) (set dns.Set, err error) {
	for _, kind := range []uint16{mdns.TypeA, mdns.TypeAAAA} {
		rrs, err := z.ask(ctx, name, kind)
		if err != nil {
			return set, err
		}
		if ghost, err := z.ghost(ctx, name, rrs); err != nil || ghost {
			return set, err
		}
		for _, rr := range rrs {
			switch rr := rr.(type) {
			case *mdns.A:
				set.Addrs = append(set.Addrs, addr(rr.A))
			case *mdns.AAAA:
				set.Addrs = append(set.Addrs, addr(rr.AAAA))
			default:
				set.Other = "a " + mdns.TypeToString[rr.Header().Rrtype]
				return set, nil
			}
			set.TTL = max(set.TTL, time.Duration(rr.Header().Ttl)*time.Second)
		}
	}
	return set, nil
}

func addr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip) // of the right length, for the message was unpacked
	return a.Unmap()
}

// Texts implements [dns.Provider]. The strings of a record are put together.
func (z *Zone) Texts(ctx context.Context, name string) (t dns.Texts, err error) {
	rrs, err := z.ask(ctx, name, mdns.TypeTXT)
	if err != nil {
		return t, err
	}
	if ghost, err := z.ghost(ctx, name, rrs); err != nil || ghost {
		return t, err
	}
	for _, rr := range rrs {
		txt, ok := rr.(*mdns.TXT)
		if !ok {
			return t, dns.Errorf(dns.Failed, "rfc2136: %s is a %s, where our ledger is to be", name, mdns.TypeToString[rr.Header().Rrtype])
		}
		t.Values = append(t.Values, strings.Join(txt.Txt, ""))
		t.TTL = time.Duration(rr.Header().Ttl) * time.Second
	}
	return t, nil
}

// ask asks the primary for the records of a name: those of the kind, or the
// CNAME that is there instead.
func (z *Zone) ask(ctx context.Context, name string, kind uint16) ([]mdns.RR, error) {
	name = mdns.Fqdn(name)
	m := new(mdns.Msg).SetQuestion(name, kind)
	m.RecursionDesired = false
	m.SetEdns0(udpSize, false)
	r, err := z.exchange(ctx, "udp", m)
	if err == nil && r.Truncated {
		r, err = z.exchange(ctx, "tcp", m)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case r.Rcode != mdns.RcodeSuccess && r.Rcode != mdns.RcodeNameError:
		return nil, z.refusal(r)
	case !r.Authoritative:
		return nil, dns.Errorf(dns.NotAuth, "rfc2136: %s does not answer for the zone %s itself: want its primary", z.server, z.zone)
	}
	return slices.DeleteFunc(r.Answer, func(rr mdns.RR) bool {
		t := rr.Header().Rrtype
		return !strings.EqualFold(rr.Header().Name, name) || t != kind && t != mdns.TypeCNAME && t != mdns.TypeDNAME
	}), nil
}

// ghost says whether an answer came from a wildcard: the records are none of the
// name's own. A message of prerequisites alone asks that (RFC 2136, section
// 2.4.3), and changes nothing.
func (z *Zone) ghost(ctx context.Context, name string, rrs []mdns.RR) (bool, error) {
	if len(rrs) == 0 {
		return false, nil
	}
	kind := rrs[0].Header().Rrtype
	m := new(mdns.Msg).SetUpdate(z.zone)
	m.RRsetNotUsed([]mdns.RR{header(name, kind, 0)})
	r, err := z.exchange(ctx, "tcp", m)
	switch {
	case err != nil:
		return false, err
	case r.Rcode == mdns.RcodeSuccess:
		return true, nil
	case r.Rcode == mdns.RcodeYXRrset:
		return false, nil
	}
	return false, z.refusal(r)
}

// Update implements [dns.Provider]. The prerequisites hold the zone to what it
// was when it was read, value for value (RFC 2136, section 2.4.2): where another
// writer was faster, nothing is done. Updates go over TCP, so that an answer
// that is lost is known to be.
func (z *Zone) Update(ctx context.Context, u dns.Update) (string, error) {
	r, err := z.exchange(ctx, "tcp", z.message(u))
	if err != nil {
		return "", err
	}
	switch r.Rcode {
	case mdns.RcodeSuccess:
		return "", nil
	case mdns.RcodeNXRrset, mdns.RcodeYXRrset, mdns.RcodeYXDomain, mdns.RcodeNameError:
		return "", dns.Errorf(dns.Changed, "rfc2136: the zone %s was changed by somebody else meanwhile (%s)", z.zone, mdns.RcodeToString[r.Rcode])
	}
	return "", z.refusal(r)
}

// message writes an update.
func (z *Zone) message(u dns.Update) *mdns.Msg {
	m := new(mdns.Msg).SetUpdate(z.zone)
	for _, c := range u.Sets {
		for _, kind := range []uint16{mdns.TypeA, mdns.TypeAAAA} {
			was, is := records(c.Name, kind, c.Was), records(c.Name, kind, c.Is)
			if len(was)+len(is) > 0 {
				change(m, c.Name, kind, was, is)
			}
		}
	}
	if c := u.Ledger; !slices.Equal(c.Was.Values, c.Is.Values) {
		change(m, c.Name, mdns.TypeTXT, texts(c.Name, c.Was), texts(c.Name, c.Is))
	}
	return m
}

// change holds a set of records to what it was, and makes it what it is to be.
// Only what differs is named: a record of others is not even mentioned. One
// that is added although it is there gets its new TTL (section 3.4.2.2).
func change(m *mdns.Msg, name string, kind uint16, was, is []mdns.RR) {
	if len(was) == 0 {
		m.RRsetNotUsed([]mdns.RR{header(name, kind, 0)})
	} else {
		m.Used(copies(was))
	}
	has := func(all []mdns.RR, one mdns.RR) bool {
		return slices.ContainsFunc(all, func(rr mdns.RR) bool { return mdns.IsDuplicate(rr, one) })
	}
	for _, rr := range was {
		if !has(is, rr) {
			m.Remove([]mdns.RR{mdns.Copy(rr)})
		}
	}
	for _, rr := range is {
		if !has(was, rr) || rr.Header().Ttl != was[0].Header().Ttl {
			m.Insert([]mdns.RR{rr})
		}
	}
}

func copies(rrs []mdns.RR) (out []mdns.RR) {
	for _, rr := range rrs {
		out = append(out, mdns.Copy(rr))
	}
	return out
}

func records(name string, kind uint16, s dns.Set) (out []mdns.RR) {
	h := header(name, kind, s.TTL).Hdr
	for _, a := range s.Addrs {
		switch {
		case kind == mdns.TypeA && a.Is4():
			out = append(out, &mdns.A{Hdr: h, A: a.AsSlice()})
		case kind == mdns.TypeAAAA && a.Is6():
			out = append(out, &mdns.AAAA{Hdr: h, AAAA: a.AsSlice()})
		}
	}
	return out
}

func texts(name string, t dns.Texts) (out []mdns.RR) {
	for _, v := range t.Values {
		out = append(out, &mdns.TXT{Hdr: header(name, mdns.TypeTXT, t.TTL).Hdr, Txt: []string{v}})
	}
	return out
}

func header(name string, kind uint16, ttl time.Duration) *mdns.ANY {
	return &mdns.ANY{Hdr: mdns.RR_Header{Name: mdns.Fqdn(name), Rrtype: kind, Class: mdns.ClassINET, Ttl: uint32(ttl / time.Second)}}
}

// Settled implements [dns.Provider]: an update that the primary has answered is
// done. How long its secondaries take for it nobody can ask; see the package.
func (z *Zone) Settled(context.Context, string) (bool, error) { return true, nil }

// Lag implements [dns.Provider].
func (z *Zone) Lag() time.Duration { return 0 }

// fudge is how far the clocks may be apart (RFC 8945, section 10: 300 s).
const fudge = 300

// exchange sends a message and returns the answer. Where there is a key, both
// are signed with it, but for answers that say why ours was not taken.
func (z *Zone) exchange(ctx context.Context, network string, m *mdns.Msg) (*mdns.Msg, error) {
	m = m.Copy()
	m.Id = mdns.Id()
	if z.key != "" {
		m.SetTsig(z.key, z.algorithm, fudge, time.Now().Unix())
	}
	c := &mdns.Client{Net: network, Timeout: z.timeout, UDPSize: udpSize, TsigSecret: z.secrets}
	ctx, cancel := context.WithTimeout(ctx, z.timeout)
	defer cancel()
	r, _, err := c.ExchangeContext(ctx, m, z.server)
	if r != nil {
		if e := z.clockOrKey(r); e != nil {
			return nil, e
		}
	}
	switch {
	case err != nil && r != nil && r.Rcode == mdns.RcodeNotAuth:
		return r, nil // the library verifies none of these; it is a refusal, and an explanation
	case err != nil && r != nil:
		return nil, dns.Errorf(dns.Unsigned, "rfc2136: the answer of %s cannot be trusted: %v", z.server, err)
	case err != nil:
		return nil, z.network(err)
	case z.key != "" && r.IsTsig() == nil && r.Rcode == mdns.RcodeSuccess:
		return nil, dns.Errorf(dns.Unsigned, "rfc2136: the answer of %s is not signed with the key %s", z.server, z.key)
	}
	return r, nil
}

// clockOrKey reads what a server says of our signature (RFC 8945, section 5.2).
// Such an answer may be unsigned; it is an explanation and no more.
func (z *Zone) clockOrKey(r *mdns.Msg) error {
	t := r.IsTsig()
	if t == nil {
		return nil
	}
	switch t.Error {
	case mdns.RcodeBadKey:
		return dns.Errorf(dns.BadKey, "rfc2136: %s does not know the key %s, or not for %s (BADKEY)", z.server, z.key, strings.TrimSuffix(z.algorithm, "."))
	case mdns.RcodeBadSig:
		return dns.Errorf(dns.BadSig, "rfc2136: the secret of the key %s is another one at %s (BADSIG)", z.key, z.server)
	case mdns.RcodeBadTime:
		return dns.Errorf(dns.BadTime, "rfc2136: the clocks are more than %d s apart: here it is %s%s (BADTIME)", fudge, time.Now().UTC().Format(time.TimeOnly), theirs(t.OtherData))
	}
	return nil
}

// theirs is the server's time as it says it with BADTIME: 48 bits of seconds, in
// hexadecimal digits.
func theirs(other string) string {
	seconds, err := strconv.ParseInt(other, 16, 64)
	if err != nil || len(other) != 12 {
		return ""
	}
	return ", there " + time.Unix(seconds, 0).UTC().Format(time.TimeOnly)
}

// refusal is a response code in words.
func (z *Zone) refusal(r *mdns.Msg) error {
	code := mdns.RcodeToString[r.Rcode]
	switch r.Rcode {
	case mdns.RcodeRefused:
		return dns.Errorf(dns.Refused, "rfc2136: %s does not allow us to change or read %s (REFUSED): see its update-policy or allow-update", z.server, z.zone)
	case mdns.RcodeNotAuth:
		return dns.Errorf(dns.NotAuth, "rfc2136: %s is not the primary of %s, or does not know us (NOTAUTH)", z.server, z.zone)
	case mdns.RcodeNotZone:
		return dns.Errorf(dns.Failed, "rfc2136: a name is not in the zone %s (NOTZONE)", z.zone)
	case mdns.RcodeServerFailure:
		return dns.Errorf(dns.Failed, "rfc2136: %s could not do it (SERVFAIL): its log says why, such as a journal that it cannot write", z.server)
	case mdns.RcodeNotImplemented:
		return dns.Errorf(dns.Failed, "rfc2136: %s takes no updates (NOTIMP)", z.server)
	}
	return dns.Errorf(dns.Failed, "rfc2136: %s answered %s", z.server, code)
}

// network is a failure of the network in words.
func (z *Zone) network(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return dns.Errorf(dns.Timeout, "rfc2136: %s did not answer within %v", z.server, z.timeout)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return dns.Errorf(dns.Unreachable, "rfc2136: %s cannot be reached: %v", z.server, err)
	}
	return dns.Errorf(dns.Failed, "rfc2136: %s: %v", z.server, err)
}
