// Package webtest lets tests look at pages in a real browser: a headless
// Chromium, driven through its own debugging protocol, so that nothing but the
// browser needs to be installed. Where there is none, tests skip loudly.
package webtest
