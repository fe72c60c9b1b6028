// Package rpn evaluates expressions in reverse Polish notation as
// rrdgraph_rpn(1) has them: "in,out,+,8,*".
//
// An expression is a list of words between commas. A word is, in this order, a
// number, an operator, or the name of a variable: a variable that is called
// like an operator cannot be reached, as in RRDtool. Unknown is NaN.
//
// # Checked once, then sure
//
// Parse follows the depth of the stack through the expression. What is left on
// it at the end must be one value. So that the depth is known, operators that
// take a number of values (SORT, REV, AVG, ...) need that number as a literal
// in front of them, or DEPTH. RRDtool finds these mistakes when the first
// value comes, and crashes on some; here a Program that was parsed has no way
// to fail.
//
// # One value at a time
//
// Eval computes one value from one value of each variable. That is what a data
// source of type COMPUTE needs. Operators that look at the neighbours of a
// value or at its time (PREV, COUNT, TIME, LTIME, STEPWIDTH, NEWDAY, TREND,
// PREDICT and their kind) are known by name and refused with RRDtool's words:
// they belong to the graph language.
//
// ROLL does what the manual says. RRDtool 1.7.2 rolls whatever is above the
// values that are meant.
//
// # To the last bit
//
// Arithmetic, comparisons and the operations on sets come out as in RRDtool.
// SIN, COS, ATAN, ATAN2, LOG, EXP and POW are those of Go's library, which
// differs from C's in the last bit here and there. DEG2RAD and RAD2DEG have
// RRDtool's constants of nine and ten digits. NOW is the time that the caller
// gives.
package rpn
