// Package plugin speaks the language of Nagios' plugins: it runs them, reads
// what they print, and knows their ranges.
//
// A plugin is a program that checks one thing, prints a line for people and
// exits with a status:
//
//	0 OK   1 WARNING   2 CRITICAL   3 UNKNOWN
//
// # Output
//
//	DISK OK - free space: / 3326 MB (56%);|/=2643MB;5948;5958;0;5968    text | perfdata
//	/ 15272 MB (77%);                                                    long output
//	/boot 68 MB (69%);|/boot=68MB;88;93;0;98                             the 2nd | ends it:
//	/home=69357MB;253404;253409;0;253414                                 only perfdata from here
//
// A performance value is
//
//	'label'=value[unit];[warning];[critical];[minimum];[maximum]
//
// where a label with a blank, = or ' in it stands in quotes, a quote in it is
// doubled, and the value U was not known. Units are s, ms, us (time), B, KB,
// MB, GB, TB (of 1024, as the plugins count them), % and c, a counter that
// grows; [Perf.Base] brings them to s and B. What is no performance value is
// left out and counted in [Output.Bad].
//
// # Ranges
//
// A threshold is a range; a value raises an alert that is
//
//	10       below 0 or above 10
//	10:      below 10
//	~:10     above 10
//	10:20    below 10 or above 20
//	@10:20   from 10 to 20, both inclusive
//
// # Running
//
// A [Runner] starts the programs of the configuration, and nothing else: no
// shell, a small environment, standard input empty. It is bounded in every
// direction: how many run at once ([NewRunner]; others wait), how long one may
// run (then its whole process group is killed), how much it may print
// ([MaxOutput]; the rest is read and left out).
//
// A plugin that was killed for its time, or by a signal, is CRITICAL, as
// Nagios has it. One that cannot be started, or that exits with a code beyond
// 3 (126: not executable, 127: not found), says nothing about what it was to
// check: that is UNKNOWN, with the reason as its text.
package plugin
