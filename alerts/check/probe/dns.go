package probe

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
)

// DNS is a probe that asks one question.
type DNS struct {
	Query   string   `yaml:"query"`  // the name; may hold {host}
	Type    string   `yaml:"type"`   // A (default), AAAA, CNAME, MX, NS, PTR, SOA, SRV or TXT
	Server  string   `yaml:"server"` // address, with a port where it is not 53; may hold {address}; default: of /etc/resolv.conf
	Expect  []string `yaml:"expect"` // all of the answers, in any order; default: any answer will do
	Latency Latency  `yaml:",inline"`
}

// resolvConf names the system's servers.
const resolvConf = "/etc/resolv.conf"

// typeOf is a record type by its name.
func typeOf(name string) (dnsmessage.Type, bool) {
	types := map[string]dnsmessage.Type{
		"": dnsmessage.TypeA, "A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA, "CNAME": dnsmessage.TypeCNAME,
		"MX": dnsmessage.TypeMX, "NS": dnsmessage.TypeNS, "PTR": dnsmessage.TypePTR, "SOA": dnsmessage.TypeSOA,
		"SRV": dnsmessage.TypeSRV, "TXT": dnsmessage.TypeTXT,
	}
	t, ok := types[strings.ToUpper(name)]
	return t, ok
}

// Validate says what is wrong with the configuration.
func (p DNS) Validate() error {
	errs := []error{p.Latency.validate()}
	if _, ok := typeOf(p.Type); !ok {
		errs = append(errs, fmt.Errorf("type %q: want A, AAAA, CNAME, MX, NS, PTR, SOA, SRV or TXT", p.Type))
	}
	if p.Query == "" {
		errs = append(errs, errors.New("query is missing: want a name"))
	}
	return errors.Join(errs...)
}

// Build makes the probe of a valid configuration.
func (p DNS) Build() (Prober, error) {
	if p.Server != "" {
		return p, nil
	}
	f, err := os.Open(resolvConf)
	if err != nil {
		return nil, fmt.Errorf("server is missing, and: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == "nameserver" {
			p.Server = words[1]
			return p, nil
		}
	}
	return nil, fmt.Errorf("server is missing, and %s names none", resolvConf)
}

// Probe implements Prober.
func (p DNS) Probe(ctx context.Context, t plugin.Target) plugin.Result {
	words := t.Expand(p.Query, p.Server)
	query, server := words[0], words[1]
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(strings.Trim(server, "[]"), "53")
	}
	kind, _ := typeOf(p.Type)
	what := fmt.Sprintf("DNS %s %s at %s", strings.TrimPrefix(kind.String(), "Type"), query, server)
	name, err := dnsmessage.NewName(strings.TrimSuffix(query, ".") + ".")
	if err != nil {
		return plugin.Say(alerts.Unknown, "%s: %v", what, err)
	}
	began := time.Now()
	answer, err := exchange(ctx, server, dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET})
	took := time.Since(began)
	if err != nil {
		return failed(ctx, what, err)
	}
	got := answers(answer, kind)
	out := plugin.Say(p.Latency.judge(took), "%s: %s in %.4f s", what, strings.Join(got, ", "), took.Seconds())
	switch {
	case answer.RCode != dnsmessage.RCodeSuccess:
		out.Status, out.Text = alerts.Critical, fmt.Sprintf("%s: %s", what, strings.TrimPrefix(answer.RCode.String(), "RCode"))
	case len(got) == 0:
		out.Status, out.Text = alerts.Critical, what+": there is no such record"
	case len(p.Expect) > 0 && !sameNames(got, p.Expect):
		out.Status, out.Text = alerts.Critical, out.Text+", want "+strings.Join(p.Expect, ", ")
	}
	out.Perf = []plugin.Perf{p.Latency.perf(took)}
	return out
}

// sameNames compares answers in any order; names know no case and no dot at
// their end.
func sameNames(a, b []string) bool {
	plain := func(in []string) []string {
		out := slices.Clone(in)
		for i, s := range out {
			out[i] = strings.ToLower(strings.TrimSuffix(s, "."))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return slices.Equal(plain(a), plain(b))
}

// exchange asks over UDP, and over TCP where the answer was cut.
func exchange(ctx context.Context, server string, q dnsmessage.Question) (dnsmessage.Message, error) {
	id := uint16(rand.Uint32())
	query := dnsmessage.Message{Header: dnsmessage.Header{ID: id, RecursionDesired: true}, Questions: []dnsmessage.Question{q}}
	b, err := query.Pack()
	if err != nil {
		return query, err
	}
	answer, err := overUDP(ctx, server, b, id, q)
	if err == nil && answer.Truncated {
		return overTCP(ctx, server, b, id, q)
	}
	return answer, err
}

// overUDP sends a question each second until there is an answer to it.
func overUDP(ctx context.Context, server string, query []byte, id uint16, q dnsmessage.Question) (m dnsmessage.Message, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", server)
	if err != nil {
		return m, err
	}
	defer conn.Close()
	buf := make([]byte, 64<<10)
	for ctx.Err() == nil {
		if _, err := conn.Write(query); err != nil {
			return m, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return m, err
		}
		stop := untilDone(ctx, conn)
		for {
			n, err := conn.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				stop()
				return m, err
			}
			if m.Unpack(buf[:n]) == nil && answersTo(m, id, q) {
				stop()
				return m, nil
			}
		}
		stop()
	}
	return m, ctx.Err()
}

func overTCP(ctx context.Context, server string, query []byte, id uint16, q dnsmessage.Question) (m dnsmessage.Message, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server)
	if err != nil {
		return m, err
	}
	defer conn.Close()
	defer untilDone(ctx, conn)()
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return m, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return m, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, b); err != nil {
		return m, err
	}
	if err := m.Unpack(b); err != nil {
		return m, err
	}
	if !answersTo(m, id, q) {
		return m, errors.New("the answer is to another question")
	}
	return m, nil
}

// answersTo says whether a message is the answer to our question.
func answersTo(m dnsmessage.Message, id uint16, q dnsmessage.Question) bool {
	if !m.Response || m.ID != id {
		return false
	}
	if len(m.Questions) == 0 {
		return m.RCode != dnsmessage.RCodeSuccess // some servers leave it out of an error
	}
	got := m.Questions[0]
	return got.Type == q.Type && strings.EqualFold(got.Name.String(), q.Name.String())
}

// answers are the records of a type, as text.
func answers(m dnsmessage.Message, kind dnsmessage.Type) (out []string) {
	for _, r := range m.Answers {
		if r.Header.Type != kind {
			continue // the names on the way to it
		}
		switch b := r.Body.(type) {
		case *dnsmessage.AResource:
			out = append(out, netip.AddrFrom4(b.A).String())
		case *dnsmessage.AAAAResource:
			out = append(out, netip.AddrFrom16(b.AAAA).String())
		case *dnsmessage.CNAMEResource:
			out = append(out, b.CNAME.String())
		case *dnsmessage.MXResource:
			out = append(out, fmt.Sprintf("%d %s", b.Pref, b.MX))
		case *dnsmessage.NSResource:
			out = append(out, b.NS.String())
		case *dnsmessage.PTRResource:
			out = append(out, b.PTR.String())
		case *dnsmessage.SOAResource:
			out = append(out, fmt.Sprintf("%s %s %d", b.NS, b.MBox, b.Serial))
		case *dnsmessage.SRVResource:
			out = append(out, fmt.Sprintf("%d %d %d %s", b.Priority, b.Weight, b.Port, b.Target))
		case *dnsmessage.TXTResource:
			out = append(out, strings.Join(b.TXT, ""))
		}
	}
	return out
}
