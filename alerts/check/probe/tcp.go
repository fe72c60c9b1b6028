package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"rondo/alerts/check/plugin"
)

// maxAnswer bounds what is read to find what is expected, in bytes.
const maxAnswer = 16 << 10

// TCP is a probe that connects to a port, and may say something and look for
// something in the answer.
type TCP struct {
	Port    int     `yaml:"port"`
	Send    string  `yaml:"send"`   // after the connection is made
	Expect  string  `yaml:"expect"` // must stand in the answer's first 16 KiB
	Latency Latency `yaml:",inline"`
}

// Validate says what is wrong with the configuration.
func (p TCP) Validate() error { return errors.Join(validPort(p.Port), p.Latency.validate()) }

// Build makes the probe of a valid configuration.
func (p TCP) Build() (Prober, error) { return p, nil }

// Probe implements Prober.
func (p TCP) Probe(ctx context.Context, t plugin.Target) plugin.Result {
	what := fmt.Sprintf("TCP port %d on %s", p.Port, t.At())
	began := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(t.At(), strconv.Itoa(p.Port)))
	if err != nil {
		return failed(ctx, what, err)
	}
	defer conn.Close()
	defer untilDone(ctx, conn)()
	if _, err := io.WriteString(conn, p.Send); err != nil {
		return failed(ctx, what, err)
	}
	answer, err := p.await(conn)
	if err != nil {
		return failed(ctx, what+": want "+strconv.Quote(p.Expect), fmt.Errorf("it said %.100q and: %w", answer, err))
	}
	took := time.Since(began)
	out := plugin.Say(p.Latency.judge(took), "%s: answers in %.4f s", what, took.Seconds())
	out.Perf = []plugin.Perf{p.Latency.perf(took)}
	return out
}

// errEnough says that what is expected is not in what was read.
var errEnough = errors.New("it says too much else")

// await reads until the answer has what is expected.
func (p TCP) await(conn net.Conn) (answer []byte, err error) {
	buf := make([]byte, maxAnswer)
	n := 0
	for !bytes.Contains(buf[:n], []byte(p.Expect)) {
		if n == len(buf) {
			return buf[:n], errEnough
		}
		m, err := conn.Read(buf[n:])
		n += m
		if err != nil && !bytes.Contains(buf[:n], []byte(p.Expect)) {
			return buf[:n], err
		}
	}
	return buf[:n], nil
}
