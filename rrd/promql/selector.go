package promql

import "rondo/rrd"

// Selector reads a series selector, such as up{job="a"} or {"a.b.c"}.
func Selector(text string) ([]rrd.Matcher, error) {
	ms, err := newParser().ParseMetricSelector(text)
	return matchers(ms), err
}
