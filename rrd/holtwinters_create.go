package rrd

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseHoltWinters reads an archive of the family: what follows its function.
func (d *SetDefinition) parseHoltWinters(cf CF, words []string) error {
	a := SetArchive{CF: cf, Steps: 1, HoltWinters: &HoltWinters{}}
	step := int64(d.Step / time.Second)
	var err error
	if a.Rows, err = parseCount("row count", words[0], step); err != nil {
		return err
	}
	switch cf {
	case HWPredict, MHWPredict:
		return d.parseForecast(a, words[1:])
	case Seasonal, DevSeasonal:
		err = a.HoltWinters.parseSeason(words[1:])
	case DevPredict:
		err = a.HoltWinters.parsePartner(words[1])
	case Failures:
		err = a.HoltWinters.parseFailures(words[1:])
	}
	d.Archives = append(d.Archives, a)
	return err
}

// parseForecast reads alpha:beta:period[:rra-num].
func (d *SetDefinition) parseForecast(a SetArchive, words []string) (err error) {
	h := a.HoltWinters
	if h.Alpha, err = parseCoefficient("alpha", words[0]); err != nil {
		return err
	}
	if h.Beta, err = parseCoefficient("beta", words[1]); err != nil {
		return err
	}
	period, err := strconv.Atoi(words[2]) // RRDtool reads "1d" as 1
	if err != nil || period < 1 {
		return fmt.Errorf("Invalid period %s: want a number of rows", words[2])
	}
	if period > a.Rows {
		return errors.New("Length of seasonal cycle exceeds length of HW prediction array")
	}
	at := len(d.Archives)
	if len(words) == 4 {
		err = h.parsePartner(words[3])
		d.Archives = append(d.Archives, a)
		return err
	}
	// The forecast alone: the others follow it.
	h.Partner = at + 1
	season := HoltWinters{Gamma: h.Alpha, Smoothing: implied, Partner: at}
	deviation := season
	d.Archives = append(d.Archives, a,
		SetArchive{CF: Seasonal, Steps: 1, Rows: period, HoltWinters: &season},
		SetArchive{CF: DevSeasonal, Steps: 1, Rows: period, HoltWinters: &deviation},
		SetArchive{CF: DevPredict, Steps: 1, Rows: a.Rows, HoltWinters: &HoltWinters{Partner: at + 2}},
		SetArchive{CF: Failures, Steps: 1, Rows: period, HoltWinters: &HoltWinters{
			Partner: at + 2, DeltaPos: defaultDelta, DeltaNeg: defaultDelta, Threshold: 7, Window: 9,
		}},
	)
	return nil
}

const (
	implied      = -1 // a smoothing window, until all archives are known
	defaultDelta = 2
)

// parseSeason reads gamma:rra-num[:smoothing-window=share].
func (h *HoltWinters) parseSeason(words []string) (err error) {
	if h.Gamma, err = parseCoefficient("gamma", words[0]); err != nil {
		return err
	}
	if err := h.parsePartner(words[1]); err != nil {
		return err
	}
	h.Smoothing = DefaultSmoothing
	if len(words) < 3 {
		return nil
	}
	share, ok := strings.CutPrefix(words[2], "smoothing-window=")
	if h.Smoothing, err = strconv.ParseFloat(share, 64); !ok || err != nil {
		return fmt.Errorf("Invalid option %s", words[2])
	}
	if !(h.Smoothing >= 0 && h.Smoothing <= 1) {
		return fmt.Errorf("Invalid smoothing-window %f: must be between 0 and 1", h.Smoothing)
	}
	return nil
}

// parseFailures reads threshold:window:rra-num.
func (h *HoltWinters) parseFailures(words []string) error {
	h.DeltaPos, h.DeltaNeg = defaultDelta, defaultDelta
	h.Threshold, _ = strconv.Atoi(words[0]) // what is no number is 0, and out of range
	h.Window, _ = strconv.Atoi(words[1])
	switch {
	case h.Threshold < 1 || h.Threshold > MaxFailureWindow:
		return fmt.Errorf("Failure threshold is out of range 1, %d", MaxFailureWindow)
	case h.Window < h.Threshold:
		return errors.New("Window length is shorter than the failure threshold")
	case h.Window > MaxFailureWindow:
		return fmt.Errorf("Window length is out of range 1, %d", MaxFailureWindow)
	}
	return h.parsePartner(words[2])
}

// parsePartner reads the number of an archive, counted from 1.
func (h *HoltWinters) parsePartner(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return fmt.Errorf("Invalid rra-num %s: want the number of an archive, from 1", text)
	}
	h.Partner = n - 1
	return nil
}

func parseCoefficient(what, text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0 && v < 1) {
		return 0, fmt.Errorf("Invalid %s: must be between 0 and 1", what)
	}
	return v, nil
}

// implySmoothing gives those seasons a smoothing window that follow a forecast
// by themselves. named: an archive names a window.
func (d *SetDefinition) implySmoothing(named bool) {
	window := DefaultSmoothing
	for _, s := range d.Sources {
		named = named || s.Type == DCounter || s.Type == DDerive
	}
	for _, a := range d.Archives {
		named = named || a.CF == MHWPredict
	}
	if named {
		window = 0
	}
	for _, a := range d.Archives {
		if a.HoltWinters != nil && a.HoltWinters.Smoothing == implied {
			a.HoltWinters.Smoothing = window
		}
	}
}
