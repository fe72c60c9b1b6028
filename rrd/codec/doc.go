// Package codec turns columns of numbers into bytes and back, bit for bit.
//
// A column is the values of one series over consecutive rows. Readings of a
// fleet are rarely noise: they are short decimals that move a little, integers
// that grow, or nothing but one value. So a column is written as integers
// (scaled by a power of ten where, and only where, dividing gives the very
// same float64 back), reduced by their common divisor, as themselves or as
// first or second differences, whichever is smallest, and bit-packed in
// frames of 64 above the frame's minimum. What does not fit is an exception.
//
// Averages are no short decimals, but fractions of them, off by a few units in
// the last place (ulps): they are written as numerators and ulps. What is left
// is noise: it is XORed with its predecessor (Chimp), or kept raw.
//
// # Format
//
// uvarint and varint (zigzag) are those of encoding/binary; everything else is
// little endian. Columns delimit themselves: one may follow another.
//
//	floats  = count:uvarint  kind:byte  body          (count 0: nothing follows)
//	kind
//	  0 constant   value: uvarint of the byte-reversed IEEE bits
//	  1 raw        8 bytes a value
//	  2 xor        bits, below; padded to a byte
//	  3 decimal    scale:byte  integers             value = integer / 10^scale
//	  4 decimal    scale:byte  exceptions integers  the same, with exceptions
//	  5 quotient   denominator:byte scale:byte  exceptions integers integers
//	               value = first integer / (denominator * 10^scale), and so
//	               many ulps up as the second says; denominator is an index
//	               into 3 7 9 60 720 2520 7200 86400
//
//	exceptions = runs:uvarint { gap:uvarint length-1:uvarint bits:8 }
//	          gap counts the values since the last run's end; in the integers
//	          the value before a run (after it, at the start) is repeated
//
//	ints    = count:uvarint  integers                 (count 0: nothing follows)
//
//	integers = order:byte  base:varint  divisor:uvarint  [slope:varint]  frames
//	          y[i] = (x[i]-base) / divisor, where base is x[0], so that y[0] is 0
//	          order 0: frames hold y
//	          order 1: frames hold y[i]-y[i-1], from i = 1
//	          order 2: slope is y[1]-y[0] (absent where count is 1), frames hold
//	                   differences of differences, from i = 2
//
//	frame   = width:byte  min:varint  packed          (64 values, the last frame fewer)
//	          packed: width bits each of value-min, low bits first, padded to a byte
//
//	xor     = first:64  { 00                              the same value again
//	                    | 01 lead:3 sig:6 bits:sig         trailing zeros cut off
//	                    | 10 bits:64-L                     L as last time
//	                    | 11 lead:3 bits:64-L }            L = one of 8 lengths
//
// # Bounds
//
// A decoder never panics, reads no further than the column, and makes no more
// values than MaxLen or the limit it is given, whatever the bytes say. Bytes
// are not checked against damage: a wrong bit may give wrong numbers. The
// blocks that hold columns carry a checksum.
package codec
