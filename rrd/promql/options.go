package promql

import (
	"cmp"
	"errors"
	"time"
)

// Options bound what a query may cost. A zero field means its default.
type Options struct {
	Timeout       time.Duration `yaml:"timeout"`        // of one query, waiting included
	MaxConcurrent int           `yaml:"max_concurrent"` // queries that run at once; others wait
	MaxSamples    int           `yaml:"max_samples"`    // points in memory, of each query
	MaxSeries     int           `yaml:"max_series"`     // that one selector may match
	Version       string        `yaml:"-"`              // told by /api/v1/status/buildinfo
	Revision      string        `yaml:"-"`
}

// DefaultOptions suit a machine of two cores. A point takes about 50 bytes on
// its way (the row, the column made of it, the result), so that a query needs half
// a gigabyte at the very worst, and a thousand series of a day at 10 s just fit.
func DefaultOptions() Options {
	return Options{Timeout: 30 * time.Second, MaxConcurrent: 4, MaxSamples: 10_000_000, MaxSeries: 100_000}
}

// Validate says what cannot be meant.
func (o Options) Validate() error {
	if o.Timeout < 0 || o.MaxConcurrent < 0 || o.MaxSamples < 0 || o.MaxSeries < 0 {
		return errors.New("promql: timeout, max_concurrent, max_samples and max_series must not be negative")
	}
	return nil
}

// orDefaults fills the fields that are zero.
func (o Options) orDefaults() Options {
	d := DefaultOptions()
	o.Timeout = cmp.Or(o.Timeout, d.Timeout)
	o.MaxConcurrent = cmp.Or(o.MaxConcurrent, d.MaxConcurrent)
	o.MaxSamples = cmp.Or(o.MaxSamples, d.MaxSamples)
	o.MaxSeries = cmp.Or(o.MaxSeries, d.MaxSeries)
	return o
}
