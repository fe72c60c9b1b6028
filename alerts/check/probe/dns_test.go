package probe

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"rondo/alerts"
	"rondo/syslogd/peertest"
)

// nameServer answers on one port of UDP and TCP with records that the test
// makes of a question; it cuts what it says over UDP where the name begins
// with long, and answers another question before each of its own.
func nameServer(t *testing.T, records func(q dnsmessage.Question) ([]dnsmessage.ResourceBody, dnsmessage.RCode)) string {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	answer := func(b []byte, cut bool) []byte {
		var m dnsmessage.Message
		if m.Unpack(b) != nil {
			return nil
		}
		q := m.Questions[0]
		bodies, code := records(q)
		m.Response, m.RCode, m.Additionals = true, code, nil
		if m.Truncated = cut && strings.HasPrefix(q.Name.String(), "long"); !m.Truncated {
			for _, body := range bodies {
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: body})
			}
		}
		out, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		return out
	}
	done := make(chan struct{}, 2)
	t.Cleanup(func() { _, _ = tcp.Close(), udp.Close(); <-done; <-done })
	go func() {
		defer func() { done <- struct{}{} }()
		buf := make([]byte, 2048)
		for {
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			forged := answer(buf[:n], true)
			forged[0]++
			_, _ = udp.WriteTo(forged, from)
			_, _ = udp.WriteTo([]byte("junk"), from)
			_, _ = udp.WriteTo(answer(buf[:n], true), from)
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			var size [2]byte
			if _, err := io.ReadFull(c, size[:]); err == nil {
				b := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(c, b); err == nil {
					out := answer(b, false)
					_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
				}
			}
			_ = c.Close()
		}
	}()
	return tcp.Addr().String()
}

// zone is a name server with records of most types.
func zone(t *testing.T) string {
	t.Helper()
	name := dnsmessage.MustNewName
	return nameServer(t, func(q dnsmessage.Question) ([]dnsmessage.ResourceBody, dnsmessage.RCode) {
		if q.Name.String() == "none.example." {
			return nil, dnsmessage.RCodeNameError
		}
		switch q.Type {
		case dnsmessage.TypeA:
			return []dnsmessage.ResourceBody{
				&dnsmessage.CNAMEResource{CNAME: name("other.example.")},
				&dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}}, &dnsmessage.AResource{A: [4]byte{192, 0, 2, 8}},
			}, 0
		case dnsmessage.TypeAAAA:
			return []dnsmessage.ResourceBody{&dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}}}, 0
		case dnsmessage.TypeMX:
			return []dnsmessage.ResourceBody{&dnsmessage.MXResource{Pref: 10, MX: name("mail.example.")}}, 0
		case dnsmessage.TypeTXT:
			return []dnsmessage.ResourceBody{&dnsmessage.TXTResource{TXT: []string{"v=spf1 ", "-all"}}}, 0
		case dnsmessage.TypeSRV:
			return []dnsmessage.ResourceBody{&dnsmessage.SRVResource{Priority: 1, Weight: 2, Port: 3, Target: name("srv.example.")}}, 0
		case dnsmessage.TypeSOA:
			return []dnsmessage.ResourceBody{&dnsmessage.SOAResource{NS: name("ns.example."), MBox: name("me.example."), Serial: 42}}, 0
		}
		return nil, 0
	})
}

func TestDNS(t *testing.T) {
	server := zone(t)
	f := func(p DNS, status alerts.Status, words string) {
		t.Helper()
		p.Server = server
		want(t, run(t, p, local), status, words)
	}
	f(DNS{Query: "{host}.example"}, alerts.OK, "DNS A localhost.example at "+server+": 192.0.2.7, 192.0.2.8 in ")
	f(DNS{Query: "a.example", Expect: []string{"192.0.2.8", "192.0.2.7"}}, alerts.OK, "")
	f(DNS{Query: "a.example", Expect: []string{"192.0.2.8"}}, alerts.Critical, "want 192.0.2.8")
	f(DNS{Query: "long.example", Expect: []string{"192.0.2.8", "192.0.2.7"}}, alerts.OK, "")
	f(DNS{Query: "a.example", Type: "aaaa"}, alerts.OK, "2001:db8::1")
	f(DNS{Query: "a.example", Type: "MX", Expect: []string{"10 MAIL.example"}}, alerts.OK, "10 mail.example.")
	f(DNS{Query: "a.example", Type: "TXT"}, alerts.OK, "v=spf1 -all")
	f(DNS{Query: "a.example", Type: "SRV"}, alerts.OK, "1 2 3 srv.example.")
	f(DNS{Query: "a.example", Type: "SOA"}, alerts.OK, "ns.example. me.example. 42")
	f(DNS{Query: "a.example", Type: "NS"}, alerts.Critical, "there is no such record")
	f(DNS{Query: "none.example"}, alerts.Critical, "NameError")
	f(DNS{Query: "a.example", Latency: Latency{Critical: 1}}, alerts.Critical, "192.0.2.7")
	f(DNS{Query: strings.Repeat("x", 300)}, alerts.Unknown, "")

	quiet, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	hang(t, DNS{Query: "a.example", Server: quiet.LocalAddr().String()}, "no answer in time")
}

// With the same questions to the same server check_dig, which has dig ask them,
// and we find the same.
func TestAsCheckDig(t *testing.T) {
	peertest.Find(t, "dig")
	server := zone(t)
	_, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	f := func(p DNS, flags ...string) {
		t.Helper()
		p.Server = server
		ours, other := run(t, p, local), theirs(t, "check_dig", append([]string{"-H", "127.0.0.1", "-p", port, "-l", p.Query}, flags...)...)
		if (ours.Status == alerts.OK) != (other.Status == alerts.OK) {
			t.Errorf("%s %s: we find %v %q, check_dig %v %q", p.Type, p.Query, ours.Status, ours.Text, other.Status, other.Text)
		}
	}
	f(DNS{Query: "a.example"})
	f(DNS{Query: "a.example", Type: "AAAA"}, "-T", "AAAA")
	f(DNS{Query: "a.example", Type: "MX", Expect: []string{"10 mail.example."}}, "-T", "MX", "-a", "mail.example.")
	f(DNS{Query: "a.example", Type: "TXT"}, "-T", "TXT")
	f(DNS{Query: "a.example", Type: "SOA"}, "-T", "SOA")
	f(DNS{Query: "a.example", Expect: []string{"192.0.2.9"}}, "-a", "192.0.2.9")
	f(DNS{Query: "long.example"})
	f(DNS{Query: "none.example"})
	f(DNS{Query: "a.example", Type: "NS"}, "-T", "NS")
}
