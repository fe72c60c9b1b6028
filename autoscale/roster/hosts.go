package roster

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// The lines between which a hosts file is ours.
const (
	blockBegin = "# rondo begin"
	blockEnd   = "# rondo end"
)

// HostsLines are the members' aliases as hosts(5) has them: address, alias, for
// the first of a group its plain name, and the instance's ID. Who has no rank,
// or no IP address, has no line.
func HostsLines(members []Member) string {
	firsts := make(map[string]string)
	for _, m := range members {
		if _, known := firsts[m.Group]; !known {
			first, _ := First(ofGroup(members, m.Group))
			firsts[m.Group] = first.ID
		}
	}
	var b strings.Builder
	for _, m := range members {
		ip := m.ip()
		if m.Rank == 0 || !ip.IsValid() || !isHostName(m.Alias) || !isHostName(m.Group) {
			continue
		}
		fmt.Fprintf(&b, "%s\t%s", ip, m.Alias)
		if firsts[m.Group] == m.ID {
			b.WriteString(" " + m.Group)
		}
		if isHostName(m.ID) {
			b.WriteString(" " + m.ID)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// ip is the member's address as hosts(5) wants it; not valid if it has none.
func (m Member) ip() netip.Addr {
	for _, s := range []string{m.PrivateIP, m.PublicIP} {
		if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
			return ip
		}
	}
	return netip.Addr{}
}

// isHostName keeps out what a cloud may call an instance and no file can hold.
func isHostName(s string) bool {
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	})
}

// errBlock is what is wrong with a file whose block somebody has edited.
var errBlock = errors.New("its lines " + blockBegin + " and " + blockEnd + " do not stand there once each and in this order: put that right by hand")

// EditHosts puts lines into the block of a hosts file that is ours, and changes
// nothing else, to the byte. A file without a block gets it at its end.
func EditHosts(file []byte, lines string) ([]byte, error) {
	begin, end := -1, -1
	at := 0
	for line := range bytes.Lines(file) {
		switch string(bytes.TrimRight(line, " \t\r\n")) {
		case blockBegin:
			if begin >= 0 || end >= 0 {
				return nil, errBlock
			}
			begin = at
		case blockEnd:
			if begin < 0 || end >= 0 {
				return nil, errBlock
			}
			end = at + len(line)
		}
		at += len(line)
	}
	block := blockBegin + "\n" + lines + blockEnd + "\n"
	switch {
	case begin < 0:
		if len(file) > 0 && file[len(file)-1] != '\n' {
			block = "\n" + block
		}
		return append(bytes.Clone(file), block...), nil
	case end < 0:
		return nil, errBlock
	}
	out := append(bytes.Clone(file[:begin]), block...)
	return append(out, file[end:]...), nil
}
