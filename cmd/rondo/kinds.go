package main

import (
	"rondo/collectors"
	"rondo/collectors/graphite"
	"rondo/collectors/host"
	"rondo/collectors/logmetric"
	"rondo/collectors/rrdcached"
	"rondo/collectors/statsd"
)

// kinds lists every sort of collector. A new one is a folder in collectors
// and a line here.
func kinds() []collectors.Kind {
	return []collectors.Kind{
		graphite.Kind(),
		host.Kind(),
		logmetric.Kind(),
		rrdcached.Kind(),
		statsd.Kind(),
	}
}
