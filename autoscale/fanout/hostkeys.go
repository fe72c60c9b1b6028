package fanout

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// maxKnown bounds the file of known hosts, which is read for each run.
const maxKnown = 4 << 20

// hostKeys is a file of known hosts.
type hostKeys struct {
	file  string
	learn bool

	mu sync.Mutex // one writes at a time
}

// of reads the file anew, for others may have written to it.
func (k *hostKeys) of(h Host, port string) (*knownHost, error) {
	if info, err := os.Stat(k.file); err == nil && info.Size() > maxKnown {
		return nil, fmt.Errorf("ssh: %s has more than %d bytes: take out the instances that are gone", k.file, maxKnown)
	}
	check, err := knownhosts.New(k.file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && k.learn:
		if check, err = knownhosts.New(); err != nil {
			return nil, fmt.Errorf("ssh: known hosts: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("ssh: known hosts: %w", err)
	}
	names := []string{net.JoinHostPort(h.ID, "22")} // as OpenSSH writes a HostKeyAlias: without a port
	for _, n := range []string{h.Address, h.Name} {
		if n != "" {
			names = append(names, net.JoinHostPort(n, port))
		}
	}
	return &knownHost{keys: k, known: check, names: names}, nil
}

// A knownHost is what the file says of one host.
type knownHost struct {
	keys  *hostKeys
	known ssh.HostKeyCallback
	names []string // the first is the one that is learnt
}

// check implements [ssh.HostKeyCallback]. The first name that the file has
// decides.
func (k *knownHost) check(_ string, remote net.Addr, key ssh.PublicKey) error {
	for _, name := range k.names {
		err := k.known(name, remote, key)
		if err == nil {
			return nil
		}
		unknown, ok := errors.AsType[*knownhosts.KeyError](err)
		switch {
		case ok && len(unknown.Want) > 0:
			return fmt.Errorf("its key %s is another than %s line %d has for %s: if it was replaced on purpose, take that line out",
				ssh.FingerprintSHA256(key), unknown.Want[0].Filename, unknown.Want[0].Line, knownhosts.Normalize(name))
		case !ok && isRevoked(err):
			return err
		}
	}
	if !k.keys.learn {
		return fmt.Errorf("its key %s is not in %s: add it under %s, or let an authority vouch for it (@cert-authority), or say learn: true",
			ssh.FingerprintSHA256(key), k.keys.file, knownhosts.Normalize(k.names[0]))
	}
	return k.keys.add(k.names[0], key)
}

func isRevoked(err error) bool {
	_, ok := errors.AsType[*knownhosts.RevokedError](err)
	return ok
}

// add writes a key that was met for the first time. A certificate's own key is
// what is known of a host whose authority is not.
func (k *hostKeys) add(name string, key ssh.PublicKey) error {
	if cert, ok := key.(*ssh.Certificate); ok {
		key = cert.Key
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	f, err := os.OpenFile(k.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("its key cannot be kept: %w", err)
	}
	_, err = f.WriteString(knownhosts.Line([]string{name}, key) + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("its key cannot be kept: %w", err)
	}
	return nil
}

// algorithms puts the kinds of key that are known of the host first: it may
// have several, and would else show one that the file does not have.
func (k *knownHost) algorithms() []string {
	var first []string
	none, err := ssh.NewPublicKey(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)))
	if err != nil {
		return nil
	}
	for _, name := range k.names {
		unknown, ok := errors.AsType[*knownhosts.KeyError](k.known(name, &net.TCPAddr{}, none))
		if !ok {
			continue
		}
		for _, w := range unknown.Want {
			switch t := w.Key.Type(); t {
			case ssh.KeyAlgoRSA:
				first = append(first, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			default:
				first = append(first, t)
			}
		}
	}
	var all []string
	for _, a := range slices.Concat(first, ssh.SupportedAlgorithms().HostKeys) {
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}
