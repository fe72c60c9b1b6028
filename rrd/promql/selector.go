package promql

import "rondo/rrd"

// Selector reads a series selector, such as up{job="a"} or {"a.b.c"}.
func Selector(text string) ([]rrd.Matcher, error) {
	ms, err := newParser().ParseMetricSelector(text)
	return matchers(ms), err
}

// Metric reads the labels of one series, such as up{job="a"} or {job="a"}.
func Metric(text string) (rrd.Labels, error) {
	ls, err := newParser().ParseMetric(text)
	if err != nil {
		return nil, badQuery(err)
	}
	return rrdLabels(ls), nil
}
