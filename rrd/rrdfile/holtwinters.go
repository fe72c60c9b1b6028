package rrdfile

import (
	"math"

	"rondo/rrd"
)

// Indices of the parameters of an archive that are not xff. Their meaning
// changes with the function.
const (
	parAlpha, parGamma, parDeltaPos = 1, 1, 1
	parBeta, parSmooth, parDeltaNeg = 2, 2, 2
	parPartner                      = 3
	parSmoothRow, parWindow         = 4, 4
	parThreshold                    = 5
	parCount                        = 10
)

// Indices of what a cell holds for the Holt-Winters family.
const (
	cdpUnknown = 1
	cdpLevel   = 2 // and the last level, slope, last slope, count, last count
)

// isSeason says whether the ring of an archive is part of the state.
func isSeason(cf rrd.CF) bool { return cf == rrd.Seasonal || cf == rrd.DevSeasonal }

// hasLevels says whether the cells of an archive have more than value and
// unknown.
func hasLevels(cf rrd.CF) bool { return cf == rrd.HWPredict || cf == rrd.MHWPredict || isSeason(cf) }

// noHoltWinters is the state of archives of the family that keep none.
func noHoltWinters() rrd.HoltWintersState {
	nan := math.NaN()
	return rrd.HoltWintersState{Level: nan, LastLevel: nan, Slope: nan, LastSlope: nan, Count: 1, LastCount: 1}
}

// decodeHoltWinters reads the parameters of an archive; nil for one of
// another family. Files of version 3 have no smoothing window of their own.
func decodeHoltWinters(cf rrd.CF, par []byte, version int) *rrd.HoltWinters {
	if cf <= rrd.Last {
		return nil
	}
	count := func(i int) int { return int(min(number(par[8*i:]), math.MaxInt32)) }
	float := func(i int) float64 { return double(par[8*i:]) }
	h := &rrd.HoltWinters{Partner: count(parPartner)}
	switch cf {
	case rrd.HWPredict, rrd.MHWPredict:
		h.Alpha, h.Beta = float(parAlpha), float(parBeta)
	case rrd.Seasonal, rrd.DevSeasonal:
		h.Gamma, h.Smoothing, h.SmoothRow = float(parGamma), float(parSmooth), count(parSmoothRow)
		if version < 4 {
			h.Smoothing = rrd.DefaultSmoothing
		}
	case rrd.Failures:
		h.DeltaPos, h.DeltaNeg = float(parDeltaPos), float(parDeltaNeg)
		h.Window, h.Threshold = count(parWindow), count(parThreshold)
	}
	return h
}

// parameters are the ten of an archive, as bits.
func parameters(a *rrd.SetArchive) (par [parCount]uint64) {
	bits := math.Float64bits
	h := a.HoltWinters
	if h == nil {
		par[0] = bits(a.XFF)
		return par
	}
	par[parPartner] = uint64(h.Partner)
	switch a.CF {
	case rrd.HWPredict, rrd.MHWPredict:
		par[parAlpha], par[parBeta] = bits(h.Alpha), bits(h.Beta)
	case rrd.Seasonal, rrd.DevSeasonal:
		par[parGamma], par[parSmooth], par[parSmoothRow] = bits(h.Gamma), bits(h.Smoothing), uint64(h.SmoothRow)
	case rrd.Failures:
		par[parDeltaPos], par[parDeltaNeg] = bits(h.DeltaPos), bits(h.DeltaNeg)
		par[parWindow], par[parThreshold] = uint64(h.Window), uint64(h.Threshold)
	}
	return par
}

// decodeCell reads the cell of an archive of the family.
func decodeCell(a *rrd.SetArchive, b []byte) rrd.HoltWintersState {
	float := func(i int) float64 { return double(b[8*i:]) }
	count := func(i int) int64 { return int64(number(b[8*i:])) }
	return keepOwn(a, rrd.HoltWintersState{
		Level: float(cdpLevel), LastLevel: float(cdpLevel + 1),
		Slope: float(cdpLevel + 2), LastSlope: float(cdpLevel + 3),
		Count: count(cdpLevel + 4), LastCount: count(cdpLevel + 5),
		Violations: violations(b[:min(a.HoltWinters.Window, rrd.MaxFailureWindow)], 1),
	})
}

// keepOwn returns those fields of h that an archive of a's function has.
func keepOwn(a *rrd.SetArchive, h rrd.HoltWintersState) rrd.HoltWintersState {
	own := noHoltWinters()
	switch a.CF {
	case rrd.HWPredict, rrd.MHWPredict:
		own, own.Violations = h, 0
	case rrd.Seasonal, rrd.DevSeasonal:
		own.Level, own.LastLevel, own.Count = h.Level, h.LastLevel, h.Count
	case rrd.Failures:
		own.Violations = h.Violations & (1<<min(a.HoltWinters.Window, rrd.MaxFailureWindow) - 1)
	}
	return own
}

// violations reads a window, whose newest point is the first byte: one where
// it was outside the band.
func violations(window []byte, one byte) (v uint32) {
	for i, b := range window {
		if b == one {
			v |= 1 << i
		}
	}
	return v
}

// appendViolations is the reverse.
func appendViolations(dst []byte, v uint32, window int, zero, one byte) []byte {
	for i := range window {
		if v>>i&1 == 1 {
			dst = append(dst, one)
		} else {
			dst = append(dst, zero)
		}
	}
	return dst
}

// holtWintersCell writes the cell of an archive of the family.
func (e *encoder) holtWintersCell(a *rrd.SetArchive, h rrd.HoltWintersState) {
	begin := len(e.b)
	switch {
	case hasLevels(a.CF):
		e.zero(8 * cdpLevel)
		e.doubles(h.Level, h.LastLevel, h.Slope, h.LastSlope)
		e.number(uint64(h.Count))
		e.number(uint64(h.LastCount))
	case a.CF == rrd.Failures:
		e.b = appendViolations(e.b, h.Violations, a.HoltWinters.Window, 0, 1)
	default:
		e.doubles(math.NaN())
	}
	e.zero(begin + cdpSize - len(e.b))
}
