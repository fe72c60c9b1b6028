package chunk

// recognise decides what a token becomes. b[done:] is not yet written, so a
// slot may begin before the token.
func (s *scanner) recognise(b string, done int, t token) slot {
	if t.class == digit {
		return s.number(b, done, t)
	}
	n := t.to - t.from
	if n == 2 && t.class == digit|hexLower && (t.after == ':' || t.before == ':') {
		if sl := s.mac(b, done, t); sl.kind != 0 {
			return sl
		}
	}
	if t.class == digit|hexLower || t.class == digit|hexUpper {
		if sl := s.hex(b, t); sl.kind != 0 {
			return sl
		}
	}
	first := t.to // of the digits that end it
	for first > t.from && isDigit(b[first-1]) {
		first--
	}
	if first != t.digit || t.to-first > maxDigits { // digits in the middle
		return s.putIndexed(b, t, slotString, uint64(s.strings.intern(b[t.from:t.to])), t.from)
	}
	switch {
	case t.to-first == 1: // as in eth0, utf8, h2
		return slot{to: t.to}
	case b[first] == '0':
		return s.putIndexed(b, t, slotDigits, firstCode[t.to-first]+number(b[first:t.to]), first)
	}
	return s.putIndexed(b, t, slotInt, number(b[first:t.to]), first)
}

// number is recognise for a token of digits.
func (s *scanner) number(b string, done int, t token) slot {
	n := t.to - t.from
	if sl := s.date(b, done, t); sl.kind != 0 {
		return sl
	}
	if t.after == '.' && t.to+1 < len(b) && isDigit(b[t.to+1]) {
		if to, ok := version(b, t); ok {
			return slot{to: to}
		}
		if v, to := quad(b, t.from); to > 0 && t.before != '.' && !(to+1 < len(b) && b[to] == '.' && isDigit(b[to+1])) {
			return s.put(slotIPv4, v, t.from, to)
		}
	}
	if n == 2 && (t.after == ':' || t.before == ':') {
		if sl := s.mac(b, done, t); sl.kind != 0 {
			return sl
		}
		if ofClock(b, t) {
			return s.put(slotDigits, firstCode[2]+number(b[t.from:t.to]), t.from, t.to)
		}
	}
	fraction := t.before == '.' && t.from-1 == done && done > 0 && isDigit(b[done-1])
	switch {
	case n <= maxDigits && (b[t.from] == '0' && n > 1 || fraction):
		return s.putIndexed(b, t, slotDigits, firstCode[n]+number(b[t.from:t.to]), t.from)
	case n <= 18 && (n == 1 || b[t.from] != '0'):
		return s.putIndexed(b, t, slotInt, number(b[t.from:t.to]), t.from)
	}
	return s.putIndexed(b, t, slotString, uint64(s.strings.intern(b[t.from:t.to])), t.from)
}

// ofClock reports whether two digits are hours, minutes or seconds, which may
// begin with 0 or not and are the same slot all the same. The number behind the
// colon of "ms":42 is none.
func ofClock(b string, t token) bool {
	return t.after == ':' && t.to+1 < len(b) && isDigit(b[t.to+1]) || t.before == ':' && t.from > 1 && isDigit(b[t.from-2])
}

// version finds a version such as in HTTP/1.1 or Firefox/126.0.1, which is
// constant. It has three numbers at most, so that no address hides in it.
func version(b string, t token) (to int, ok bool) {
	if t.before != '/' || t.from < 2 || isDigit(b[t.from-2]) || classes[b[t.from-2]] == 0 {
		return 0, false
	}
	parts := 0
	for to = t.from; to < len(b) && isDigit(b[to]); parts++ {
		for to < len(b) && classes[b[to]] != 0 {
			to++
		}
		if to+1 < len(b) && b[to] == '.' && isDigit(b[to+1]) {
			to++
		}
	}
	return to, parts <= 3
}

// date recognises times that are better told relative to the row's own.
func (s *scanner) date(b string, done int, t token) slot {
	n := t.to - t.from
	switch {
	case n == 4 && t.after == '-' && t.from+19 <= len(b):
		return s.isoTime(b, t.from)
	case n == 2 && t.after == '/' && t.from+20 <= len(b) && b[t.from+11] == ':':
		return s.clfTime(b, t.from)
	case n <= 2 && t.after == ' ' && t.to-6 >= done && t.to+9 <= len(b) && b[t.to+3] == ':':
		return s.bsdTime(b, t)
	}
	return slot{}
}

// isoTime recognises "2006-01-02T15:04:05", or with a blank, and a fraction
// of up to nine digits. The value counts in units of the last digit.
func (s *scanner) isoTime(b string, from int) slot {
	day, ok := s.dates.readISO(b[from:])
	if !ok || day > maxDay || b[from+10] != 'T' && b[from+10] != ' ' {
		return slot{}
	}
	v, to, digits := clock(b[from+11:]), from+19, 0
	if v < 0 {
		return slot{}
	}
	v += day * secondsPerDay
	par := byte(isoBase)
	if b[from+10] == 'T' {
		par |= isoT
	}
	if to+1 < len(b) && (b[to] == '.' || b[to] == ',') && isDigit(b[to+1]) {
		for digits = 1; to+1+digits < len(b) && isDigit(b[to+1+digits]); {
			digits++
		}
		if digits > 9 {
			return slot{}
		}
		if b[to] == ',' {
			par |= isoComma
		}
		v = v*int64(powers[digits]) + int64(number(b[to+1:to+1+digits]))
		to += 1 + digits
	}
	end := to
	if end < len(b) && b[end] == 'Z' {
		end++
	}
	if end < len(b) && classes[b[end]] != 0 {
		return slot{} // the token goes on: it must stay whole for the filter
	}
	v -= FloorDiv(s.now, int64(powers[9-digits]))
	if v >= 1<<57 || v <= -1<<57 {
		return slot{}
	}
	if digits > 6 {
		s.index(b[to-digits : end])
	}
	s.values = append(s.values, zigzag(v)<<4|uint64(digits))
	return slot{kind: slotISO, par: par, from: from, to: to}
}

// clfTime recognises "02/Jan/2006:15:04:05".
func (s *scanner) clfTime(b string, from int) slot {
	day, ok := s.dates.readCLF(b[from:])
	if !ok || day > maxDay || from+20 < len(b) && classes[b[from+20]] != 0 {
		return slot{}
	}
	sec := clock(b[from+12:])
	if sec < 0 {
		return slot{}
	}
	s.index(b[from+3 : from+6])
	return s.put(slotCLF, zigzag(day*secondsPerDay+sec-FloorDiv(s.now, 1e9)), from, from+20)
}

// bsdTime recognises "Jan  2 15:04:05"; its year is that of the row's time.
func (s *scanner) bsdTime(b string, t token) slot {
	from, to := t.to-6, t.to+9
	if from > 0 && classes[b[from-1]] != 0 || b[from+3] != ' ' || to < len(b) && classes[b[to]] != 0 {
		return slot{}
	}
	day, ok := s.dates.readBSD(b[from:], FloorDiv(s.now, 1e9*secondsPerDay))
	sec := clock(b[t.to+1:])
	if !ok || sec < 0 || day < 0 || day > maxDay {
		return slot{}
	}
	s.index(b[from : from+3])
	return s.put(slotBSD, zigzag(day*secondsPerDay+sec-FloorDiv(s.now, 1e9)), from, to)
}

// mac recognises six lower-case bytes with colons between; the token may be
// any of the first, since those before may hold no digit.
func (s *scanner) mac(b string, done int, t token) slot {
	isByte := func(i int) bool {
		return classes[b[i]]&(digit|hexLower) != 0 && classes[b[i+1]]&(digit|hexLower) != 0
	}
	from := t.from
	for from-3 >= done && b[from-1] == ':' && isByte(from-3) {
		from -= 3
	}
	if from+17 > len(b) || from > 0 && classes[b[from-1]] != 0 || from+17 < len(b) && classes[b[from+17]] != 0 {
		return slot{}
	}
	var v uint64
	for i := from; i < from+17; i += 3 {
		if !isByte(i) || i > from && b[i-1] != ':' {
			return slot{}
		}
		v = v<<8 | hexValue(b[i:i+2])
	}
	return s.put(slotMAC, v, from, from+17)
}

// hex recognises hexadecimal numbers of one case: short ones by value, long
// ones, such as ids and hashes, by their width.
func (s *scanner) hex(b string, t token) slot {
	n := t.to - t.from
	switch {
	case n >= 8 && n <= 64:
		par := byte(n)
		if t.class&hexUpper != 0 {
			par |= hexIsUpper
		}
		s.index(b[t.from:t.to])
		for i := t.from; i < t.to; i += 16 {
			s.values = append(s.values, hexValue(b[i:min(i+16, t.to)]))
		}
		return slot{kind: slotHex, par: par, from: t.from, to: t.to}
	case n >= 3 && n <= 7 && t.class&hexUpper == 0 && b[t.from] != '0':
		return s.putIndexed(b, t, slotShortHex, hexValue(b[t.from:t.to]), t.from)
	}
	return slot{}
}

// quad reads an IPv4 address in its only canonical form; to is 0 if there is
// none. Its last number must end a token.
func quad(b string, from int) (v uint64, to int) {
	to = from
	for k := range 4 {
		start, n := to, 0
		for to < len(b) && isDigit(b[to]) && to-start < 4 {
			n = n*10 + int(b[to]-'0')
			to++
		}
		if to == start || n > 255 || to-start > 1 && b[start] == '0' {
			return 0, 0
		}
		v = v<<8 | uint64(n)
		if k == 3 {
			break
		}
		if to >= len(b) || b[to] != '.' {
			return 0, 0
		}
		to++
	}
	if to < len(b) && classes[b[to]] != 0 {
		return 0, 0
	}
	return v, to
}

// quad indexes the address that begins with a token, as a whole: its four
// numbers alone say little. It may be part of something longer.
func (s *scanner) quad(text string, t token) {
	if !s.indexed || t.class != digit || t.after != '.' || t.to-t.from > 3 {
		return
	}
	if _, to := quad(text, t.from); to > 0 {
		s.tokens.add(TokenHash(text[t.from:to]))
	}
}
