// Package file delivers messages to files: one for all, or one for each host,
// program, day, as a template of the path says.
//
//	file:
//	  path: "/var/log/remote/${HOST}/${APP}.log"
//	  template: '${ISODATE} ${HOST} ${MSGHDR}${TEXT}\n'    # or format: json
//	  rotate: {size: 100MB, every: day, keep: 14, max_age: 30d, compress: zstd}
//
// # Where it writes
//
// Below the directory that stands before the first macro, and nowhere else:
// values are made safe by package macro, and all files are opened through an
// os.Root, so that no symbolic link leads out of it either. Directories are
// made as needed.
//
// A sender decides how many names there are. So at most max_open files are
// open, the least recently used is closed first; and at most new_files are
// created in an hour. A message that would need another one goes to
// overflow.log in that directory, which is told in the log; and so does one
// whose file cannot be opened because of what lies in its place, such as a
// directory. The macros of time that begin with R_ go by reception: with them
// no sender can choose a day.
//
// # When a message is settled
//
//	sync: settled   (default) after the file, and the directory of a new one,
//	                is on the device. Messages share a sync: one is made when
//	                nothing more waits, after 8 MiB, and after a second.
//	sync: written   after write(2): survives kill -9, not a power cut.
//
// # No half lines, and lines once
//
// When a write fails, as on a full disk, what is not settled is taken back by
// truncating: it is sent again, and so is not there twice. After a crash
// nobody knows how far the queue had heard of it, so some lines can be there
// twice; none is missing. A piece of a line at the end of a file, which only a
// crash in the middle of a write leaves, is cut off when the file is opened:
// its message was not settled and is written again, whole. Nobody else may
// write to the file.
//
// # Rotation
//
// A file is renamed before a message that would make it larger than size, or
// is the first of another hour, day or week (of the wall clock, in time_zone):
//
//	nginx.log.20261121T093000.000Z       when it was rotated
//	nginx.log.20261121T093000.000Z.zst   a little later
//
// In the background, one at a time, rotated files are compressed, and removed
// when there are more than keep or they are older than max_age, once an hour
// and after each rotation. Files that this package did not rotate are never
// removed.
//
// Another program may rotate instead, as logrotate(8) does, without telling:
// before each write the name is looked up, and if it has another inode or none
// it is opened anew. Such a program must not compress at once what it has
// renamed (delaycompress).
package file
