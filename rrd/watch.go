package rrd

// A Watch names series whose samples somebody waits for.
type Watch struct {
	// Selectors: a series is watched that any of them matches.
	Selectors [][]Matcher
	// Cuts, where there are any, divide the values into parts: a sample tells
	// nothing new that lies in the same part as all of its series that were
	// told since. Without cuts every sample tells something new.
	Cuts []float64
}

// A Watcher tells which of its series move. The law that its user relies on,
// for a watch with cuts and each of its series: as long as moved is not called,
// the series is as present as it was, and the average and the last value of its
// newest row stay in the same part: below the same cuts, above the same cuts,
// and at the same cut. moved may be called more often than that.
//
// Not told are the corrections of rows by samples older than the late window,
// updates of sets, and that time goes by: a silent series becomes unknown
// without a sample.
type Watcher interface {
	// Watch takes the place of all watches before. moved is called with the
	// index of a watch and the time of the sample, from inside of Append and from many
	// goroutines at once: it must return at once, and must not call the
	// store. It is called at the next sample of each watched series too.
	Watch(watches []Watch, moved func(watch int, at Time)) error
}
