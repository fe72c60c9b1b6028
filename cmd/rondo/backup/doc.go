// Package backup keeps copies of a directory elsewhere: in another directory
// or in a bucket, whole at each backup, of which only what is new is sent.
//
// It knows nothing of what is in the directory. The stores make one of
// themselves that lies still (their Snapshot methods), by hard links and in a
// moment; so a target may be as slow as it likes, and nobody waits for it.
//
// # What lies at a target
//
//	manifests/20261121T031500.000Z-SHA256.json   one backup
//	objects/3f/3f9a...                           what its files consist of
//	tmp/                                         of a directory: half-written files
//
// A file is cut into pieces of 8 MiB. Small pieces of files of one directory,
// which are likely to be removed together, share an object:
//
//	files      epoch/1.sst   epoch/1.vlog   checkpoint
//	pieces     a             b              c  d  e
//	objects    [a b]                        [c] [d] [e]
//
//	object  = zstd(piece piece ..), encrypted where there are recipients
//	name    = SHA-256 of the object as it is stored
//
// So whoever can read can check what is stored, without a key: an object by
// its name, a manifest by its own. The manifest names the SHA-256 of each piece
// before compression and encryption, by which a file is put together again, and by which
// the next backup knows what is there already: an epoch of a ring or a day of
// logs that did not change costs nothing but the reading.
//
// The manifest is written last, so that a backup that was broken off is none.
// What it has sent is not lost on the next one if it comes to lie in a manifest, else it is
// removed a day later.
//
// # Encryption
//
// With recipients (age1...) objects are encrypted by age, to their public
// keys: a server that makes backups cannot read them, and whoever takes the
// server over does not get the key. Manifests are not encrypted: names of
// files, sizes and checksums can be read by whoever can read the target.
// When the recipients change everything is sent again, so that one backup
// needs one key.
//
// # What is assumed
//
// One data directory for each target: two that share a prefix send each
// other's files again and remove each other's backups. A directory is held by who writes
// to it, and a second backup refused; two of one data directory to a bucket at one time
// cost the sending twice and no more, since objects go by their content. Retention removes the manifest
// first, then what no manifest names and is a day old; what cannot be read is
// never a reason to remove anything.
package backup
