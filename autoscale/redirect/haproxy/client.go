package haproxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// What one question may cost.
const (
	askTime   = 2 * time.Second
	maxAnswer = 8 << 20
)

// ask sends commands over a connection of its own, which HAProxy closes after
// its answer.
func ask(ctx context.Context, socket string, commands ...string) (string, error) {
	network := "tcp"
	if strings.HasPrefix(socket, "/") {
		network = "unix"
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, socket)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // nothing more is said
	end, _ := ctx.Deadline()
	if err := conn.SetDeadline(end); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, strings.Join(commands, ";")+"\n"); err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(conn, maxAnswer+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxAnswer {
		return "", fmt.Errorf("an answer of more than %d bytes", maxAnswer)
	}
	return string(b), nil
}

// see reads the slots of a backend.
func (b Backend) see(ctx context.Context) ([]Slot, error) {
	text, err := ask(ctx, b.Socket, "show servers state "+b.Backend)
	if err != nil {
		return nil, err
	}
	all, err := parseState(text)
	if err != nil {
		return nil, err
	}
	var slots []Slot
	for _, s := range all {
		if strings.HasPrefix(s.Name, b.Slots) {
			slots = append(slots, s)
		}
	}
	if len(slots) == 0 {
		return nil, fmt.Errorf("backend %s has no server whose name begins with %q: add\n    server-template %s 1-32 127.0.0.1:8080 weight 100 check disabled", b.Backend, b.Slots, b.Backend)
	}
	if text, err = ask(ctx, b.Socket, "show stat "+b.Backend+" 4 -1"); err != nil {
		return nil, err
	}
	return slots, parseStat(text, slots)
}

// tell has HAProxy change a slot. It answers nothing, or what it changed; all
// else is why it did not.
func (b Backend) tell(ctx context.Context, c Change) error {
	text, err := ask(ctx, b.Socket, c.Commands...)
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasSuffix(line, "by 'stats socket command'") && !strings.HasPrefix(line, "no need to change") || strings.HasPrefix(line, "Invalid") {
			return fmt.Errorf("%s: %w", strings.Join(c.Commands, "; "), notUnderstood(line))
		}
	}
	return nil
}
