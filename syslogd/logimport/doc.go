// Package logimport puts the messages of files into a log store: objects of
// the archive, and whatever package logfile reads.
//
//	files -> Importer -- portions --> Target: the store itself (Local), or
//	         selects                  a running server (Remote -> Handler -> Local)
//
// # Each message once
//
// A file has an identity that does not change: for an object of the archive its
// name, which no other object ever has, for others what the caller says, such
// as a hash of their content. How far a file has been taken is a mark
// (syslogd.Marker), kept in the same write as the messages: so an import that
// was interrupted, on either side, goes on where it stopped, and a file that
// was taken is not taken again. A portion names the position that it begins at,
// and is refused with ErrMoved if that is not where the mark is: two imports of
// one file at the same time do not double it.
//
// The mark also names what was selected. A file of which something else was
// taken is refused with ErrOtherSelection, since what both have in common would
// be there twice. The store keeps a bounded number of marks; that of a file
// which was imported long ago may be forgotten.
//
// # Time
//
// Messages are found by their own time. The store keeps them by day of
// reception, and drops whole days: so the reception that a file tells is kept
// as long as that day is, and one that is too old, or has not come yet, becomes
// the present. Where the store is bounded by size, older days are the first to
// go, imported or not.
//
// Imported messages go to the store and nowhere else: they pass no routes,
// raise no alert and are no part of any metric of logs. Of the stages only those
// that redact see them: secrets reach the disk on no way.
package logimport
