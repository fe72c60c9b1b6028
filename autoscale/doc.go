// Package autoscale closes the loop from a graph to instances: each tick it
// reads a group's metric, asks [Want] how many instances there should be and
// why, and has its Cloud launch or terminate the difference.
//
// The controller scales on levels, never on edges.
package autoscale
