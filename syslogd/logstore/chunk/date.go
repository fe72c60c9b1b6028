package chunk

import "strings"

const secondsPerDay = 86400

// daysFrom is the number of days from 1970-01-01 to a civil date of the
// Gregorian calendar, by counting in eras of 400 years that begin in March.
func daysFrom(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := FloorDiv(int64(year), 400)
	ofEra := int64(year) - era*400
	ofYear := int64((153*(month-3)+2)/5 + day - 1)
	return era*146097 + ofEra*365 + ofEra/4 - ofEra/100 + ofYear - 719468
}

// civil is the reverse of daysFrom.
func civil(days int64) (year, month, day int) {
	days += 719468
	era := FloorDiv(days, 146097)
	d := days - era*146097
	y := (d - d/1460 + d/36524 - d/146096) / 365
	d -= 365*y + y/4 - y/100
	m := (5*d + 2) / 153
	day = int(d-(153*m+2)/5) + 1
	if m += 3; m > 12 {
		m -= 12
		y++
	}
	return int(y + era*400), int(m), day
}

// dayOf is daysFrom, and whether that date exists.
func dayOf(year, month, day int) (int64, bool) {
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return 0, false
	}
	d := daysFrom(year, month, day)
	_, m, back := civil(d)
	return d, m == month && back == day
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// monthOf is the number of an English month of three letters, or 0.
func monthOf(s string) int {
	if i := strings.Index(months, s[:3]); i >= 0 && i%3 == 0 {
		return i/3 + 1
	}
	return 0
}

func monthName(m int) string { return months[3*m-3 : 3*m] }

// clock is the second of the day of "hh:mm:ss", or -1.
func clock(s string) int64 {
	if s[2] != ':' || s[5] != ':' {
		return -1
	}
	h, m, sec := twoDigits(s), twoDigits(s[3:]), twoDigits(s[6:])
	if h < 0 || m < 0 || sec < 0 || h > 23 || m > 59 || sec > 59 {
		return -1
	}
	return int64(h*3600 + m*60 + sec)
}

func appendClock(dst []byte, sec int64) []byte {
	dst = append(appendDigits(dst, uint64(sec/3600), 2), ':')
	dst = append(appendDigits(dst, uint64(sec/60%60), 2), ':')
	return appendDigits(dst, uint64(sec%60), 2)
}

// dates reads dates, and remembers the last one of each form: neighbouring
// lines carry the same day.
type dates struct {
	iso, clf, bsd       string
	isoDay, clfDay      int64
	bsdDay, bsdYear     int64
	yearOfDay, yearsDay int64
}

// readISO is the day of "yyyy-mm-dd".
func (d *dates) readISO(s string) (int64, bool) {
	if s[:10] == d.iso {
		return d.isoDay, true
	}
	a, b, m, day := twoDigits(s), twoDigits(s[2:]), twoDigits(s[5:]), twoDigits(s[8:])
	if s[4] != '-' || s[7] != '-' || a < 19 || b < 0 || a*100+b < 1970 {
		return 0, false
	}
	n, ok := dayOf(a*100+b, m, day)
	if ok {
		d.iso, d.isoDay = strings.Clone(s[:10]), n
	}
	return n, ok
}

// readCLF is the day of "dd/Mon/yyyy", as the common log format has it.
func (d *dates) readCLF(s string) (int64, bool) {
	if s[:11] == d.clf {
		return d.clfDay, true
	}
	day, m, a, b := twoDigits(s), monthOf(s[3:]), twoDigits(s[7:]), twoDigits(s[9:])
	if s[2] != '/' || s[6] != '/' || a < 19 || b < 0 || a*100+b < 1970 {
		return 0, false
	}
	n, ok := dayOf(a*100+b, m, day)
	if ok {
		d.clf, d.clfDay = strings.Clone(s[:11]), n
	}
	return n, ok
}

// readBSD is the day of "Mon dd" in the year of the day near.
func (d *dates) readBSD(s string, near int64) (int64, bool) {
	year := d.yearOf(near)
	if s[:6] == d.bsd && year == d.bsdYear {
		return d.bsdDay, true
	}
	day := twoDigits(s[4:])
	if s[4] == ' ' && isDigit(s[5]) {
		day = int(s[5] - '0')
	} else if day < 10 { // "Mon 07" would come back as "Mon  7"
		return 0, false
	}
	n, ok := dayOf(int(year), monthOf(s), day)
	if ok {
		d.bsd, d.bsdDay, d.bsdYear = strings.Clone(s[:6]), n, year
	}
	return n, ok
}

func (d *dates) yearOf(day int64) int64 {
	if d.yearOfDay == 0 || d.yearsDay != day {
		y, _, _ := civil(day)
		d.yearOfDay, d.yearsDay = int64(y), day
	}
	return d.yearOfDay
}
