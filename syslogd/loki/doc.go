// Package loki is Loki's push interface to the log store.
package loki
