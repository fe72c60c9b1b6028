package rrd

import (
	"fmt"
	"math"
	"time"
)

// Type is how the numbers of a data source are meant (rrdcreate(1), DS).
type Type uint8

// The types of a data source. Unset lets the schema decide.
const (
	Unset    Type = iota
	Gauge         // the number is the value: temperature, free bytes
	Counter       // ever growing, wraps or resets: bytes sent
	Derive        // a counter that may fall
	Absolute      // a count since the last reading

	// Only a Set can have these.

	DCounter // a counter of real numbers, which may also fall from 0; a reset is unknown
	DDerive  // a derive of real numbers
	Compute  // an expression over the primary points of other data sources
)

var typeNames = [...]string{"", "gauge", "counter", "derive", "absolute", "dcounter", "dderive", "compute"}

func (t Type) String() string { return typeNames[t] }

// UnmarshalText reads the type's name as it stands in a configuration.
func (t *Type) UnmarshalText(b []byte) error {
	for i, n := range typeNames {
		if n == string(b) && n != "" {
			*t = Type(i)
			return nil
		}
	}
	return fmt.Errorf("data source type %q: want gauge, counter, derive or absolute, or in a set dcounter, dderive or compute", b)
}

// CF is a consolidation function: how an archive makes one row of many
// primary points.
type CF uint8

// The consolidation functions (rrdcreate(1), RRA).
const (
	Average CF = iota
	Min
	Max
	Last

	// Only an archive of a Set can have these, the Holt-Winters family: see
	// [HoltWinters].

	HWPredict   // forecast with an additive season
	MHWPredict  // forecast with a multiplicative season
	Seasonal    // the season's coefficients
	DevSeasonal // the season's mean deviation from the forecast
	DevPredict  // the deviation that is expected
	Failures    // 1 where too many readings were outside the expected band
)

var cfNames = [...]string{
	"average", "min", "max", "last",
	"hwpredict", "mhwpredict", "seasonal", "devseasonal", "devpredict", "failures",
}

func (cf CF) String() string { return cfNames[cf] }

// UnmarshalText reads the function's name as it stands in a configuration.
func (cf *CF) UnmarshalText(b []byte) error {
	for i, n := range cfNames {
		if n == string(b) {
			*cf = CF(i)
			return nil
		}
	}
	return fmt.Errorf("consolidation function %q: want average, min, max or last, or in a set one of hwpredict, mhwpredict, seasonal, devseasonal, devpredict and failures", b)
}

// An Archive is a ring of rows. Each row consolidates Steps primary points; a
// row of which more than XFF (0 <= XFF < 1) is unknown is itself unknown.
type Archive struct {
	Steps int
	Rows  int
	XFF   float64
	CFs   []CF // what is kept; empty means all four
}

// A Definition is all that is fixed about a data source when it is created.
type Definition struct {
	Type      Type
	Step      time.Duration
	Heartbeat time.Duration // a longer silence is unknown
	Min, Max  float64       // NaN: no limit. Of the rate, for all types but gauge
	Archives  []Archive     // ascending by Steps; the first has Steps 1
}

// Row is how long one row of archive a lasts.
func (d Definition) Row(a int) time.Duration { return d.Step * time.Duration(d.Archives[a].Steps) }

// Span is how far archive a reaches back.
func (d Definition) Span(a int) time.Duration {
	return d.Row(a) * time.Duration(d.Archives[a].Rows)
}

// DefaultDefinition is what a series gets where no schema names it: 10 s for
// a day, 1 m for 14 days, 10 m for 90 days, 2 h for 3 years.
func DefaultDefinition() Definition {
	return Definition{
		Type: Gauge, Step: 10 * time.Second, Heartbeat: 2 * time.Minute,
		Min: math.NaN(), Max: math.NaN(),
		Archives: []Archive{
			{Steps: 1, Rows: 8640, XFF: 0.99},
			{Steps: 6, Rows: 20160, XFF: 0.99},
			{Steps: 60, Rows: 12960, XFF: 0.99},
			{Steps: 720, Rows: 13140, XFF: 0.99},
		},
	}
}
