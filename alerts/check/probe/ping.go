package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
)

// Ping is a probe that sends echo requests.
type Ping struct {
	Count    int           `yaml:"count"`    // of requests; default 5
	Every    time.Duration `yaml:"every"`    // between two; default 200ms
	Wait     time.Duration `yaml:"wait"`     // for the last answer; default 1s
	Warning  Echo          `yaml:"warning"`  // default 200ms, 40
	Critical Echo          `yaml:"critical"` // default 500ms, 80
}

// Echo are thresholds: of the mean round trip, and of how many requests were
// lost, in percent. At or above is a problem, as check_icmp has it.
type Echo struct {
	RTT  time.Duration `yaml:"rtt"`
	Loss float64       `yaml:"loss"`
}

func (p Ping) withDefaults() Ping {
	if p.Count == 0 {
		p.Count = 5
	}
	for d, standard := range map[*time.Duration]time.Duration{
		&p.Every: 200 * time.Millisecond, &p.Wait: time.Second,
		&p.Warning.RTT: 200 * time.Millisecond, &p.Critical.RTT: 500 * time.Millisecond,
	} {
		if *d == 0 {
			*d = standard
		}
	}
	for v, standard := range map[*float64]float64{&p.Warning.Loss: 40, &p.Critical.Loss: 80} {
		if *v == 0 {
			*v = standard
		}
	}
	return p
}

// Validate says what is wrong with the configuration.
func (p Ping) Validate() error {
	p = p.withDefaults()
	var errs []error
	if p.Count < 1 || p.Count > 100 {
		errs = append(errs, fmt.Errorf("count %d: want 1 to 100", p.Count))
	}
	if p.Every < 10*time.Millisecond || p.Wait < 0 {
		errs = append(errs, fmt.Errorf("every %v: want 10ms or more, and a positive wait", p.Every))
	}
	if p.Warning.RTT > p.Critical.RTT || p.Warning.Loss > p.Critical.Loss || p.Warning.RTT < 0 || p.Warning.Loss < 0 {
		errs = append(errs, errors.New("critical must not lie below warning"))
	}
	return errors.Join(errs...)
}

// Build makes the probe of a valid configuration.
func (p Ping) Build() (Prober, error) { return p.withDefaults(), nil }

// Probe implements Prober.
func (p Ping) Probe(ctx context.Context, t plugin.Target) plugin.Result {
	what := "PING " + t.At()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.At())
	if err != nil {
		return failed(ctx, what, err)
	}
	e, err := listen(addrs[0].Unmap())
	if errors.Is(err, fs.ErrPermission) {
		return plugin.Say(alerts.Unknown, "%s: not allowed: add our group to net.ipv4.ping_group_range "+
			"(sysctl -w net.ipv4.ping_group_range='0 2147483647'), or give us CAP_NET_RAW", what)
	}
	if err != nil {
		return plugin.Say(alerts.Unknown, "%s: %v", what, err)
	}
	defer e.conn.Close()
	return p.judge(what, e.run(ctx, p))
}

// judge makes a result of the round trips of requests; a negative one is that
// of a request without an answer.
func (p Ping) judge(what string, trips []time.Duration) plugin.Result {
	var sum, slowest time.Duration
	got := 0
	for _, d := range trips {
		if d >= 0 {
			sum, slowest, got = sum+d, max(slowest, d), got+1
		}
	}
	loss := 100 * float64(p.Count-got) / float64(p.Count)
	mean := sum / time.Duration(max(got, 1))
	status := alerts.OK
	switch {
	case loss >= p.Critical.Loss || mean >= p.Critical.RTT:
		status = alerts.Critical
	case loss >= p.Warning.Loss || mean >= p.Warning.RTT:
		status = alerts.Warning
	}
	out := plugin.Say(status, "%s: %d of %d answers, %.0f %% lost, mean round trip %.3f ms", what, got, p.Count, loss, mean.Seconds()*1e3)
	if got == 0 {
		out.Text = fmt.Sprintf("%s: no answer to %d requests", what, p.Count)
	} else {
		out.Perf = append(out.Perf,
			plugin.Perf{Label: "time", Value: mean.Seconds(), Unit: "s", Warn: upTo(p.Warning.RTT.Seconds()), Crit: upTo(p.Critical.RTT.Seconds())},
			plugin.Perf{Label: "slowest", Value: slowest.Seconds(), Unit: "s"})
	}
	out.Perf = append(out.Perf, plugin.Perf{Label: "loss", Value: loss, Unit: "%", Warn: upTo(p.Warning.Loss), Crit: upTo(p.Critical.Loss)})
	return out
}

// An echo is a socket that sends requests to one address.
type echo struct {
	conn  *icmp.PacketConn
	to    net.Addr
	six   bool
	id    int // of our requests; the kernel sets its own where we have no privileges
	token []byte
}

// listen opens a socket without privileges, or a raw one where that is not
// allowed.
func listen(to netip.Addr) (*echo, error) {
	e := &echo{six: to.Is6(), id: rand.IntN(1 << 16), token: fmt.Appendf(nil, "rondo %016x", rand.Uint64())}
	networks, all := [2]string{"udp4", "ip4:icmp"}, "0.0.0.0"
	if e.six {
		networks, all = [2]string{"udp6", "ip6:ipv6-icmp"}, "::"
	}
	ip := net.IP(to.AsSlice())
	var err error
	if e.conn, err = icmp.ListenPacket(networks[0], all); err == nil {
		e.to = &net.UDPAddr{IP: ip, Zone: to.Zone()}
		return e, nil
	}
	var raw error
	if e.conn, raw = icmp.ListenPacket(networks[1], all); raw != nil {
		return nil, errors.Join(err, raw)
	}
	e.to = &net.IPAddr{IP: ip, Zone: to.Zone()}
	return e, nil
}

// run sends all requests and gathers the round trips of those that were
// answered, by their number.
func (e *echo) run(ctx context.Context, p Ping) []time.Duration {
	trips, sent := make([]time.Duration, p.Count), make([]time.Time, p.Count)
	for i := range trips {
		trips[i] = -1
	}
	missing := p.Count
	for i := range p.Count {
		sent[i] = time.Now()
		pause := p.Every
		if i == p.Count-1 {
			pause = p.Wait
		}
		if e.send(i) != nil {
			continue // no route: it is as lost as any
		}
		for until := sent[i].Add(pause); missing > 0 && ctx.Err() == nil; {
			n, at, err := e.receive(ctx, until)
			if err != nil {
				break
			}
			if n <= i && trips[n] < 0 {
				trips[n] = at.Sub(sent[n])
				missing--
			}
		}
	}
	return trips
}

func (e *echo) send(seq int) error {
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: e.id, Seq: seq, Data: e.token}}
	if e.six {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	b, err := m.Marshal(nil) // the kernel fills in the checksum of version 6
	if err == nil {
		_, err = e.conn.WriteTo(b, e.to)
	}
	return err
}

// protocols are ICMP's numbers.
const (
	protocol4 = 1
	protocol6 = 58
)

// receive waits for the answer to one of our requests. A raw socket gets those
// of everybody.
func (e *echo) receive(ctx context.Context, until time.Time) (seq int, at time.Time, err error) {
	if err := e.conn.SetReadDeadline(until); err != nil {
		return 0, at, err
	}
	defer context.AfterFunc(ctx, func() { _ = e.conn.SetReadDeadline(time.Unix(1, 0)) })()
	protocol := protocol4
	if e.six {
		protocol = protocol6
	}
	buf := make([]byte, 1500)
	for {
		n, _, err := e.conn.ReadFrom(buf)
		if err != nil {
			return 0, at, err
		}
		at = time.Now()
		m, err := icmp.ParseMessage(protocol, buf[:n])
		if err != nil || m.Type != ipv4.ICMPTypeEchoReply && m.Type != ipv6.ICMPTypeEchoReply {
			continue
		}
		if b, ok := m.Body.(*icmp.Echo); ok && string(b.Data) == string(e.token) {
			return b.Seq, at, nil
		}
	}
}
