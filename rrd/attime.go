package rrd

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseTimeRange reads a start and an end as rrdfetch(1) does, "AT-STYLE TIME
// SPECIFICATION". The day and the time of day are those of now's location. An
// empty start is a day before the end, an empty end is now.
//
//	time   = [ reference ] { offset }
//	reference = now | n | epoch | start | s | end | e | seconds since the epoch
//	        | time-of-day [ day ] | month day-of-month [ year ] | number-day
//	time-of-day = HH | HH:MM, with am or pm; midnight noon teatime
//	day    = today | yesterday | tomorrow | weekday | month day-of-month [ year ] | number-day
//	number-day = MM/DD[/[YY]YY] | DD.MM[.[YY]YY] | YYYYMMDD
//	offset = +|- number unit { number unit }
//
// Words may be abbreviated and in any case; blanks, _ and , separate. A weekday
// is that of the week of now, from Sunday on. A number-day alone begins at
// midnight. Eight digits are a day if they can be one. Years below 38 are of
// this century.
//
// Units are seconds, minutes, hours, days, weeks, months and years. Those of a
// day and more move the calendar, the others the clock; from seconds since the
// epoch the calendar moves without regard to daylight saving. "m" is months
// after a unit of a day and more, minutes after one of less, and by itself
// months below 6 and minutes from 6 on: -5m is five months, -6m six minutes.
//
// One of start and end may be relative to the other. The manual's HH.MM is
// taken for a day, as RRDtool does.
func ParseTimeRange(start, end string, now time.Time) (from, to Time, err error) {
	if end == "" {
		end = "now"
	}
	if start == "" {
		start = "end-1day"
	}
	e, err := parseAt(end, now)
	if err != nil {
		return 0, 0, fmt.Errorf("end time: %w", err)
	}
	s, err := parseAt(start, now)
	switch {
	case err != nil:
		return 0, 0, fmt.Errorf("start time: %w", err)
	case e.to == "end":
		return 0, 0, errors.New("the end time cannot be specified relative to itself")
	case s.to == "start":
		return 0, 0, errors.New("the start time cannot be specified relative to itself")
	case s.to != "" && e.to != "":
		return 0, 0, errors.New("the start and end times cannot be specified relative to each other")
	}
	var f, t time.Time
	if s.to == "" {
		f = s.time()
		if e.to != "" {
			e.base = f
		}
		t = e.time()
	} else {
		t = e.time()
		s.base = t
		f = s.time()
	}
	for _, x := range []time.Time{f, t} {
		if x.Unix() < 0 || x.Year() > 9999 {
			return 0, 0, errors.New("won't handle dates before epoch (01/01/1970) or after the year 9999, sorry")
		}
	}
	return At(f), At(t), nil
}

// An atTime is a time in the making.
type atTime struct {
	base time.Time // what the rest is relative to; to be set if to is
	to   string    // start or end, or ""

	fixed bool // base was given in seconds: the clock stays as it was then

	years, months, days int
	seconds             int64
}

func (a *atTime) time() time.Time {
	if a.years != 0 || a.months != 0 || a.days != 0 {
		y, m, d := a.base.Date()
		hour, minute, second := a.base.Clock()
		loc := a.base.Location()
		if a.fixed {
			_, offset := a.base.Zone()
			loc = time.FixedZone("", offset)
		}
		a.base = time.Date(y+a.years, m+time.Month(a.months), d+a.days, hour, minute, second, 0, loc)
	}
	t := time.Unix(a.base.Unix()+a.seconds, 0).In(a.base.Location())
	a.years, a.months, a.days, a.seconds = 0, 0, 0, 0
	return t
}

// An atParser reads the words of one time.
type atParser struct {
	words []string
	at    atTime
	timed bool // a time of day was given
}

func parseAt(text string, now time.Time) (atTime, error) {
	p := &atParser{words: atWords(text), at: atTime{base: now.Truncate(time.Second)}}
	if err := p.reference(); err != nil {
		return p.at, err
	}
	if err := p.offsets(); err != nil {
		return p.at, err
	}
	if len(p.words) > 0 {
		return p.at, fmt.Errorf("unparsable trailing text: '...%s'", strings.Join(p.words, ""))
	}
	if p.at.base.Unix() < 0 {
		return p.at, errors.New("won't handle dates before epoch (01/01/1970), sorry")
	}
	return p.at, nil
}

// atWords splits into numbers, words of letters, and other bytes.
func atWords(text string) (words []string) {
	kind := func(c byte) int {
		switch {
		case c >= '0' && c <= '9':
			return 1
		case c >= 'a' && c <= 'z':
			return 2
		}
		return 0
	}
	for _, field := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return strings.ContainsRune(" \t\n_,", r) }) {
		for field != "" {
			n := 1
			for n < len(field) && kind(field[0]) != 0 && kind(field[n]) == kind(field[0]) {
				n++
			}
			words, field = append(words, field[:n]), field[n:]
		}
	}
	return words
}

// peek is a word ahead, "" behind the last one.
func (p *atParser) peek(n int) string {
	if n < len(p.words) {
		return p.words[n]
	}
	return ""
}

func (p *atParser) next() string {
	w := p.peek(0)
	if w != "" {
		p.words = p.words[1:]
	}
	return w
}

// number takes a number, if there is one.
func (p *atParser) number() (n int64, digits int, ok bool) {
	n, err := strconv.ParseInt(p.peek(0), 10, 64)
	if err != nil || !isDigit(p.peek(0)[0]) {
		return 0, 0, false
	}
	return n, len(p.next()), true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (p *atParser) signed() bool { return p.peek(0) == "+" || p.peek(0) == "-" }

// reference reads all in front of the offsets.
func (p *atParser) reference() error {
	switch w := p.peek(0); w {
	case "":
		return errors.New("unparsable time: ")
	case "+", "-":
		return nil
	case "now", "n", "epoch":
		p.next()
		if w == "epoch" {
			p.at.base = time.Unix(0, 0).In(p.at.base.Location())
		}
		if len(p.words) > 0 && !p.signed() {
			return fmt.Errorf("if '%s' is followed by a token it must be +|- offset", w)
		}
		return nil
	case "start", "s", "end", "e":
		p.next()
		if !p.signed() {
			return errors.New("'start' or 'end' MUST be followed by +|- offset")
		}
		p.at.to = "start"
		if w[0] == 'e' {
			p.at.to = "end"
		}
		return nil
	}
	if err := p.timeOfDay(); err != nil {
		return err
	}
	if w := p.peek(0); p.timed && (w == "" || p.signed() || w == ":") {
		return nil
	}
	return p.day()
}

// timeOfDay takes one, if there is one.
func (p *atParser) timeOfDay() error {
	switch p.peek(0) {
	case "midnight":
		p.setClock(0, 0)
	case "noon":
		p.setClock(12, 0)
	case "teatime":
		p.setClock(16, 0)
	default:
		return p.clock()
	}
	p.next()
	return nil
}

func (p *atParser) setClock(hour, minute int) {
	y, m, d := p.at.base.Date()
	p.at.base = time.Date(y, m, d, hour, minute, 0, 0, p.at.base.Location())
	p.timed = true
}

func (p *atParser) clock() error {
	hour, err := strconv.Atoi(p.peek(0))
	if err != nil || len(p.peek(0)) > 2 || p.peek(1) == "/" || p.peek(1) == "." {
		return nil
	}
	half := p.peek(1) == "am" || p.peek(1) == "pm"
	if hour > 23 && p.peek(1) != ":" && !half {
		return nil
	}
	p.next()
	minute := int64(0)
	if p.peek(0) == ":" {
		p.next()
		var ok bool
		if minute, _, ok = p.number(); !ok {
			return errors.New("Parsing HH:MM syntax, expecting MM as number, got none")
		}
		if minute > 59 {
			return fmt.Errorf("parsing HH:MM syntax, got MM = %d (>59!)", minute)
		}
	}
	if w := p.peek(0); w == "am" || w == "pm" {
		p.next()
		if hour > 12 {
			return errors.New("there cannot be more than 12 AM or PM hours")
		}
		hour %= 12
		if w == "pm" {
			hour += 12
		}
	}
	if hour > 23 {
		return fmt.Errorf("unparsable time: %d", hour)
	}
	p.setClock(hour, int(minute))
	return nil
}

// day reads a day.
func (p *atParser) day() error {
	if n, digits, ok := p.number(); ok {
		return p.numberDay(n, digits)
	}
	w := p.next()
	for i, name := range []string{"yesterday", "today", "tomorrow"} {
		if w == name && p.timed {
			p.at.days += i - 1
			return nil
		}
	}
	for d := time.Sunday; d <= time.Saturday && p.timed; d++ {
		if abbreviates(w, d.String()) {
			p.at.days += int(d - p.at.base.Weekday())
			return nil
		}
	}
	for m := time.January; m <= time.December; m++ {
		if abbreviates(w, m.String()) {
			day, _, ok := p.number()
			if !ok {
				return errors.New("the day of the month should follow month name")
			}
			return p.setDay(p.year(), int64(m), day)
		}
	}
	return fmt.Errorf("unparsable time: %s", w)
}

// abbreviates reports whether w is a name, or its first three letters.
func abbreviates(w, name string) bool {
	return w == strings.ToLower(name) || w == strings.ToLower(name[:3])
}

// year takes a year, if there is one.
func (p *atParser) year() int64 {
	if y, _, ok := p.number(); ok {
		return y
	}
	return int64(p.at.base.Year())
}

// numberDay reads what follows the first number of a day.
func (p *atParser) numberDay(n int64, digits int) error {
	switch sep := p.peek(0); {
	case n > 10*365*86400:
		p.at.base, p.at.fixed = time.Unix(min(n, 1<<40), 0).In(p.at.base.Location()), true
		return nil
	case digits == 8 && n > 19700101 && n < 24000101:
		if !p.timed {
			p.setClock(0, 0)
		}
		return p.setDay(n/10000, n/100%100, n%100)
	case sep == "/" || sep == ".":
		p.next()
		m, _, ok := p.number()
		if !ok {
			return fmt.Errorf("there should be number after '%s'", sep)
		}
		year := int64(p.at.base.Year())
		if p.peek(0) == sep {
			p.next()
			year = p.year()
		}
		if !p.timed {
			p.setClock(0, 0)
		}
		if sep == "/" {
			n, m = m, n
		}
		return p.setDay(year, m, n)
	}
	return fmt.Errorf("did you really mean month %d?", n)
}

func (p *atParser) setDay(year, month, day int64) error {
	switch {
	case month < 1 || month > 12:
		return fmt.Errorf("did you really mean month %d?", month)
	case day < 1 || day > 31:
		return fmt.Errorf("I'm afraid that %d is not a valid day of the month", day)
	case year < 38:
		year += 2000
	case year < 100:
		year += 1900
	case year <= 1900 || year > 9999:
		return fmt.Errorf("invalid year %d (should be either 00-99 or >1900)", year)
	}
	hour, minute, second := p.at.base.Clock()
	p.at.base = time.Date(int(year), time.Month(month), int(day), hour, minute, second, 0, p.at.base.Location())
	return nil
}

// offsets reads +|- number unit { number unit }, again and again.
func (p *atParser) offsets() error {
	for p.signed() {
		sign, w, last := int64(1), p.next(), ""
		if w == "-" {
			sign = -1
		}
		if n := p.peek(0); n == "" || !isDigit(n[0]) {
			return fmt.Errorf("There should be number after '%s'", w)
		}
		for n, _, ok := p.number(); ok; n, _, ok = p.number() {
			if n > 1e10 {
				return fmt.Errorf("offset %d is too large", n)
			}
			last = atUnit(p.unit(), last, n)
			p.add(last, sign*n)
		}
	}
	return nil
}

// unit takes the word behind a number, if there is one.
func (p *atParser) unit() string {
	if w := p.peek(0); w != "" && w[0] >= 'a' && w[0] <= 'z' {
		return p.next()
	}
	return ""
}

// atUnit is what a unit means behind the last one: the letter of
// ParseScaled's.
func atUnit(w, last string, n int64) string {
	for letter, names := range map[string]string{
		"s": " s sec second seconds ", "h": " h hr hour hours ", "d": " d day days ", "w": " w wk week weeks ",
		"y": " y yr year years ", "M": " mon month months ", "i": " min minute minutes ",
	} {
		if w != "" && strings.Contains(names, " "+w+" ") {
			return letter
		}
	}
	switch {
	case w != "m":
		return "s"
	case strings.Contains("dwMy", last) && last != "", last == "" && n < 6:
		return "M"
	}
	return "i"
}

func (p *atParser) add(unit string, n int64) {
	switch unit {
	case "y":
		p.at.years += int(n)
	case "M":
		p.at.months += int(n)
	case "w":
		p.at.days += int(7 * n)
	case "d":
		p.at.days += int(n)
	case "h":
		p.at.seconds += 3600 * n
	case "i":
		p.at.seconds += 60 * n
	default:
		p.at.seconds += n
	}
}
