// Package alerts supervises: rules are checked, readings become states, soft
// before hard, and hard changes are told by actions.
//
// # Terms
//
// A rule yields readings, one per label set. State is kept per rule and label
// set. A state that is not OK is soft until it was seen max-attempts times in
// a row; then it is hard, and a transition is stored and acted upon.
//
//	        bad, attempts < max            bad, attempts = max
//	OK  ---------------------> soft n/max ---------------------> hard
//	 ^                             |                               |
//	 +--------- good (no word) ----+------ good: recovery ---------+
package alerts
