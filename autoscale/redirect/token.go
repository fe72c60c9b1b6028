package redirect

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// A token is what a client's cookie says of its session. It names an instance,
// never an address: where the client is sent is ours to say.
//
//	+---------+---------------+----------------------+-------------+-----------+
//	| version | first, uvarint| last-first, uvarint  | instance ID | signature |
//	|  1 byte | ms since 1970 | ms                   |  1 to 64    | 16 bytes  |
//	+---------+---------------+----------------------+-------------+-----------+
//
// The signature is HMAC-SHA-256 (RFC 2104), cut to 16 bytes, over the group's
// name and all before it; the whole stands in base64 (RFC 4648, section 5,
// without padding).
type token struct {
	first, last time.Time // of its requests, to the millisecond
	instance    string
}

const (
	tokenVersion  = 1
	signatureSize = 16
	maxInstance   = 64
	maxToken      = 160 // characters: a longer one is none of ours
	maxTime       = 1 << 47
)

// A signer signs the tokens of one group.
type signer struct {
	key   []byte
	group string
}

func (s signer) sign(payload []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte("rondo session\x00" + s.group + "\x00"))
	h.Write(payload)
	return h.Sum(nil)[:signatureSize]
}

// write makes a cookie's value.
func (s signer) write(t token) string {
	b := make([]byte, 0, maxToken)
	b = append(b, tokenVersion)
	b = binary.AppendUvarint(b, uint64(t.first.UnixMilli()))
	b = binary.AppendUvarint(b, uint64(t.last.Sub(t.first).Milliseconds()))
	b = append(b, t.instance...)
	return base64.RawURLEncoding.EncodeToString(append(b, s.sign(b)...))
}

// read takes a cookie's value; false if it is not one that write made.
func (s signer) read(value string) (t token, ok bool) {
	if len(value) > maxToken {
		return token{}, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || len(b) <= signatureSize {
		return token{}, false
	}
	payload, signature := b[:len(b)-signatureSize], b[len(b)-signatureSize:]
	if payload[0] != tokenVersion || !hmac.Equal(signature, s.sign(payload)) {
		return token{}, false
	}
	rest := payload[1:]
	first, n := binary.Uvarint(rest)
	if n <= 0 || first > maxTime {
		return token{}, false
	}
	rest = rest[n:]
	lasted, n := binary.Uvarint(rest)
	if n <= 0 || lasted > maxTime {
		return token{}, false
	}
	instance := string(rest[n:])
	if instance == "" || len(instance) > maxInstance {
		return token{}, false
	}
	at := time.UnixMilli(int64(first))
	return token{at, time.UnixMilli(int64(first + lasted)), instance}, true
}
