package syslog

// zone reads "Z", an offset, or the abbreviation of a zone, and returns its
// seconds east of Greenwich and its length.
func zone(s string) (offset, n int) {
	if s == "" {
		return 0, 0
	}
	if s[0] == 'Z' || s[0] == 'z' {
		return 0, 1
	}
	blank := 0
	if s[0] == ' ' && len(s) > 1 {
		blank = 1
	}
	if c := s[blank]; c == '+' || c == '-' {
		if offset, n = numericZone(s[blank:]); n > 0 {
			n += blank
		}
		return offset, n
	}
	end := blank
	for end < len(s) && 'A' <= s[end] && s[end] <= 'Z' {
		end++
	}
	if blank == 0 {
		return 0, 0
	}
	name := s[blank:end]
	if end < len(s) && s[end] != ' ' && s[end] != ':' {
		if (name == "UTC" || name == "GMT") && (s[end] == '+' || s[end] == '-') {
			if offset, n = numericZone(s[end:]); n > 0 {
				n += end
			}
		}
		return offset, n
	}
	if offset, ok := namedZone(name); ok {
		return offset, end
	}
	return 0, 0
}

// numericZone reads +hh, +hhmm, +hh:mm or +h.
func numericZone(s string) (offset, n int) {
	hours, k := number(s[1:], 2)
	if k == 0 || hours > 23 {
		return 0, 0
	}
	n = 1 + k
	minutes, k := number(s[min(n, len(s)):], 2)
	if k == 0 && n < len(s) && s[n] == ':' {
		minutes, k = number(s[n+1:], 2)
		n++
	}
	if k != 0 && (k != 2 || minutes > 59) || s[n-1] == ':' && k == 0 {
		return 0, 0
	}
	n += k
	if n < len(s) && isAlnum(s[n]) {
		return 0, 0
	}
	offset = hours*3600 + minutes*60
	if s[0] == '-' {
		offset = -offset
	}
	return offset, n
}

// namedZone knows the abbreviations that devices send. Where one stands for
// several zones (CST, IST, BST), it is the one with most syslog senders.
func namedZone(s string) (offset int, ok bool) {
	const half = 1800
	switch s {
	case "UTC", "GMT", "WET":
		return 0, true
	case "CET", "MEZ", "WEST", "BST":
		return 2 * half, true
	case "CEST", "MESZ", "EET", "SAST":
		return 4 * half, true
	case "EEST", "MSK":
		return 6 * half, true
	case "PKT":
		return 10 * half, true
	case "IST":
		return 11 * half, true
	case "WIB", "ICT":
		return 14 * half, true
	case "HKT", "SGT", "AWST":
		return 16 * half, true
	case "JST", "KST":
		return 18 * half, true
	case "ACST":
		return 19 * half, true
	case "AEST":
		return 20 * half, true
	case "ACDT":
		return 21 * half, true
	case "AEDT":
		return 22 * half, true
	case "NZST":
		return 24 * half, true
	case "NZDT":
		return 26 * half, true
	case "NDT":
		return -5 * half, true
	case "BRT", "ART", "ADT":
		return -6 * half, true
	case "NST":
		return -7 * half, true
	case "EDT", "AST", "CLT":
		return -8 * half, true
	case "EST", "CDT":
		return -10 * half, true
	case "CST", "MDT":
		return -12 * half, true
	case "MST", "PDT":
		return -14 * half, true
	case "PST", "AKDT":
		return -16 * half, true
	case "AKST":
		return -18 * half, true
	case "HST":
		return -20 * half, true
	}
	return 0, false
}
