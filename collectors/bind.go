package collectors

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// A Network is a range of addresses: "10.0.0.0/8", or a single address.
type Network struct{ netip.Prefix }

// UnmarshalText reads a network as it stands in a configuration. IPv4 written
// as IPv6 (::ffff:10.0.0.0/104) is IPv4, as the addresses of senders are.
func (n *Network) UnmarshalText(b []byte) error {
	p, err := netip.ParsePrefix(string(b))
	if a, aerr := netip.ParseAddr(string(b)); aerr == nil {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil {
		return fmt.Errorf("network %q: want an address, or a network such as 10.0.0.0/8", b)
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	n.Prefix = p.Masked()
	return nil
}

// A Bind is where a plaintext protocol listens, and who may send to it.
// Loopback may always.
type Bind struct {
	Listen string    `yaml:"listen"`
	Allow  []Network `yaml:"allow"`
}

// Validate refuses to take plaintext from everybody.
func (b Bind) Validate() error {
	host, port, err := net.SplitHostPort(b.Listen)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("listen %q: want an address and a port, such as 127.0.0.1:2003: %w", b.Listen, err)
	}
	if isLoopback(host) || len(b.Allow) > 0 {
		return nil
	}
	return fmt.Errorf("listen %q takes plaintext from other machines: name those that may send, as in\n    allow: [10.0.0.0/8]", b.Listen)
}

// isLoopback says whether a host name or address stays on this machine. It
// means the same as in web.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

// Allows says whether a may send.
func (b Bind) Allows(a netip.Addr) bool {
	a = a.Unmap()
	if a.IsLoopback() {
		return true
	}
	for _, n := range b.Allow {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// ListenTCP binds the address. Whoever serves the listener closes it.
func (b Bind) ListenTCP(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", b.Listen)
}

// ListenUDP binds the address. Whoever serves the socket closes it.
func (b Bind) ListenUDP(ctx context.Context) (*net.UDPConn, error) {
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(ctx, "udp", b.Listen)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}
