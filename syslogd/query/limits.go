package query

import (
	"fmt"
	"strings"
	"time"
)

// Limits bound what a query may take. Zero means the default.
type Limits struct {
	Rows   int           // in the answer; default 100,000
	Held   int           // rows held by sort, default 100,000
	Groups int           // of each stats, default 100,000
	Values int           // held by all uniq and percentiles together, default 1,000,000
	Bytes  int64         // held by groups and rows, default 64 MiB
	Time   time.Duration // default one minute
}

func (l Limits) withDefaults() Limits {
	def := Limits{Rows: 100_000, Held: 100_000, Groups: 100_000, Values: 1_000_000, Bytes: 64 << 20, Time: time.Minute}
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&l.Rows, def.Rows)
	set(&l.Held, def.Held)
	set(&l.Groups, def.Groups)
	set(&l.Values, def.Values)
	if l.Bytes <= 0 {
		l.Bytes = def.Bytes
	}
	if l.Time <= 0 {
		l.Time = def.Time
	}
	return l
}

// A Cut is a bound that a query ran into.
type Cut struct {
	Limit string `json:"limit"` // rows, held, groups, values, bytes or time
	Max   string `json:"max"`
	// LeftOut is how many rows, or values, are missing for it; 0 if that is
	// not known.
	LeftOut int64 `json:"left_out,omitempty"`
}

// String is the bound for people.
func (c Cut) String() string {
	s := fmt.Sprintf("at most %s %s", c.Max, c.Limit)
	switch c.Limit {
	case "time":
		s = "no more than " + c.Max
	case "bytes":
		s = "at most " + c.Max + " bytes of memory"
	case "held":
		s = "at most " + c.Max + " rows to sort"
	}
	if c.LeftOut > 0 {
		s += fmt.Sprintf(" (%d left out)", c.LeftOut)
	}
	return s
}

// A Status says how complete an answer is, and what it cost.
type Status struct {
	Rows       int64    `json:"rows"`    // of the answer
	Scanned    int64    `json:"scanned"` // messages that went through the pipes; 0 if the store counted
	Incomplete []Cut    `json:"incomplete,omitempty"`
	Notes      []string `json:"notes,omitempty"` // such as values that are no numbers
}

// Words is what an incomplete answer tells people; "" for a complete one.
func (s Status) Words() string {
	var parts []string
	for _, c := range s.Incomplete {
		parts = append(parts, c.String())
	}
	return strings.Join(parts, ", ")
}

// cut counts what a bound leaves out.
func (s *Status) cut(limit string, max any, n int64) {
	for i := range s.Incomplete {
		if s.Incomplete[i].Limit == limit {
			s.Incomplete[i].LeftOut += n
			return
		}
	}
	s.Incomplete = append(s.Incomplete, Cut{limit, fmt.Sprint(max), n})
}
