// Package web is rondo's pages and the HTTP edge: it reads the stores through
// small interfaces and renders on the server, so that every page works without
// scripts; scripts then make it move.
package web
