package ec2sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Times is a distribution of durations. The zero value is no time at all.
//
//	90s              always 90 s
//	30s..90s         uniform
//	lognormal(60s,0.4)   median 60 s, sigma 0.4: what boots look like, with a tail
type Times struct {
	low, high time.Duration // uniform; low is the median of a lognormal one
	sigma     float64       // of the logarithm; 0: not lognormal
}

// maxTime bounds what a distribution gives.
const maxTime = 24 * time.Hour

// ParseTimes reads a distribution.
func ParseTimes(text string) (Times, error) {
	var t Times
	err := t.UnmarshalText([]byte(text))
	return t, err
}

// UnmarshalText reads a distribution, as a flag or in JSON.
func (t *Times) UnmarshalText(b []byte) error {
	text := string(b)
	var out Times
	var err error
	if inner, ok := strings.CutPrefix(text, "lognormal("); ok {
		median, sigma, _ := strings.Cut(strings.TrimSuffix(inner, ")"), ",")
		if out.sigma, err = strconv.ParseFloat(strings.TrimSpace(sigma), 64); err == nil {
			out.low, err = time.ParseDuration(median)
		}
		out.high = out.low
	} else {
		low, high, uniform := strings.Cut(text, "..")
		if out.low, err = time.ParseDuration(low); err == nil && uniform {
			out.high, err = time.ParseDuration(high)
		} else {
			out.high = out.low
		}
	}
	if err != nil || out.low < 0 || out.high < out.low || out.high > maxTime || out.sigma < 0 || out.sigma > 3 || math.IsNaN(out.sigma) {
		return fmt.Errorf("ec2sim: times %q: want 90s, 30s..90s or lognormal(60s,0.4), of up to %v", text, maxTime)
	}
	*t = out
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (t Times) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

func (t Times) String() string {
	switch {
	case t.sigma > 0:
		return fmt.Sprintf("lognormal(%v,%v)", t.low, t.sigma)
	case t.high > t.low:
		return fmt.Sprintf("%v..%v", t.low, t.high)
	}
	return t.low.String()
}

// draw takes one duration.
func (t Times) draw(r *rand.Rand) time.Duration {
	switch {
	case t.sigma > 0:
		return min(maxTime, time.Duration(float64(t.low)*math.Exp(t.sigma*r.NormFloat64())))
	case t.high > t.low:
		return t.low + time.Duration(r.Int64N(int64(t.high-t.low)+1))
	}
	return t.low
}
