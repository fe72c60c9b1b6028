// Package stage is the pipeline that messages go through before anything is
// written: a Pipe has stages, in the order of the configuration, each with a
// filter of its own.
//
//	p, err := stage.New(config)           // says all that is wrong
//	out := p.Apply(time.Now(), batch)     // the batch itself if nothing changed; never modified
//	out = p.Due(time.Now())               // each second: what stages have to say by now
//	out = p.Close(time.Now())             // before a stop: all that they have to say
//	p.Report(stats.Add)                   // what was counted since the last Report
package stage
