package redirect

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"rondo/autoscale"
)

// What one agent check may cost.
const (
	maxQuestion = 256 // bytes
	checkTime   = 2 * time.Second
	maxChecks   = 512 // at one time; more wait in the kernel
)

// serveChecks answers HAProxy's agent checks: one line each.
func (r *Redirector) serveChecks(ctx context.Context, l net.Listener) error {
	l = netutil.LimitListener(l, maxChecks)
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		_ = l.Close()
	})
	var under sync.WaitGroup
	defer func() {
		under.Wait()
		if !stop() {
			<-closed // else it might close what the next redirector accepts on
		}
	}()
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close() // the next redirector is asked again
			}
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return fmt.Errorf("redirect: agent check: %w", err)
		case err != nil: // such as too many open files
			r.log.Warn("an agent check cannot be taken", "err", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		under.Go(func() { r.serveCheck(conn) })
	}
}

func (r *Redirector) serveCheck(conn net.Conn) {
	defer func() { _ = conn.Close() }() // the answer is all there is to say
	if conn.SetDeadline(time.Now().Add(checkTime)) != nil {
		return
	}
	line, err := bufio.NewReaderSize(io.LimitReader(conn, maxQuestion), maxQuestion).ReadString('\n')
	if err != nil && line == "" {
		r.books.refuse(badQuestion)
		return
	}
	if answer := r.answer(line); answer != "" {
		_, _ = io.WriteString(conn, answer+"\n") // HAProxy asks again
	}
}

// answer is what HAProxy is told of a server, as its configuration manual says
// under agent-check: "up ready 42%" of one that is in service, "drain" of one
// that keeps its sessions and gets no new ones, "maint" of one that is not in
// the group or over. "" changes nothing: the group is not weighed here, or
// nobody knows yet who is in it.
func (r *Redirector) answer(question string) string {
	group, server, ok := parseQuestion(question)
	g := r.groups[group]
	if !ok || g == nil {
		r.books.refuse(badQuestion)
		return ""
	}
	g.books.mu.Lock()
	defer g.books.mu.Unlock()
	if g.at.IsZero() {
		return ""
	}
	k, ok := g.byName[server]
	switch {
	case !ok:
		return "maint"
	case g.table.Servers[k].Open:
		return fmt.Sprintf("up ready %d%%", g.table.Percent(k, g.full))
	case g.table.Servers[k].Keeps || g.members[k].Phase == autoscale.Silent:
		return "up drain"
	}
	return "maint"
}

// parseQuestion reads GROUP/SERVER, as agent-send writes it. The server is an
// instance's ID, its name, or an address, with or without a port.
func parseQuestion(line string) (group, server string, ok bool) {
	line = strings.TrimRight(line, "\r\n\x00")
	group, server, ok = strings.Cut(line, "/")
	if a, err := netip.ParseAddrPort(server); err == nil {
		server = a.Addr().String()
	} else if h, _, err := net.SplitHostPort(server); err == nil {
		server = h
	}
	server = strings.ToLower(server)
	return group, server, ok && group != "" && server != "" && !strings.ContainsAny(line, " \t\x00")
}
