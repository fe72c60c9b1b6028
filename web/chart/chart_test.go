package chart

import (
	"math"
	"time"
)

// day is a chart with everything in it: a day of a load with a band and a gap,
// a capacity, thresholds and events.
func day() Chart {
	from := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	l := Line{Name: "load1 <web>", Step: time.Minute, Area: true}
	for i := range 1440 {
		if i > 500 && i < 560 {
			continue
		}
		v := 2 + 1.5*math.Sin(float64(i)/120) + 0.3*math.Sin(float64(i*i))
		if i == 900 {
			v = 9
		}
		l.Times = append(l.Times, from.Add(time.Duration(i)*time.Minute))
		l.Values = append(l.Values, v)
		l.Min = append(l.Min, v-0.4)
		l.Max = append(l.Max, v+0.6)
	}
	steps := Line{Name: "in service", Times: []time.Time{from, from.Add(10 * time.Hour), from.Add(1000 * time.Minute)}, Values: []float64{2, 14, 4}}
	return Chart{
		Title: "Load & capacity", From: from, To: from.Add(24 * time.Hour), Width: 700, Height: 260, Legend: true,
		Lines: []Line{l}, Steps: []Line{steps},
		Thresholds: []Threshold{{Value: 6, Label: "raise 6", Color: Critical}, {Value: 1, Label: "clear 1"}},
		Marks:      []Mark{{Time: from.Add(10 * time.Hour), Label: "scale out +12"}},
	}
}
