package autoscale

import "time"

// A Forecast is the line by which a policy that follows its load decided: the
// work now, and where it leads when what is launched now will serve.
type Forecast struct {
	At        time.Time `json:"at"`   // of the newest point
	Work      float64   `json:"work"` // in servers' worth, at that time
	Then      time.Time `json:"then"`
	Expected  float64   `json:"expected"`
	Deviation float64   `json:"deviation"` // of what is expected
	Need      int       `json:"need"`      // instances, now and then
}

// told is the forecast for the books, which have no place for what is infinite.
func (f forecast) told(at time.Time, horizon float64, need int) *Forecast {
	work, deviation := f.at(horizon)
	if !finite(f.level) || !finite(work) || !finite(deviation) {
		return nil
	}
	return &Forecast{At: at, Work: f.level, Then: at.Add(seconds(horizon)), Expected: work, Deviation: deviation, Need: need}
}
