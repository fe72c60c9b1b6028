// Package replay asks what a policy would have done with a load: how many
// instances it would have had in service, when, for what money, and how short
// of them it would have been. It runs the same [autoscale.Want] as the
// controller.
//
// # The model
//
// A load is a series in servers' worth of work: 1 is one server fully used.
//
//	needed    = max(min, ceil(load / use))
//	in service: launched, and boot ago at least
//	the metric = load / in service, one step old when it is decided upon
//
//	 i-1            i             i+1
//	--|-------------|--------------|------> time
//	  load(i-1)     needed(i) against in service(i) is scored,
//	                then the policy sees the metric of i-1 and decides;
//	                what it launches serves from i + boot on, what it retires
//	                serves no more from i+1 on
//
// Work that is left undone is not made up for later: each step stands alone.
//
// # The scores
//
// Those of the elasticity literature (Herbst et al., "Ready for rain?", SPEC
// RG 2016; Ilyushkin et al., ICPE 2017), with d needed, s in service, over a
// time T:
//
//	theta under = 100/T * integral of max(d-s, 0)/d     theta over likewise
//	time under  = 100/T * time in which s < d           time over likewise
//	instability = 100/T * time in which the signs of the changes of s and d differ
//	cost ratio  = integral of s / integral of d
//
// # The rivals
//
// Target tracking and step scaling as Amazon EC2 Auto Scaling documents them,
// Kubernetes' HorizontalPodAutoscaler, and React (Chieu et al. 2009), written
// from their definitions, see the same metric in the same run. Their metric is
// not cut off at 100 %, which is kinder to them than a CPU's share is.
package replay
