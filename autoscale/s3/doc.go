// Package s3 keeps objects in a bucket of Amazon S3 or of a server that speaks
// its protocol.
//
// It offers what others need and no more: Put, Get, List, Delete of whole
// objects. Those who store something declare the interface that they need and
// are given a [Bucket] by cmd; so no type of AWS leaves this package.
//
// Large objects are sent in parts, which appear together at the end or not at
// all. Each request is tried five times, each try bounded in time. What is
// sent is signed with its SHA-256, so that a server refuses what was changed or cut on its way;
// newer checksum headers are only sent where AWS demands them, since not every
// server knows them.
package s3
