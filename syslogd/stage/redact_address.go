package stage

import "strings"

// findEmails finds addresses of e-mail: NAME@DOMAIN, with a dot in the domain
// and letters behind the last one.
func findEmails(dst []span, s string) []span {
	for at := 0; ; {
		i := strings.IndexByte(s[at:], '@')
		if i < 0 {
			return dst
		}
		i += at
		from, to := i, i+1
		for from > at && isLocalByte(s[from-1]) {
			from--
		}
		for to < len(s) && isDomainByte(s[to]) {
			to++
		}
		for s[to-1] == '.' || s[to-1] == '-' {
			to--
		}
		at = to
		dot := strings.LastIndexByte(s[i:to], '.')
		if from < i && dot > 1 && isTopLevel(s[i+dot+1:to]) {
			dst = append(dst, span{from, to})
		}
	}
}

func isLocalByte(c byte) bool {
	return isAlnum(c) || c >= 0x80 || strings.IndexByte("._%+-!#$*^~", c) >= 0
}

func isDomainByte(c byte) bool { return isAlnum(c) || c >= 0x80 || c == '.' || c == '-' }

func isTopLevel(s string) bool {
	return len(s) >= 2 && (isLetter(s[0]) || s[0] >= 0x80)
}

// findIPv4 finds four numbers up to 255 with dots between them; a port behind
// another dot, as tcpdump writes it, is not part of it.
func findIPv4(dst []span, s string) []span {
	for at := 0; ; {
		i := strings.IndexByte(s[at:], '.')
		if i < 0 {
			return dst
		}
		i += at
		from := i
		for from > at && isDigit(s[from-1]) {
			from--
		}
		if to := ipv4End(s, from); to > 0 && (from == 0 || s[from-1] != '.') {
			dst = append(dst, span{from, to})
			at = to
			continue
		}
		at = i + 1
	}
}

// ipv4End is where the address that begins at i ends, or 0.
func ipv4End(s string, i int) int {
	for part := range 4 {
		n, start := 0, i
		for i < len(s) && isDigit(s[i]) && i-start < 4 {
			n = 10*n + int(s[i]-'0')
			i++
		}
		if i == start || i-start > 3 || n > 255 {
			return 0
		}
		if part == 3 {
			return i
		}
		if i == len(s) || s[i] != '.' {
			return 0
		}
		i++
	}
	return 0
}
