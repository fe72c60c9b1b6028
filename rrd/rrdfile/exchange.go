package rrdfile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"rondo/rrd"
)

// A Format is a way to write a set.
type Format string

// The formats.
const (
	Binary Format = "rrd" // .rrd
	XML    Format = "xml"
)

// ReadAny reads a .rrd or its XML, whichever it is.
func ReadAny(r io.Reader) (*rrd.SetImage, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(512)
	switch text := bytes.TrimSpace(head); {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case bytes.HasPrefix(head, []byte("RRD\x00")):
		return Read(b)
	case len(head) == 0:
		return nil, errors.New("rrdfile: the file is empty")
	case len(text) > 0 && text[0] != '<' && !bytes.HasPrefix(text, []byte("\xef\xbb\xbf<")):
		return nil, errors.New("rrdfile: this is neither an .rrd nor a dump of one")
	}
	return ReadXML(b)
}

// An Outcome is what became of a file that was not refused.
type Outcome string

// The outcomes of an import.
const (
	Imported Outcome = "imported"
	Skipped  Outcome = "skipped" // the store has it, as it was then or updated since
)

// ErrStore says that it was not the file that an import failed for.
var ErrStore = errors.New("the store takes no sets")

// Import gives a .rrd or its XML to a store. A set of that name that has the
// same definition, and an update that is not older than the file's last one,
// is taken for the file itself: so an import that was interrupted can begin
// again from its start. Any other set of that name is rrd.ErrSetExists. With
// replace, the file replaces what there is.
func Import(ctx context.Context, s rrd.SetStore, name string, r io.Reader, replace bool) (Outcome, error) {
	image, err := ReadAny(r)
	if err != nil {
		return "", err
	}
	for _, d := range image.Definition.Sources {
		if _, err := rrd.NewKey(name, rrd.Label{Name: "ds", Value: d.Name}); err != nil {
			return "", err
		}
	}
	if !replace {
		have, err := isIn(s, name, image)
		if err != nil || have {
			return Skipped, err
		}
	}
	err = s.ImportSet(ctx, name, image, replace)
	if err != nil && !errors.Is(err, rrd.ErrSetExists) {
		err = fmt.Errorf("%w: %w", ErrStore, err)
	}
	return Imported, err
}

// isIn says whether the store has the image already.
func isIn(s rrd.SetStore, name string, image *rrd.SetImage) (bool, error) {
	d, st, err := s.DescribeSet(name)
	switch {
	case errors.Is(err, rrd.ErrNoSet):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%w: %w", ErrStore, err)
	case !sameDefinition(&d, &image.Definition):
		return false, fmt.Errorf("%w, and has other data sources or archives", rrd.ErrSetExists)
	case st.Last < image.State.Last:
		return false, fmt.Errorf("%w, and was last updated before the file was", rrd.ErrSetExists)
	}
	return true, nil
}

// sameDefinition says whether files of both look alike.
func sameDefinition(a, b *rrd.SetDefinition) bool {
	return bytes.Equal(a.AppendBinary(nil), b.AppendBinary(nil))
}

// Export writes a set of a store.
func Export(ctx context.Context, s rrd.SetStore, name string, f Format, w io.Writer) error {
	image, err := s.ExportSet(ctx, name)
	switch {
	case err != nil:
		return err
	case f == XML:
		return WriteXML(w, image)
	}
	return Write(w, image)
}
