// Package chunk is the format in which log messages are stored: some 18,000
// lines (4 MB) become about 330 KB that can be searched without unpacking
// most of them. What goes in comes out byte for byte.
//
// # Mining templates
//
// Programs print with formats. A line is cut at its tokens (runs of letters,
// digits, "_" and bytes from 0x80 on); those with a digit in them become
// slots, all the rest is constant:
//
//	Failed password for root from 10.0.0.7 port 52144 ssh2
//	Failed password for root from <IPv4> port <Int> ssh2
//
// Lines with the same constants, format, facility, severity and application
// are of one Type. So severity and application cost nothing per line, and a
// search asks each type once (Type.Known, Type.CanHold, Type.CanContain,
// Type.CanMatch), not each line.
//
//	slot      what it holds                                value
//	Int       number without leading zeros, <= 18 digits   the number
//	Digits    other digits, <= 17                          (10^width-1)/9 + number
//	IPv4      canonical address                            32 bits
//	MAC       six lower-case bytes with colons             48 bits
//	ShortHex  3 to 7 lower-case hexadecimal digits         the number
//	Hex       8 to 64 hexadecimal digits of one case       64 bits for each 16
//	String    any other token with a digit                 number of a string
//	Tail      the rest of a field, from a control byte,    number of a string
//	          the 61st slot or byte 4096 on; all of it once
//	          a chunk has 2048 types
//	ISO       2006-01-02T15:04:05.999, also with a blank   difference to the
//	CLF       02/Jan/2006:15:04:05                         message's own time
//	BSD       Jan _2 15:04:05
//	PID       a process id that is a number                the number
//
// The template also marks where the fields of the message lie in the line,
// so they need no columns of their own. A field that is no part of the line
// follows it in the template.
//
// # Columns
//
// The values of a slot go into the column that is named by the kind of the
// slot and the constant before it; types share columns. A column is constant,
// packed (frame of reference), Huffman coded bytes, zigzag differences, a
// dictionary, or predicted: a process id is mostly the last one of its host.
// Times are in blocks of 128: reception as differences, and the message's own
// time as what it is off reception, in whole seconds for types that have no
// more. zstd, at its fastest, is used only
// for the type table and for strings: bit packing leaves it nothing to gain.
//
// # Parts
//
// A chunk has four parts, each with its CRC-32C at its end, so that a search
// reads no more than it needs:
//
//	header  0 | version | replaced chunks | rows, bounds of the times,
//	        counts by hour and severity                               ~60 B
//	types   zstd( types and counts, origins and counts, column sizes ) ~2 KB
//	filter  Bloom filter of the tokens of the text and of the hosts   ~20 KB
//	data    when | received | origin | type high | type low | columns
//	        of the slots | zstd( strings )                           ~310 KB
//
// All numbers are varints, or little endian where they have a fixed width.
// The filter leaves out trivial tokens (IsTrivial), which are everywhere.
package chunk
