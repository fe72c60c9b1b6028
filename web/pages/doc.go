// Package pages renders rondo's pages on the server: complete with tables and
// SVG graphs, so that they work without scripts. The modules in web/static
// then make the same pages move.
//
// # How a page is made
//
//	URL -> Range ("?from=-1h&to=now", the same on every page)
//	    -> gather (read stores through the interfaces of Deps)
//	    -> a view: plain values, nothing left to compute
//	    -> html/template
//
// A graph is a [Figure]: it is drawn as SVG in the page, and stands beside it
// as JSON from which the script draws the interactive one. A live page is
// refreshed by fetching its own URL again: there is no second rendering.
//
// # What happened
//
// Graphs are marked with what happened to the groups and hosts that they are
// about: deploys and the like (alerts/event), changes of capacity that groups
// remember, hard state changes. marks= chooses; the events panel beneath
// lists and searches the same ones, for those who have no pointer.
//
// # A state explains itself
//
// /alerts lists all states, /alerts?rule=R (which notices link to) those of a
// rule, and /alerts?rule=R&labels={...}, or a rule's only one, explains itself:
//
//	what it saw      the rule's expression over the range, its curves alone, over
//	                 the levels that raise and end; or the lines that it counts
//	its state        a band out of the series rondo_alert_status: the graver the
//	                 taller, hatched while soft; a state stands for two minutes
//	hard changes     and why one was not told at once; who knows of it now
//	how it is judged the policy in words
//
// What changes something is offered as a command to copy, with the matchers of
// that one state: the pages themselves only read.
//
// # Laws
//
// No inline script or style (the Content-Security-Policy forbids them), no
// other host, no status by colour alone, no page whose cost grows with the
// fleet beyond a page of rows. A part that is not configured or fails says so
// in its place; the rest of the page stands.
package pages
