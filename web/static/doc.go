// Package static holds the pages' own style sheet and scripts, and what was
// installed from npm into vendor/ before the build. Where vendor/ is empty the
// program still builds, and pages keep the graphs that the server drew.
//
// The modules, each of which enhances one thing and needs none of the others:
//
//	app.js        starts them          theme.js      before the first paint
//	charts.js     graphs by uPlot      histogram.js  drag to zoom
//	refresh.js    live pages           tail.js       live lines
//	keys.js       shortcuts            range.js units.js  shared words
package static
