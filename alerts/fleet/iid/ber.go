package iid

import "errors"

// Tags of ASN.1 that occur in a SignedData, with their class and form.
const (
	tagInteger  = 0x02
	tagOctets   = 0x04
	tagOID      = 0x06
	tagSequence = 0x30
	tagSet      = 0x31
	tagPieces   = 0x24 // an OCTET STRING in pieces
	tagContext0 = 0xa0 // [0], constructed
	tagContext1 = 0xa1 // [1], constructed
	constructed = 0x20 // the bit of a tag that says that there are elements inside
	indefinite  = 0x80 // a length that is not known: the end is an element of two zeros
)

// maxDepth is how deep elements may lie in each other; a SignedData needs 9.
const maxDepth = 16

var errBER = errors.New("it is no PKCS #7 in BER")

// An element is a tag, its content, and both as they were read.
type element struct {
	tag  byte
	body []byte // without the zeros at the end, where the length is indefinite
	raw  []byte
}

// definite says whether the length stood before the content.
func (e element) definite() bool { return len(e.raw) > 1 && e.raw[1] != indefinite }

// split takes the first element off b.
func split(b []byte, depth int) (e element, rest []byte, err error) {
	if len(b) < 2 || depth > maxDepth || b[0]&0x1f == 0x1f { // tags of several bytes do not occur
		return e, nil, errBER
	}
	head, n := 2, int(b[1])
	switch {
	case n == indefinite:
		return splitIndefinite(b, depth)
	case n > indefinite:
		size := n - indefinite
		if size > 3 || len(b) < 2+size {
			return e, nil, errBER
		}
		n = 0
		for _, c := range b[2 : 2+size] {
			n = n<<8 | int(c)
		}
		head += size
	}
	if len(b) < head+n {
		return e, nil, errBER
	}
	return element{b[0], b[head : head+n], b[:head+n]}, b[head+n:], nil
}

// splitIndefinite finds the end of an element whose length is not known: its
// own two zeros come after all elements inside.
func splitIndefinite(b []byte, depth int) (e element, rest []byte, err error) {
	if b[0]&constructed == 0 {
		return e, nil, errBER
	}
	for rest = b[2:]; len(rest) >= 2; {
		if rest[0] == 0 && rest[1] == 0 {
			end := len(b) - len(rest)
			return element{b[0], b[2:end], b[:end+2]}, rest[2:], nil
		}
		if _, rest, err = split(rest, depth+1); err != nil {
			return e, nil, err
		}
	}
	return e, nil, errBER
}

// A reader walks through the elements of one content. After its first error it
// yields nothing more.
type reader struct {
	b   []byte
	err error
}

// next takes the next element, which must have this tag.
func (r *reader) next(tag byte) element {
	e, ok := r.optional(tag)
	if !ok && r.err == nil {
		r.err = errBER
	}
	return e
}

// optional takes the next element if it has this tag.
func (r *reader) optional(tag byte) (element, bool) {
	if r.err != nil || len(r.b) == 0 || r.b[0] != tag {
		return element{}, false
	}
	e, rest, err := split(r.b, 0)
	if err != nil {
		r.err = err
		return element{}, false
	}
	r.b = rest
	return e, true
}

// inside takes the next element and walks through what is in it.
func (r *reader) inside(tag byte) *reader {
	e := r.next(tag)
	return &reader{b: e.body, err: r.err}
}

// octets takes an OCTET STRING, in one piece or in several.
func (r *reader) octets() []byte {
	e, ok := r.optional(tagPieces)
	if !ok {
		return r.next(tagOctets).body
	}
	var all []byte
	pieces := reader{b: e.body}
	for len(pieces.b) > 0 && pieces.err == nil {
		all = append(all, pieces.next(tagOctets).body...)
	}
	if r.err == nil {
		r.err = pieces.err
	}
	return all
}

// end reports the first error, and whether something is left over.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.err = errBER
	}
	return r.err
}
