package alerts

import (
	"fmt"
	"strconv"
	"strings"
)

// Of makes a level active when M of the newest N readings are bad, as
// CloudWatch's alarms do (datapoints to alarm, evaluation periods). The zero Of
// looks at the newest reading alone.
type Of struct{ M, N int }

// maxOf is the most readings that one word has room for, with those beyond N.
const maxOf = 32 - ofBeyond

// ofBeyond is how many readings CloudWatch's evaluation range has beyond N, from
// which real ones stand in for missing ones. AWS does not say for every
// period; this is the range of the examples in its manual.
const ofBeyond = 2

// UnmarshalText reads "M/N".
func (o *Of) UnmarshalText(b []byte) error {
	m, n, _ := strings.Cut(string(b), "/")
	var errs [2]error
	o.M, errs[0] = strconv.Atoi(strings.TrimSpace(m))
	o.N, errs[1] = strconv.Atoi(strings.TrimSpace(n))
	if errs != [2]error{} {
		return fmt.Errorf("of %q: want M/N, such as 3/5", b)
	}
	return nil
}

// MarshalText writes "M/N".
func (o Of) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%d/%d", o.M, o.N), nil }

func (o Of) validate() error {
	if o != (Of{}) && (o.M < 1 || o.M > o.N || o.N > maxOf) {
		return fmt.Errorf("of %d/%d: want M/N with 1 <= M <= N <= %d", o.M, o.N, maxOf)
	}
	return nil
}

// Points are the verdicts on the newest readings, two bits each, the newest in
// the lowest: 0 where there was none, else the verdict and 1.
type Points uint64

// add puts a verdict in, or in the newest one's place.
func (p Points) add(o Of, point Points, fresh bool) Points {
	if !fresh {
		p >>= 2
	}
	return (p<<2 | point) & (1<<(2*(o.N+ofBeyond)) - 1)
}

// judge is CloudWatch's evaluation of one level. The newest N readings that
// are there, of an evaluation range of N+2, decide when M of them are bad or
// none is wanting. Only where the range has fewer, missing ones are filled in:
//
//	           M bad with          missing raises / is ok     beyond / cleared
//	           those filled in
//	any is good                    missing keeps, unknown     cleared
//	all are bad, one of them       missing keeps              as it is
//	at least M readings ago        missing is unknown         beyond
//	none, or younger ones          missing keeps, unknown     as it is
//
// For the last line AWS says only that the alarm is not raised. While a level
// is active, what is not cleared is bad.
func (p Points) judge(o Of, m Missing, active bool) verdict {
	seen, bad, oldest := 0, 0, 0
	for age := 1; age <= o.N+ofBeyond && seen < o.N; age, p = age+1, p>>2 {
		if p&3 == 0 {
			continue
		}
		seen++
		if v := verdict(p&3 - 1); v == beyond || v == between && active {
			bad++
			oldest = age
		}
	}
	fill := o.N - seen
	switch {
	case bad >= o.M, m == MissingRaise && bad+fill >= o.M:
		return beyond
	case fill == 0, m == MissingRaise, m == MissingOK, bad < seen:
		return cleared
	case m == MissingUnknown && oldest >= o.M:
		return beyond
	}
	return between
}

// ofMany makes of the verdicts on a reading those on it and the ones before it;
// none says that it is missing. An evaluation range without any is unknown.
func (s *State) ofMany(p Policy, now [3]verdict, none, fresh bool) (v [3]verdict) {
	for i := range s.Levels {
		l, level := Warning+Status(i), &s.Levels[i]
		if l != Unknown && !p.Direct && p.threshold(l) == nil {
			continue
		}
		point := Points(now[i]) + 1
		if none {
			point = 0
		}
		level.Points = level.Points.add(p.Of, point, fresh)
		switch {
		case l != Unknown:
			v[i] = level.Points.judge(p.Of, p.Missing, level.Active)
		case p.Missing == MissingUnknown && level.Points == 0:
			v[i] = beyond
		}
	}
	return v
}
