package fanout

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// SSH runs commands on the instances themselves, over a connection of its own
// for each. The key's file is read each time, so that it can be replaced.
type SSH struct {
	user  string
	key   string
	port  string
	hosts *hostKeys
}

// killGrace is how long a server has to take note that its command is to end,
// before the connection is closed.
const killGrace = 100 * time.Millisecond

// NewSSH makes a runner that logs in as a user with a private key.
func NewSSH(c Config) *SSH {
	return &SSH{user: c.User, key: c.Key, port: strconv.Itoa(cmp.Or(c.Port, 22)), hosts: &hostKeys{file: c.KnownHosts, learn: c.Learn}}
}

// Run implements [Runner].
func (s *SSH) Run(ctx context.Context, h Host, c Command) Result {
	client, err := s.dial(ctx, h)
	if err != nil {
		return Failed(h, err)
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return Failed(h, fmt.Errorf("ssh: session: %w", err))
	}
	out := &sharedHead{}
	session.Stdout, session.Stderr = out, out
	input, err := session.StdinPipe()
	if err != nil {
		return Failed(h, fmt.Errorf("ssh: session: %w", err))
	}
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(killGrace, func() { _ = client.Close() }) // first, for a peer that is gone lets nobody write
		_ = session.Signal(ssh.SIGKILL)                          // OpenSSH knows it since 7.9
	})
	defer stop()
	var writing sync.WaitGroup
	if err = session.Start(c.Shell()); err == nil {
		writing.Go(func() {
			_, _ = input.Write(c.Input) // a command need not read it, and may have ended
			_ = input.Close()
		})
		err = session.Wait()
	}
	_ = client.Close()
	writing.Wait()
	if ctx.Err() != nil {
		r := Failed(h, errors.New("it was killed"))
		r.Output, r.Cut = Head(out.String())
		return r
	}
	return ran(h, err, out.String())
}

// ran is the result of a command that was begun.
func ran(h Host, err error, output string) Result {
	code, why := 0, ""
	if exit, ok := errors.AsType[*ssh.ExitError](err); ok {
		code = exit.ExitStatus()
		if exit.Signal() != "" {
			code, why = -1, "it was ended by signal "+exit.Signal()
		}
	} else if err != nil {
		code, why = -1, "ssh: the connection was lost before an exit code came: "+err.Error()
	}
	r := Exited(h, code, output)
	r.Error = why
	return r
}

// dial connects and logs in.
func (s *SSH) dial(ctx context.Context, h Host) (*ssh.Client, error) {
	if h.Address == "" {
		return nil, errors.New("ssh: the instance has no address")
	}
	signer, err := readKey(s.key)
	if err != nil {
		return nil, err
	}
	to := net.JoinHostPort(h.Address, s.port)
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, fmt.Errorf("ssh: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	known, err := s.hosts.of(h, s.port)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c, channels, requests, err := ssh.NewClientConn(conn, to, &ssh.ClientConfig{
		User: s.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: known.check, HostKeyAlgorithms: known.algorithms(),
	})
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("ssh: %s@%s: %w", s.user, to, err)
	}
	if !stop() {
		return nil, errors.Join(context.Cause(ctx), c.Close())
	}
	return ssh.NewClient(c, channels, requests), nil
}

// readKey reads a private key, of which errors never show anything.
func readKey(file string) (ssh.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ssh: key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		return nil, fmt.Errorf("ssh: key %s has a passphrase: want one without, which only rondo may read (ssh-keygen -p -N '' -f FILE)", file)
	}
	if err != nil {
		return nil, fmt.Errorf("ssh: key %s: it is no private key that OpenSSH writes", file)
	}
	return signer, nil
}

// A sharedHead keeps the first bytes of what two streams write.
type sharedHead struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (h *sharedHead) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b.Write(p[:min(len(p), MaxOutput+1-h.b.Len())]) // one more: that there was more
	return len(p), nil
}

func (h *sharedHead) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.String()
}
