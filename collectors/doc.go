// Package collectors is the contract of everything that brings samples in,
// and what its listeners share. Each protocol is a folder of its own.
package collectors
