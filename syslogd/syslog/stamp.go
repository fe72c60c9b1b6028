package syslog

import (
	"strings"
	"time"
)

// anyTime reads a time of any form that stands in front of a BSD message and
// returns its length, or 0. The time is zero if it is none, such as February
// 29 with no leap year near.
func anyTime(s string, received time.Time) (time.Time, int) {
	if s == "" {
		return time.Time{}, 0
	}
	if !isDigit(s[0]) {
		return bsdTime(s, 0, received)
	}
	if t, n := isoTime(s, received.Location()); n > 0 {
		return t, n
	}
	if year, n := number(s, 4); n == 4 && len(s) > 5 && s[4] == ' ' && !isDigit(s[5]) { // NX-OS
		t, n := bsdTime(s[5:], year, received)
		if n > 0 {
			n += 5
		}
		return t, n
	}
	return epochTime(s)
}

// clock is a time of day as read.
type clock struct{ hour, minute, second, nano int }

// two reads two digits at s[i:].
func two(s string, i int) (v int, ok bool) {
	a, b := s[i]-'0', s[i+1]-'0'
	return 10*int(a) + int(b), a <= 9 && b <= 9
}

// readClock reads H:MM:SS with a fraction or none, which Comware writes behind
// a colon. A leap second is allowed.
func readClock(s string) (c clock, n int) {
	var ok1, ok2, ok3 bool
	switch {
	case len(s) >= 8 && s[2] == ':' && s[5] == ':':
		c.hour, ok1 = two(s, 0)
		n = 2
	case len(s) >= 7 && s[1] == ':' && s[4] == ':':
		c.hour, ok1 = int(s[0]-'0'), isDigit(s[0])
		n = 1
	default:
		return c, 0
	}
	c.minute, ok2 = two(s, n+1)
	c.second, ok3 = two(s, n+4)
	if !ok1 || !ok2 || !ok3 || c.hour > 23 || c.minute > 59 || c.second > 60 {
		return clock{}, 0
	}
	n += 6
	if n+1 >= len(s) || !isDigit(s[n+1]) {
		return c, n
	}
	if s[n] == '.' || s[n] == ',' {
		nanos, k := fraction(s[n+1:])
		c.nano = nanos
		return c, n + 1 + k
	}
	if s[n] == ':' {
		if nanos, k := fraction(s[n+1:]); k == 3 {
			c.nano = nanos
			return c, n + 1 + k
		}
	}
	return c, n
}

// fraction reads digits behind the point as nanoseconds; further ones than
// the ninth are skipped.
func fraction(s string) (nanos, n int) {
	scale := 100_000_000
	for n < len(s) && isDigit(s[n]) {
		nanos += scale * int(s[n]-'0')
		scale /= 10
		n++
	}
	return nanos, n
}

// isoTime reads an RFC 3339 time and its relatives: a blank or a dash for the
// T, slashes or colons in the date, a comma in the fraction, an offset without
// colon or minutes, no zone.
func isoTime(s string, loc *time.Location) (time.Time, int) {
	if len(s) < 19 || s[4] != s[7] || s[4] != '-' && s[4] != '/' && s[4] != ':' {
		return time.Time{}, 0
	}
	if c := s[10]; c != 'T' && c != 't' && c != ' ' && (c != '-' || s[4] == '-') {
		return time.Time{}, 0
	}
	century, ok1 := two(s, 0)
	year, ok2 := two(s, 2)
	month, ok3 := two(s, 5)
	day, ok4 := two(s, 8)
	year += 100 * century
	clock, n := readClock(s[11:])
	if !ok1 || !ok2 || !ok3 || !ok4 || n < 8 || !validDate(year, month, day) {
		return time.Time{}, 0
	}
	n += 11
	offset, k := zone(s[n:])
	return instant(year, month, day, clock, offset, k > 0, loc), n + k
}

// bsdTime reads "Oct 11 22:14:15" and its relatives: any case, the day of the
// week in front, a day with a zero or without, a fraction, a zone, a year
// behind the day, the time or the zone. A year of 0 is unknown.
func bsdTime(s string, year int, received time.Time) (time.Time, int) {
	month := monthOf(s)
	if month == 0 && isWeekday(s) {
		t, n := bsdTime(s[4:], year, received)
		if n > 0 {
			n += 4
		}
		return t, n
	}
	if month == 0 || len(s) < 12 || s[3] != ' ' {
		return time.Time{}, 0
	}
	n := 4
	if s[n] == ' ' {
		n++
	}
	day, k := number(s[n:], 2)
	n += k
	if k == 0 || n >= len(s) || s[n] != ' ' {
		return time.Time{}, 0
	}
	n++
	if y, k := yearOf(s[n:]); k > 0 && year == 0 {
		year = y
		n += k + 1
	}
	clock, k := readClock(s[min(n, len(s)):])
	if k == 0 {
		return time.Time{}, 0
	}
	n += k
	year, n = yearBehind(s, n, year)
	offset, k := zone(s[n:])
	year, n = yearBehind(s, n+k, year)
	return guessYear(year, month, day, clock, offset, k > 0, received, n)
}

// yearBehind reads a blank and a year at s[n:], if none is known yet.
func yearBehind(s string, n, year int) (int, int) {
	if year == 0 && n < len(s) && s[n] == ' ' {
		if y, k := yearOf(s[n+1:]); k > 0 {
			return y, n + 1 + k
		}
	}
	return year, n
}

// yearOf reads four digits from 1970 to 2099 that stand alone.
func yearOf(s string) (year, n int) {
	year, n = number(s, 5)
	alone := len(s) == 4 || n == 4 && (s[4] == ' ' || strings.HasPrefix(s[4:], ": "))
	if n != 4 || year < 1970 || year > 2099 || !alone {
		return 0, 0
	}
	return year, n
}

// monthOf reads the three letters of a month, in any case.
func monthOf(s string) int {
	if len(s) < 3 {
		return 0
	}
	// Setting the bit 0x20 lowers letters; nothing else becomes one.
	const names = "janfebmaraprmayjunjulaugsepoctnovdec"
	a, b, c := s[0]|0x20, s[1]|0x20, s[2]|0x20
	for i := 0; i < len(names); i += 3 {
		if names[i] == a && names[i+1] == b && names[i+2] == c {
			return i/3 + 1
		}
	}
	return 0
}

// isWeekday reports whether s begins with the three letters of a day and a
// blank, with a month behind.
func isWeekday(s string) bool {
	if len(s) < 7 || s[3] != ' ' || monthOf(s[4:]) == 0 {
		return false
	}
	switch s[:3] {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}

// maxAhead is how far a clock without a year may be ahead of ours. What
// seems to be later than that was written last year.
const maxAhead = 31 * 24 * 3600 // seconds

// guessYear completes a time without a year by the latest one that does not
// put it more than maxAhead into the future: in January, December was last
// year, and at the end of December a clock that is ahead is in the next one.
func guessYear(year, month, day int, c clock, offset int, zoned bool, received time.Time, n int) (time.Time, int) {
	loc := received.Location()
	switch {
	case year != 0 && !validDate(year, month, day), !validDate(2000, month, day):
		return time.Time{}, 0
	case year != 0:
		return instant(year, month, day, c, offset, zoned, loc), n
	}
	latest := received.Unix() + maxAhead
	year = received.Year() + 1
	if month > 1 {
		year-- // too far ahead in any case
	}
	t := instant(year, month, day, c, offset, zoned, loc)
	if t.Unix() > latest || !validDate(year, month, day) {
		year--
		t = instant(year, month, day, c, offset, zoned, loc)
	}
	if !validDate(year, month, day) { // February 29
		return time.Time{}, n
	}
	return t, n
}

// epochTime reads "1 1563249630.774247467", the time of Meraki devices: a
// version as in RFC 5424, but the rest of the message is not.
func epochTime(s string) (time.Time, int) {
	if !strings.HasPrefix(s, "1 ") {
		return time.Time{}, 0
	}
	seconds, k := number(s[2:], 11)
	n := 2 + k
	if k != 10 || len(s) < n+2 || s[n] != '.' || !isDigit(s[n+1]) {
		return time.Time{}, 0
	}
	nanos, k := fraction(s[n+1:])
	return time.Unix(int64(seconds), int64(nanos)).UTC(), n + 1 + k
}

// instant is the moment of a civil time, at an offset if zoned, else in loc.
// It is in UTC; that of a leap second is the second that follows.
func instant(year, month, day int, c clock, offset int, zoned bool, loc *time.Location) time.Time {
	if !zoned && loc != time.UTC {
		return time.Date(year, time.Month(month), day, c.hour, c.minute, c.second, c.nano, loc).UTC()
	}
	seconds := int64(days(year, month, day))*86400 + int64(c.hour*3600+c.minute*60+c.second-offset)
	return time.Unix(seconds, int64(c.nano)).UTC()
}

// days counts from 1970-01-01 in the proleptic Gregorian calendar, years
// beginning in March so that the leap day is the last.
func days(year, month, day int) int {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	y := year - era*400
	return era*146097 + y*365 + y/4 - y/100 + (153*(month-3)+2)/5 + day - 1 - 719468
}

func isLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func validDate(year, month, day int) bool {
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return false
	}
	switch month {
	case 4, 6, 9, 11:
		return day <= 30
	case 2:
		return day <= 28 || day == 29 && isLeap(year)
	}
	return true
}
