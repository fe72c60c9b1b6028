package backup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// A Keys is to whom objects are encrypted; the zero value is to nobody.
type Keys struct {
	names      []string
	recipients []age.Recipient
}

// ParseRecipients reads age's public keys, age1...
func ParseRecipients(texts []string) (Keys, error) {
	k := Keys{names: slices.Sorted(slices.Values(texts))}
	for _, text := range texts {
		r, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil || len(r) != 1 {
			return Keys{}, fmt.Errorf("backup: recipient %q: want a public key of age, as age-keygen prints it: age1...", text)
		}
		k.recipients = append(k.recipients, r...)
	}
	return k, nil
}

// Identities are the secret keys that can read a backup.
type Identities []age.Identity

// ParseIdentities reads a file of age's secret keys, as age-keygen writes it.
func ParseIdentities(r io.Reader) (Identities, error) {
	ids, err := age.ParseIdentities(r)
	if err != nil {
		// The cause may quote the line, which is a secret.
		return nil, errors.New("backup: identity: want a secret key of age, as age-keygen writes it: AGE-SECRET-KEY-1...")
	}
	return ids, nil
}

// A sealer turns pieces into objects; it is used by one at a time.
type sealer struct {
	keys    Keys
	encoder *zstd.Encoder
	packed  []byte
}

func newSealer(k Keys) (*sealer, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	return &sealer{keys: k, encoder: encoder}, err
}

// seal returns the bytes to store, valid until the next call.
func (s *sealer) seal(plain []byte) ([]byte, error) {
	s.packed = s.encoder.EncodeAll(plain, s.packed[:0])
	if len(s.keys.recipients) == 0 {
		return s.packed, nil
	}
	return s.keys.Encrypt(s.packed)
}

// Encrypt returns what only the owners of the keys can read.
func (k Keys) Encrypt(plain []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, k.recipients...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// ageMagic is what age's files begin with.
const ageMagic = "age-encryption.org/v1\n"

// Decrypt reads a file that may be encrypted: one that is not it reads as it is.
func (ids Identities) Decrypt(r io.Reader) (io.Reader, error) {
	in := bufio.NewReader(r)
	head, err := in.Peek(len(ageMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case string(head) != ageMagic:
		return in, nil
	case len(ids) == 0:
		return nil, fmt.Errorf("%w: it is encrypted; an identity file is wanted", ErrKey)
	}
	out, err := age.Decrypt(in, ids...)
	if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
		return nil, fmt.Errorf("%w: the identity does not fit", ErrKey)
	}
	return out, err
}

// unseal is the inverse of seal, for objects of a manifest.
func (m *Manifest) unseal(stored []byte, ids Identities, decoder *zstd.Decoder) ([]byte, error) {
	if len(m.Recipients) > 0 {
		r, err := age.Decrypt(bytes.NewReader(stored), ids...)
		if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
			return nil, m.wrongKey()
		}
		if err != nil {
			return nil, err
		}
		if stored, err = io.ReadAll(io.LimitReader(r, maxObject)); err != nil {
			return nil, err
		}
	}
	return decoder.DecodeAll(stored, nil)
}

// ErrKey says that a backup cannot be decrypted with the keys given.
var ErrKey = errors.New("wrong key")

func (m *Manifest) wrongKey() error {
	return fmt.Errorf("%w: the identity does not fit; the backup is encrypted to %s", ErrKey, strings.Join(m.Recipients, ", "))
}

// needKey says whether a manifest's objects can be read at all.
func (m *Manifest) needKey(ids Identities) error {
	if len(m.Recipients) > 0 && len(ids) == 0 {
		return fmt.Errorf("backup: %w: the backup is encrypted to %s; an identity file is wanted", ErrKey, strings.Join(m.Recipients, ", "))
	}
	return nil
}

func newDecoder() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(4*pieceBytes), zstd.WithDecoderConcurrency(0))
}
